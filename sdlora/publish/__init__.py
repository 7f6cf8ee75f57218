"""What is given away of a run: the model card with its gallery, a text for Civitai, the upload to the hub."""

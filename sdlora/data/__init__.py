"""Everything between a folder of pictures and cached latents."""

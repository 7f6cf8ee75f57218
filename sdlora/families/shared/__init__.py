"""What the families share: headers, folders, the hub, CLIP text, prompts, loading."""

"""Run folders: what is in one, its checkpoints, where it came from. No torch."""

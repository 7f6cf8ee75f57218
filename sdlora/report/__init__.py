"""A run as one HTML file: what was set, what was measured, what it offers, what the LoRA is."""

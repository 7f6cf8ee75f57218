"""Stable Diffusion 2: 2.0 and 2.1, in 512 and 768 pixels."""

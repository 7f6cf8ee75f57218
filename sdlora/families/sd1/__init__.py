"""Stable Diffusion 1: 1.4, 1.5 and what was made of them."""

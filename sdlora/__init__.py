"""sdlora: train Stable Diffusion LoRAs. Importing it is cheap; torch comes with the rooms that need it."""

__version__ = "0.1.0"

"""The training loop and its parts. Plain arguments in, events out."""

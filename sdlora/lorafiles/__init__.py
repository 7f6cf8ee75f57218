"""LoRA files: names, keys, changes of weights, reading, writing, verifying."""

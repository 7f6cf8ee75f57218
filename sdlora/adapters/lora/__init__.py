"""LoRA, Hu et al. 2021."""

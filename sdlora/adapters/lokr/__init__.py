"""LoKr, Yeh et al. 2023."""

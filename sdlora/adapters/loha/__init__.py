"""LoHa, Hyeon-Woo et al. 2022."""

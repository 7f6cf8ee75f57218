"""Prodigy (Mishchenko & Defazio 2024, algorithm 4), its authors' own: Adam that finds the rate by itself.

With their two switches for diffusion models (README of prodigyopt): steps are corrected for Adam's empty start, and a
warm-up does not count against the distance that is found.
"""

from math import prod

from sdlora.train.optimizers.recipe import Recipe


def make(groups, weight_decay: float):
    """Prodigy over parameter groups; those with a rate other than 0 must have the same."""
    from prodigyopt import Prodigy

    # In the groups and not as the default: of that it prints a line.
    groups = [{"weight_decay": weight_decay, **group} for group in groups]
    return Prodigy(groups, use_bias_correction=True, safeguard_warmup=True)


RECIPE = Recipe(
    name="prodigy",
    title="Prodigy",
    make=make,
    moments=lambda shape: 4 * prod(shape),  # both of Adam's, the start, and the sum of the gradients
    recorded="prodigyopt.prodigy.Prodigy(use_bias_correction=True,safeguard_warmup=True)",
    highest_lr=10.0,
    finds_rate=True,
)

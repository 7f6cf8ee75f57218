"""Adafactor (Shazeer & Stern 2018), transformers', at the rate that is set.

Of each matrix it keeps a row and a column of the squared gradient in place of all of it. As is usual for LoRAs, steps
are neither relative nor scaled by the size of the weights: up begins at zero and would hardly move.
"""

from math import prod

from sdlora.train.optimizers.recipe import Recipe


def make(groups, weight_decay: float):
    """Adafactor over parameter groups, at a fixed rate."""
    from transformers.optimization import Adafactor

    return Adafactor(groups, scale_parameter=False, relative_step=False, warmup_init=False, weight_decay=weight_decay)


def moments(shape):
    """Numbers kept for one tensor: a row and a column over its last two dimensions; all of what has only one."""
    return prod(shape[:-1]) + prod((*shape[:-2], shape[-1])) if len(shape) > 1 else prod(shape)


RECIPE = Recipe(
    name="adafactor",
    title="Adafactor",
    make=make,
    moments=moments,
    recorded="transformers.optimization.Adafactor(scale_parameter=False,relative_step=False,warmup_init=False)",
)

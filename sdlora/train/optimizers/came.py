"""CAME (Luo et al. 2023, algorithm 2), pytorch_optimizer's: Adafactor that trusts steady updates more than odd ones.

Of each matrix it keeps a row and a column of the squared gradient, a row and a column of how far updates differ from
their mean, and that mean.
"""

from math import prod

from sdlora.train.optimizers.recipe import Recipe


def make(groups, weight_decay: float):
    """CAME over parameter groups, with weight decay apart from the gradient."""
    from pytorch_optimizer import CAME

    return CAME(groups, betas=(0.9, 0.999, 0.9999), weight_decay=weight_decay)


def moments(shape):
    """Numbers kept for one tensor: its mean, and twice a row and a column of its last two dimensions."""
    if len(shape) < 2:
        return 2 * prod(shape)
    return prod(shape) + 2 * (prod(shape[:-1]) + prod((*shape[:-2], shape[-1])))


RECIPE = Recipe(
    name="came",
    title="CAME",
    make=make,
    moments=moments,
    recorded="pytorch_optimizer.optimizer.came.CAME",
)

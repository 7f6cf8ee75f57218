"""Lion (Chen et al. 2023, algorithm 2), pytorch_optimizer's.

Each number moves by the rate itself, up or down, so the rate is a third to a tenth of AdamW's. It keeps one moment.
"""

from math import prod

from sdlora.train.optimizers.recipe import Recipe


def make(groups, weight_decay: float):
    """Lion over parameter groups, with weight decay apart from the gradient."""
    from pytorch_optimizer import Lion

    return Lion(groups, betas=(0.9, 0.99), weight_decay=weight_decay)


RECIPE = Recipe(
    name="lion",
    title="Lion",
    make=make,
    moments=prod,
    recorded="pytorch_optimizer.optimizer.lion.Lion",
)

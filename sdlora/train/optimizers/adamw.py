"""AdamW (Loshchilov & Hutter 2019), torch's."""

from math import prod

from sdlora.train.optimizers.recipe import Recipe


def make(groups, weight_decay: float):
    from torch.optim import AdamW

    return AdamW(groups, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)


RECIPE = Recipe(
    name="adamw",
    title="AdamW",
    make=make,
    moments=lambda shape: 2 * prod(shape),
    recorded="torch.optim.AdamW",
)

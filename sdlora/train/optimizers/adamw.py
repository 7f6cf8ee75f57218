"""AdamW (Loshchilov & Hutter 2019), torch's."""

from math import prod

from sdlora.train.optimizers.recipe import Recipe


def make(groups, weight_decay: float):
    """AdamW over parameter groups."""
    from torch.optim import AdamW

    options = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": weight_decay}
    try:  # one operation for all factors in place of ten for each
        return AdamW([dict(group) for group in groups], **options, fused=True)
    except RuntimeError:  # PyTorch has no such kernel for this device
        return AdamW(groups, **options)


RECIPE = Recipe(
    name="adamw",
    title="AdamW",
    make=make,
    moments=lambda shape: 2 * prod(shape),
    recorded="torch.optim.AdamW",
)

"""Which parameters an optimizer moves, and how fast."""

import torch

from sdlora.adapters.adapter import Adapter
from sdlora.train.optimizers import FIRST, OPTIMIZERS


def make_optimizer(
    adapter: Adapter, rates: dict[str, float], weight_decay: float, name: str = FIRST.name
) -> torch.optim.Optimizer:
    """The optimizer of that name, with one group per root ("unet", "text_encoder") with its own learning rate.

    What a kind of adapter has beside its factors (DoRA's magnitudes) is in groups without weight decay, which would
    shrink the base model's own weights.
    """
    groups = []
    for root, lr in rates.items():
        for part, parameters in adapter.by_decay(root).items():
            own = {"name": f"{root}.{part}", "weight_decay": 0.0} if part else {"name": root}
            groups.append({"params": parameters, "lr": lr, **own})
    return OPTIMIZERS[name].make(groups, weight_decay=weight_decay)

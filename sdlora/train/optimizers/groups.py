"""Which parameters an optimizer moves, and how fast."""

import torch

from sdlora.adapters.adapter import Adapter
from sdlora.train.optimizers import OPTIMIZERS


def make_optimizer(
    adapter: Adapter, rates: dict[str, float], weight_decay: float, name: str = "adamw"
) -> torch.optim.Optimizer:
    """The optimizer of that name, with one group per root ("unet", "text_encoder") with its own learning rate.

    DoRA's magnitudes have groups without weight decay, which would shrink the base model's own weights.
    """
    sizes = {id(layer.magnitude) for layer in adapter.layers.values() if getattr(layer, "magnitude", None) is not None}
    groups = []
    for root, lr in rates.items():
        learning = [p for p in adapter.parameters_of(root) if p.requires_grad]
        factors = [p for p in learning if id(p) not in sizes]
        magnitudes = [p for p in learning if id(p) in sizes]
        groups.append({"params": factors, "lr": lr, "name": root})
        groups.append({"params": magnitudes, "lr": lr, "name": f"{root}.magnitude", "weight_decay": 0.0})
    return OPTIMIZERS[name].make([group for group in groups if group["params"]], weight_decay=weight_decay)

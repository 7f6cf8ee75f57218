"""Which parameters an optimizer moves, and how fast."""

from collections.abc import Iterator, Mapping
from itertools import count

import torch
from torch import nn

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.inject import picked
from sdlora.train.optimizers import FIRST, OPTIMIZERS

Learner = tuple[str, nn.Parameter, float]  # (the undecayed part that it is, or "", itself, its rate)


def make_optimizer(
    adapter: Adapter,
    rates: Mapping[str, float],
    weight_decay: float,
    name: str = FIRST.name,
    lr_pattern: Mapping[str, float] | None = None,
    lora_plus: float = 1.0,
) -> torch.optim.Optimizer:
    """The optimizer of that name, with one group per root ("unet", "text_encoder") with its own learning rate.

    What a kind of adapter has beside its factors (DoRA's magnitudes) is in groups without weight decay, which would
    shrink the base model's own weights. Other rates are groups of their own, after the root's.
    lr_pattern: other rates by pattern of the layers' names; the first that fits counts.
    lora_plus: how much faster the factor learns that starts at zero, B (LoRA+, Hayou et al. 2024).
    """
    groups = []
    for root, lr in rates.items():
        learners = list(_learners(adapter, root, lr, lr_pattern or {}, lora_plus))
        for part in ("", *adapter.kind.undecayed):
            own = {"name": f"{root}.{part}", "weight_decay": 0.0} if part else {"name": root}
            found = {rate: [p for kind, p, its in learners if kind == part and its == rate] for _, _, rate in learners}
            numbers = count(2)
            for rate in sorted((rate for rate in found if found[rate]), key=lambda rate: rate != lr):
                group = {"params": found[rate], "lr": rate, **own}
                groups.append(group if rate == lr else group | {"name": f"{own['name']} {next(numbers)}"})
    return OPTIMIZERS[name].make(groups, weight_decay=weight_decay)


def _learners(
    adapter: Adapter, root: str, lr: float, lr_pattern: Mapping[str, float], lora_plus: float
) -> Iterator[Learner]:
    """All parameters under a root that learn, in the adapter's order."""
    for name, layer in adapter.layers.items():
        if name.split(".")[0] != root:
            continue
        tensors, rate = layer.tensors(), picked(lr_pattern, name, lr)
        last = adapter.kind.last_in(tensors)
        for part, parameter in tensors.items():
            if parameter.requires_grad:
                kind = part if part in adapter.kind.undecayed else ""
                yield kind, parameter, rate * lora_plus if part == last else rate

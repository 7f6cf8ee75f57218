"""The average of the weights over the steps, which is exported in place of the last ones where that is wished.

An exponential moving average as diffusers' EMAModel has it: its first values are the first step's, and it forgets them
faster in the beginning.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from sdlora.adapters.adapter import Adapter


class Average:
    """mean <- d mean + (1 - d) weights after each step.

    decay: the highest d. tensors: the mean by name, as the adapter has them; empty until it begins.
    """

    def __init__(self, decay: float):
        self.decay = decay
        self.tensors: dict[str, Tensor] = {}

    def begin(self, adapter: Adapter, tensors: Mapping[str, Tensor] | None = None) -> None:
        """From these values, where some are kept; else from the adapter's own, on its device."""
        own = adapter.tensors()
        given = own if tensors is None else tensors
        self.tensors = {name: given[name].detach().to(p.device, copy=True) for name, p in own.items()}

    @torch.no_grad()
    def update(self, adapter: Adapter, step: int) -> None:
        """Take in the weights after a step (the first is 1)."""
        decay = 0.0 if step == 1 else min(self.decay, step / (9 + step))
        for name, parameter in adapter.tensors().items():
            self.tensors[name].lerp_(parameter.detach(), 1 - decay)


@contextmanager
def holding(adapter: Adapter, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """The adapter holds these meanwhile, and afterwards its own again, bit for bit. tensors: by name; may be empty."""
    own = {name: parameter.detach().clone() for name, parameter in adapter.tensors().items() if name in tensors}
    _put(adapter, tensors)
    try:
        yield
    finally:
        _put(adapter, own)


@torch.no_grad()
def _put(adapter: Adapter, tensors: Mapping[str, Tensor]) -> None:
    for name, parameter in adapter.tensors().items():
        if name in tensors:
            parameter.copy_(tensors[name])

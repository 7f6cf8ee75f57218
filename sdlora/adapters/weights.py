"""Frozen weights of the base model: the one place that reads, replaces and applies them, however they are kept."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def read(module: nn.Module, kept: Tensor | None = None) -> Tensor:
    """The weight of a layer: float32 (float64 of a float64 layer), on its device, without gradient; not to be changed.

    kept: what ``stored`` gave, to read in place of the weight that there is now.
    """
    weight = (module.weight if kept is None else kept).detach()
    return weight.to(torch.promote_types(weight.dtype, torch.float32))


def device_of(module: nn.Module) -> torch.device:
    """Where the weight is."""
    return module.weight.device


def stored(module: nn.Module) -> Tensor:
    """The weight as it is kept: to put back with ``restore``, bit for bit."""
    return module.weight.data


def write(module: nn.Module, weight: Tensor) -> None:
    """Replace the weight, cast to the dtype and device of the old one."""
    old = module.weight.data
    module.weight.data = weight.to(old.device, old.dtype)


def restore(module: nn.Module, kept: Tensor) -> None:
    """Put back what ``stored`` gave."""
    module.weight.data = kept


def linear_in(module: nn.Module, matrix: Tensor) -> Tensor:
    """matrix (rows, out) times the weight as a matrix (out, in[ · k · k]), in the weight's dtype: no copy is made."""
    weight = module.weight
    return matrix.to(weight.dtype) @ weight.flatten(1)


def apply(module: nn.Linear | nn.Conv2d, x: Tensor, weight: Tensor | None = None) -> Tensor:
    """The layer's output for x without its bias, by its own weight or by another of that shape."""
    weight = module.weight if weight is None else weight
    if isinstance(module, nn.Linear):
        return functional.linear(x, weight)
    return module._conv_forward(x, weight, None)  # with the layer's stride and padding mode

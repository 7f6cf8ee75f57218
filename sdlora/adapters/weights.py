"""Frozen weights of the base model: the one place that reads, replaces and applies them, however they are kept."""

from contextlib import AbstractContextManager, nullcontext

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
    """The weight as it is kept: to put back with ``put_back``, bit for bit."""
    return module.weight.data


def write(module: nn.Module, weight: Tensor) -> None:
    """Replace the weight, cast to the dtype and device of the old one."""
    old = module.weight.data
    module.weight.data = weight.to(old.device, old.dtype)


def put_back(module: nn.Module, kept: Tensor) -> None:
    """Put back what ``stored`` gave."""
    module.weight.data = kept


def parameters(module: nn.Linear | nn.Conv2d) -> tuple[nn.Parameter, nn.Parameter | None]:
    """(weight, bias or None) as they are kept, to compute with, or to give them other memory with the same numbers."""
    return module.weight, module.bias


def linear_in(module: nn.Module, matrix: Tensor) -> Tensor:
    """matrix (rows, out) times the weight as a matrix (out, in[ · k · k]), in the weight's dtype: no copy is made."""
    weight = module.weight
    return matrix.to(weight.dtype) @ weight.flatten(1)


def apply(module: nn.Linear | nn.Conv2d, x: Tensor, weight: Tensor | None = None, bias: bool = False) -> Tensor:
    """The layer's output for x by its own weight or by another of that shape; bias: with the layer's own."""
    weight = module.weight if weight is None else weight
    added = module.bias if bias else None
    if isinstance(module, nn.Linear):
        return functional.linear(x, weight, added)
    return module._conv_forward(x, weight, added)  # with the layer's stride and padding mode


def autocast_dtype(x: Tensor) -> torch.dtype | None:
    """What autocast would cast x to for a product; None where it leaves it alone."""
    device = x.device.type
    if device == "meta" or not torch.is_autocast_enabled(device) or x.dtype == torch.float64:
        return None
    return torch.get_autocast_dtype(device)


def precise(x: Tensor) -> bool:
    """Are products with x in float32 or more, so that a weight and its small change can be added first?"""
    return (autocast_dtype(x) or x.dtype) in (torch.float32, torch.float64)


def without_autocast(x: Tensor) -> AbstractContextManager:
    """In it, products of tensors on x's device are in their own dtype."""
    return nullcontext() if x.device.type == "meta" else torch.autocast(x.device.type, enabled=False)

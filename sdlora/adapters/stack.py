"""Layers that read the same input, as attention's q, k and v do, run as one: their tensors lie side by side."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from sdlora.adapters import weights
from sdlora.adapters.door import door_of
from sdlora.adapters.layer import Layer
from sdlora.adapters.lora.layer import LoRALayer
from sdlora.adapters.lora.products import StackedProducts

Member = tuple[Any, Layer | None]  # a frozen module and what is on it


class SideBySide:
    """Tensors of one shape in one piece of memory: read as one without a copy, while each stays what it is.

    Whoever gives one of them other memory (``.to``, merging, sharding) loses nothing: they are then copied together at
    every reading, until ``lay`` is called again.

    whole, start: where these are a part of others that lie side by side already.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], whole: "SideBySide | None" = None, start: int = 0):
        self.parameters, self._whole, self._start = list(parameters), whole, start
        self.lay()

    @torch.no_grad()
    def lay(self) -> None:
        """Move them into one new piece of memory."""
        self.together = True
        if self._whole is None:
            self.joined = torch.stack([parameter.data for parameter in self.parameters])
            for parameter, part in zip(self.parameters, self.joined.unbind(), strict=True):
                parameter.data = part
        else:
            self.joined = self._whole.joined[self._start : self._start + len(self.parameters)]

    @torch.no_grad()
    def read(self) -> Tensor:
        """(n, …) without gradient, not to be changed."""
        if not torch.compiler.is_compiling():  # a compiled step goes by what was seen when it was compiled
            self.together = self._lie_together()
        return self.joined if self.together else torch.stack([parameter.data for parameter in self.parameters])

    def _lie_together(self) -> bool:
        joined, first = self.joined, self.parameters[0]
        if first.dtype != joined.dtype or first.device != joined.device:
            return False
        if joined.is_meta or isinstance(joined, FakeTensor):
            return True
        start, step = joined.data_ptr(), joined.stride(0) * joined.element_size()
        return all(p.data_ptr() == start + n * step for n, p in enumerate(self.parameters))


class Stack:
    """LoRA layers of one rank and strength on linear layers of one shape, all of which read the same input.

    members: as ``stackable`` allows. whole, start: a stack of which these are a part, and where they begin there.
    """

    def __init__(self, members: Sequence[Member], whole: "Stack | None" = None, start: int = 0):
        self.bases = [base for base, _ in members]
        self.layers = [layer for _, layer in members if layer is not None]
        kept = [weights.parameters(base) for base in self.bases]
        factors = [layer.tensors() for layer in self.layers]
        parts: dict[str, list[nn.Parameter]] = {
            "weights": [weight for weight, _ in kept],
            "biases": [bias for _, bias in kept if bias is not None],
            "downs": [own["down"] for own in factors],
            "ups": [own["up"] for own in factors],
        }
        self.sides: dict[str, SideBySide] = {
            name: SideBySide(tensors, None if whole is None else whole.sides[name], start)
            for name, tensors in parts.items()
            if tensors
        }
        self.factors = parts["downs"] + parts["ups"]
        self.ready: tuple[Tensor, Tensor] | None = None  # all A and all B in the products' dtype (``adapters.casts``)

    def usable(self) -> bool:
        """Is what the bases do when they are called one by one exactly what ``output`` does?"""
        doors = [door_of(base) for base in self.bases]
        plain = all(layer.mask is None for layer in self.layers)
        return plain and all(door is not None and door.only(own) for door, own in zip(doors, self.layers, strict=True))

    def output(self, x: Tensor, multiplier: float, heads: int) -> tuple[Tensor, ...]:
        """Each base's output with its change: (batch, heads, N, out / heads), for x (batch, N, in)."""
        dtype = weights.autocast_dtype(x) or x.dtype
        weight = self.sides["weights"].read().to(dtype).flatten(0, 1)
        bias = self.sides["biases"].read().to(dtype).flatten() if "biases" in self.sides else None
        (a, b), factors = self._factors(dtype)
        s = self.layers[0].scale * multiplier
        return StackedProducts.apply(x.to(dtype), weight, bias, a.flatten(0, 1), b, s, heads, *factors)

    def _factors(self, dtype: torch.dtype) -> tuple[tuple[Tensor, Tensor], list[nn.Parameter]]:
        """(all A, all B), and the single factors unless these have gradients themselves: see ``LoRALayer._factors``."""
        ready, self.ready = self.ready, None
        if ready is not None and ready[0].dtype == dtype:
            return ready, []
        return (self.sides["downs"].read().to(dtype), self.sides["ups"].read().to(dtype)), self.factors

    def lay(self) -> None:
        """Put all side by side again, after they were moved."""
        for side in self.sides.values():
            side.lay()


def likeness(base: Any, layer: Layer | None) -> tuple | None:
    """What is the same of all members of a stack; None for what can be in none."""
    if type(base) is not nn.Linear or type(layer) is not LoRALayer:
        return None
    weight, bias = weights.parameters(base)
    return layer.shape, layer.rank, layer.scale, bias is None, weight.dtype, weight.device


def stackable(members: Sequence[Member]) -> bool:
    """Can these be one stack?"""
    kinds = {likeness(*member) for member in members}
    return len(kinds) == 1 and None not in kinds

"""The factors of a step in the dtype of its products: all cast at once, and all their gradients cast back at once.

Under autocast each factor is cast to half precision in the forward pass and its gradient back to float32 in the
backward pass: four operations a layer, whose launches cost more than the work. Here it is one of each for all layers
together, with the same numbers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from sdlora.adapters import weights
from sdlora.adapters.lora.layer import LoRALayer
from sdlora.adapters.stack import Stack

Owner = Stack | LoRALayer
ALIGNED = 64  # numbers; tensors of common sizes begin where vector units like it


@dataclass(frozen=True)
class Group:
    """Parameters of one shape that lie side by side. joined: they are handed out as one tensor, (n, …)."""

    parameters: tuple[nn.Parameter, ...]
    joined: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, …)."""
        return len(self.parameters), *self.parameters[0].shape


class CastTogether(Function):
    """(groups, dtype, their parameters in order) -> a tensor for each joined group, else one for each parameter."""

    @staticmethod
    def forward(ctx: Any, groups: Sequence[Group], dtype: torch.dtype, *parameters: Tensor) -> tuple[Tensor, ...]:
        """Cast them."""
        ctx.set_materialize_grads(False)
        ctx.groups, ctx.dtype, ctx.device = groups, parameters[0].dtype, parameters[0].device
        wholes = _laid(groups, dtype, ctx.device)
        parts = [whole.unbind() for whole in wholes]
        torch._foreach_copy_([one for own in parts for one in own], list(parameters))
        handed: list[Tensor] = []
        for group, whole, own in zip(groups, wholes, parts, strict=True):
            handed += [whole] if group.joined else own
        return tuple(handed)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """The parameters' gradients in their own dtype; None for what was not used."""
        given, found = iter(gradients), []
        pairs: list[tuple[Tensor, Tensor]] = []
        for group, whole in zip(ctx.groups, _laid(ctx.groups, ctx.dtype, ctx.device), strict=True):
            parts = whole.unbind()
            places = (whole,) if group.joined else parts
            own = [next(given) for _ in places]
            pairs += [(place, gradient) for place, gradient in zip(places, own, strict=True) if gradient is not None]
            used = own * len(parts) if group.joined else own
            found += [None if gradient is None else part for part, gradient in zip(parts, used, strict=True)]
        if pairs:
            torch._foreach_copy_([place for place, _ in pairs], [gradient for _, gradient in pairs])
        return None, None, *found


class Casts:
    """Hands the plain LoRA layers of an adapter, and their stacks, their factors in the dtype of autocast.

    Of other kinds' tensors a part of the arithmetic is in float32; they are cast where they are used.
    """

    def __init__(self, layers: Sequence[Any], stacks: Sequence[Stack]):
        whole: list[Stack] = []
        stacked: set[int] = set()
        for stack in stacks:  # wholes before their parts
            if not stacked & {id(layer) for layer in stack.layers}:
                whole.append(stack)
                stacked |= {id(layer) for layer in stack.layers}
        single = [layer for layer in layers if type(layer) is LoRALayer and id(layer) not in stacked]
        self.owners: list[Owner] = [*whole, *single]

    @contextmanager
    def handed(self) -> Iterator[None]:
        """Within it, every layer finds its factors cast, for its first call: a second one casts them itself.

        So a layer that is called twice adds up gradients in float32, as it does without; and what is computed again
        in the backward pass (gradient checkpointing) finds nothing old.
        """
        self._hand()
        try:
            yield
        finally:
            for owner in self.owners:
                owner.ready = None

    def _hand(self) -> None:
        owners = [owner for owner in self.owners if _learns(owner)]
        if not owners or not torch.is_grad_enabled():
            return
        first = _factors(owners[0])[0][0]
        dtype = weights.autocast_dtype(first)
        if dtype in (None, torch.float32):
            return
        owners = [owner for owner in owners if _factors(owner)[0][0].device == first.device]
        groups, places = _grouped(owners)
        cast = CastTogether.apply(groups, dtype, *(one for group in groups for one in group.parameters))
        for owner, (down, up) in zip(owners, places, strict=True):
            owner.ready = cast[down], cast[up]


def _learns(owner: Owner) -> bool:
    """Do all its factors learn, and will it multiply by them? With a mask it goes another way."""
    layers = owner.layers if isinstance(owner, Stack) else [owner]
    if any(layer.mask is not None for layer in layers):
        return False
    return all(p.requires_grad and p.dtype == torch.float32 for side in _factors(owner) for p in side)


def _factors(owner: Owner) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """All A, all B."""
    if isinstance(owner, Stack):
        half = len(owner.factors) // 2
        return owner.factors[:half], owner.factors[half:]
    own = owner.tensors()
    return [own["down"]], [own["up"]]


def _grouped(owners: Sequence[Owner]) -> tuple[list[Group], list[tuple[int, int]]]:
    """(groups, for each owner where its A and B are in what ``CastTogether`` gives).

    A stack's A and its B are a group each; those of single layers are grouped by their shape.
    """
    groups: list[Group] = []
    wanted: list[int] = []
    alike: dict[tuple[int, ...], list[nn.Parameter]] = {}
    for owner in owners:
        for side in _factors(owner):
            wanted.append(id(side[0]))
            if isinstance(owner, Stack):
                groups.append(Group(tuple(side), joined=True))
            else:
                alike.setdefault(tuple(side[0].shape), []).append(side[0])
    groups += [Group(tuple(parameters), joined=False) for parameters in alike.values()]
    order = [id(p) for group in groups for p in (group.parameters[:1] if group.joined else group.parameters)]
    place = {which: number for number, which in enumerate(order)}
    found = [place[which] for which in wanted]
    return groups, list(zip(found[::2], found[1::2], strict=True))


def _laid(groups: Sequence[Group], dtype: torch.dtype, device: torch.device) -> list[Tensor]:
    """New tensors (n, …) for all groups, in one piece of memory."""
    starts, end = [], 0
    for group in groups:
        starts.append(end)
        end += -(-torch.Size(group.shape).numel() // ALIGNED) * ALIGNED
    flat = torch.empty(end, dtype=dtype, device=device)
    return [
        flat.as_strided(group.shape, _strides(group.shape), start) for group, start in zip(groups, starts, strict=True)
    ]


def _strides(shape: Sequence[int]) -> list[int]:
    strides = [1]
    for side in reversed(shape[1:]):
        strides.append(strides[-1] * side)
    return strides[::-1]

"""How files hold the change of a weight: what its tensors are called, and what they make together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]  # part -> its tensor


@dataclass(frozen=True, eq=False)
class Form:
    """The tensors of one way to write a change, in files of any origin. Shapes and conventions are LyCORIS's.

    All matrices are (out, in · kernel): a convolution's weight with its last three axes as one.

    name: of the form. shown: names of the parts -> what people call it.
    needed, optional: its parts; no other form has a part of that name.
    product: the parts in one dtype -> the change, without the scale (alpha / rank).
    size: the parts -> (out, in · kernel).
    kernel: the parts -> () of a linear layer, (k, k) of a convolution; None if they don't tell.
    fits: do the shapes fit each other? missing: names of the parts -> those that have to be there beside ``needed``.
    ranked: parts whose first axis is the rank that divides alpha, of which the first that is there counts.
    factors: the parts in float32 -> (down, up) of the same product; None where there are no exact ones.
    leaves: container ("kohya", "diffusers") -> part -> how its key ends; others end as the part is called.
    spellings: (regular expression of a key's end, part) of whatever else files have.
    """

    name: str
    shown: Callable[[Collection[str]], str]
    needed: frozenset[str]
    product: Callable[[Tensors], Tensor]
    size: Callable[[Tensors], tuple[int, int]]
    fits: Callable[[Tensors], bool]
    optional: frozenset[str] = frozenset()
    kernel: Callable[[Tensors], tuple[int, ...] | None] = lambda parts: None
    missing: Callable[[set[str]], list[str]] = lambda names: []
    ranked: tuple[str, ...] = ()
    factors: Callable[[Tensors], tuple[Tensor, Tensor] | None] = lambda parts: None
    leaves: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    spellings: Sequence[tuple[str, str]] = ()

    @property
    def parts(self) -> frozenset[str]:
        """Names of all tensors that it may have."""
        return self.needed | self.optional


def tucker(t: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """A product in Tucker form: a (r, out), b (r, in), t (r, r, k, k) -> (out, in · k · k)."""
    return torch.einsum("ijkl,ip,jr->prkl", t, a, b).flatten(1)

"""What a layer of any adapter kind can do, and which modules can have one."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor, nn


class Layer(Protocol):
    """The trainable change of one frozen nn.Linear or nn.Conv2d; an nn.Module, made by
    ``Class(base, rank, alpha, generator, name)``.

    rank, alpha: as chosen; scale: alpha / rank. shape: of the frozen weight. Tensors are float32 whatever the base's
    dtype; drawn from ``generator`` on the CPU, so that a seed gives the same ones on every device. A new layer changes
    nothing.
    """

    rank: int
    alpha: float
    scale: float
    shape: tuple[int, ...]

    def forward(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor:
        """The change of the base's output for its input x, times ``multiplier``; in x's dtype, or autocast's."""
        ...

    def delta(self, weight: Tensor) -> Tensor:
        """The change of the base's weight: float32, in its shape."""
        ...

    def tensors(self) -> dict[str, nn.Parameter]:
        """Part -> parameter, in the order of ``Kind.parts``: what is trained, saved, exported and verified."""
        ...

    def neutral(self, weight: Tensor) -> dict[str, Tensor]:
        """The values of the parts beside the factors with which the factors' product alone acts on ``weight``."""
        ...

    # ---- of nn.Module

    def __call__(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def requires_grad_(self, requires_grad: bool = True) -> nn.Module: ...


def why_not(base: nn.Module, rank: int, alpha: float, name: str) -> str:
    """The sentence that says why there can be no adapter layer here; empty if there can."""
    if not isinstance(base, (nn.Linear, nn.Conv2d)):
        return f"{name} is a {type(base).__name__}; a LoRA fits nn.Linear and nn.Conv2d only."
    if isinstance(base, nn.Conv2d) and base.groups != 1:
        return f"{name} is a convolution with {base.groups} groups; a LoRA fits convolutions with one group only."
    if not isinstance(rank, int) or rank < 1:
        return f"The rank of {name} is {rank}; it must be a whole number of at least 1."
    if not 0 < alpha < float("inf"):
        return f"The alpha of {name} is {alpha}; it must be more than 0."
    return ""


def shape_of(base: nn.Linear | nn.Conv2d) -> tuple[int, ...]:
    """The shape of the base's weight, told by its sizes: a packed weight may have another."""
    if isinstance(base, nn.Linear):
        return base.out_features, base.in_features
    return base.out_channels, base.in_channels, *base.kernel_size

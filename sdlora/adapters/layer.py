"""What a layer of any adapter kind can do, and which modules can have one."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor, nn

from sdlora.messages import say


class Layer(Protocol):
    """The trainable change of one frozen nn.Linear or nn.Conv2d.

    An nn.Module, made by ``Class(base, rank, alpha, generator, name)``. rank, alpha: as chosen; scale: alpha / rank.
    mask: float32 (B, rank), what each rank's part of each image is multiplied with while ``thinning`` sets it, or None.
    shape: of the frozen weight. Tensors are float32 whatever the base's dtype; drawn from ``generator`` on the CPU, so
    that a seed gives the same ones on every device. A new layer changes nothing.
    """

    rank: int
    alpha: float
    scale: float
    shape: tuple[int, ...]
    mask: Tensor | None

    def forward(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor:
        """The change of the base's output for its input x, times ``multiplier``; in x's dtype, or autocast's."""
        ...

    def output(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor:
        """The base's own output with that change in it; base: exactly nn.Linear or nn.Conv2d."""
        ...

    def delta(self, weight: Tensor) -> Tensor:
        """The change of the base's weight: float32, in its shape."""
        ...

    def tensors(self) -> dict[str, nn.Parameter]:
        """Part -> parameter, in the order of ``Kind.parts``: what is trained, saved, exported and verified."""
        ...

    def neutral(self, weight: Tensor) -> dict[str, Tensor]:
        """Values of the tensors beside the factors (DoRA's magnitude) that leave the factors' product alone."""
        ...

    # ---- of nn.Module

    def __call__(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor: ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """nn.Module's own: the trainable tensors."""
        ...

    def requires_grad_(self, requires_grad: bool = True) -> nn.Module:
        """nn.Module's own: let them learn, or not."""
        ...


def why_not(base: nn.Module, rank: int, alpha: float, name: str) -> str:
    """The sentence that says why there can be no adapter layer here; empty if there can."""
    if not isinstance(base, (nn.Linear, nn.Conv2d)):
        return say("adapters.layer_unfit", name=name, kind=type(base).__name__)
    if isinstance(base, nn.Conv2d) and base.groups != 1:
        return say("adapters.convolution_grouped", name=name, count=base.groups)
    if not isinstance(rank, int) or rank < 1:
        return say("adapters.rank_invalid", name=name, given=rank)
    if not 0 < alpha < float("inf"):
        return say("adapters.alpha_invalid", name=name, given=alpha)
    return ""


def shape_of(base: nn.Linear | nn.Conv2d) -> tuple[int, ...]:
    """The shape of the base's weight, told by its sizes: a packed weight may have another."""
    if isinstance(base, nn.Linear):
        return base.out_features, base.in_features
    return base.out_channels, base.in_channels, *base.kernel_size

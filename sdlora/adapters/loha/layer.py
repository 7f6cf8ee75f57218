"""One LoHa layer: the change of a frozen weight as the elementwise product of two low-rank matrices."""

from typing import Any

import torch
from torch import Tensor, nn

from sdlora.adapters import weights
from sdlora.adapters.layer import shape_of, why_not
from sdlora.errors import UserError
from sdlora.messages import say


class LoHaLayer(nn.Module):
    """dW = (alpha / rank) · (w1_a·w1_b) ∘ (w2_a·w2_b), after Hyeon-Woo et al. 2022; its rank can be rank².

    The tensors have LyCORIS's names, shapes and beginnings: ``hada_w1_a`` (out, r) with standard deviation 0.1,
    ``hada_w1_b`` and ``hada_w2_b`` (r, in[ · k · k]) with 1, ``hada_w2_a`` (out, r) zero: training starts at the base
    model exactly. A convolution's kernel is a part of the columns, as in LyCORIS without its Tucker form.
    Arguments and errors as for LoRALayer.
    """

    mask: Tensor | None = None

    def __init__(
        self,
        base: nn.Module,
        rank: int,
        alpha: float,
        generator: torch.Generator | None = None,
        name: str = say("adapters.the_layer"),
    ):
        super().__init__()
        if problem := why_not(base, rank, alpha, name):
            raise UserError(problem)
        self.rank, self.alpha, self.scale = rank, float(alpha), alpha / rank
        self.shape = shape_of(base)
        device, rows, columns = weights.device_of(base), self.shape[0], torch.Size(self.shape[1:]).numel()
        self.hada_w1_a = nn.Parameter((torch.randn(rows, rank, generator=generator) * 0.1).to(device))
        self.hada_w1_b = nn.Parameter(torch.randn(rank, columns, generator=generator).to(device))
        self.hada_w2_b = nn.Parameter(torch.randn(rank, columns, generator=generator).to(device))
        self.hada_w2_a = nn.Parameter(torch.zeros(rows, rank, device=device))

    def tensors(self) -> dict[str, nn.Parameter]:
        """Its four factors."""
        return dict(self.named_parameters())

    def neutral(self, weight: Tensor) -> dict[str, Tensor]:
        """No tensors: a LoHa has none beside its factors."""
        return {}

    def forward(self, x: Tensor, multiplier: float = 1.0, base: nn.Module | None = None) -> Tensor:
        """The change of the base's output for its input x, times ``multiplier``; base is needed."""
        with weights.without_autocast(x):
            change = self.delta() * multiplier
        return weights.apply(base, x, change.to(x.dtype))

    def output(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor:
        """The base's own output with the change in it: one product, with the two added, where that loses nothing."""
        if weights.precise(x):
            weight, _ = weights.parameters(base)
            return weights.apply(base, x, weight + (self.delta() * multiplier).to(x.dtype), bias=True)
        return weights.apply(base, x, bias=True) + self(x, multiplier, base)

    def delta(self, weight: Tensor | None = None) -> Tensor:
        """The change of the base's weight: float32, in its shape. weight: the base's; a LoHa does without."""
        product = _Hadamard.apply(self.hada_w1_a, self.hada_w1_b, self.hada_w2_a, self.hada_w2_b)
        return (product * self.scale).view(self.shape)

    def extra_repr(self) -> str:
        """Rank and alpha, for ``print(model)``."""
        return f"rank={self.rank}, alpha={self.alpha:g}"


class _Hadamard(torch.autograd.Function):
    """(a·b) ∘ (c·d) that keeps the factors alone for the backward pass, not the two matrices of the weight's size."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
        ctx.save_for_backward(a, b, c, d)
        return (a @ b) * (c @ d)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        a, b, c, d = ctx.saved_tensors
        first, second = gradients[0] * (c @ d), gradients[0] * (a @ b)
        return first @ b.T, a.T @ first, second @ d.T, c.T @ second

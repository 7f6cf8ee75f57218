"""DoRA: the direction of the weights by a LoRA, their size by a magnitude of its own.

Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank Adaptation": W' = m · (W + dW) / ||W + dW||. The norm here is taken
per input channel, over outputs and kernel, and m is (1, in) or (1, in, 1, 1). The paper and peft take it per output
channel; but the files that A1111, InvokeAI, ComfyUI and Forge all compute exactly are these (LyCORIS calls them
``wd_on_output=False``).
"""

from torch import Tensor, nn

from sdlora.adapters import weights
from sdlora.adapters.lora.layer import LoRALayer

_TINY = 1e-12  # an input channel without weights stays without


class DoRALayer(LoRALayer):
    """A LoRA layer with a trainable magnitude, float32, (1, in) or (1, in, 1, 1).

    The magnitude starts as the norm of the base's weight, and B as zero: training starts at the base model exactly.
    Gradients go through the norm. Arguments and errors as for LoRALayer; the base's weight must not change later, but
    for ``Adapter.merge``.
    """

    def __init__(self, base: nn.Module, *args, **options):
        super().__init__(base, *args, **options)
        squares = _squares(weights.read(base).float())
        self.register_buffer("base_squares", squares, persistent=False)
        self.magnitude = nn.Parameter(squares.sqrt())

    def tensors(self) -> dict[str, nn.Parameter]:
        """A, B and the magnitude."""
        return {**super().tensors(), "magnitude": self.magnitude}

    def neutral(self, weight: Tensor) -> dict[str, Tensor]:
        """The magnitude that leaves the low-rank change alone: the norms of W + dW per input channel."""
        return {"magnitude": _squares(weight.float() + self.low_rank().to(weight.device)).sqrt()}

    def forward(self, x: Tensor, multiplier: float = 1.0, base: nn.Module | None = None) -> Tensor:
        """The change of the base's output for its input x, times ``multiplier``; base is needed.

        With c = m / ||W + dW|| per input channel, W'x - Wx = W((c - 1)x) + dW(cx): no weight is built.
        """
        ratio, precise = self._ratio(base), x.float()
        plain = ((ratio - 1) * precise * multiplier).to(x.dtype)
        return weights.apply(base, plain) + super().forward((ratio * precise).to(x.dtype), multiplier)

    def output(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor:
        """The base's own output with the change in it: W'x = W(cx) + dW(cx), one product of the base's size."""
        if multiplier == 1 and weights.precise(x):
            return super().output(x * self._ratio(base).to(x.dtype), 1.0, base)
        # Half precision would round c, which is near 1, to 1: its small part goes through W by itself.
        return weights.apply(base, x, bias=True) + self(x, multiplier, base)

    def delta(self, weight: Tensor | None = None) -> Tensor:
        """W' - W, float32; weight: the base's, without which it raises ValueError."""
        if weight is None:
            raise ValueError("The change of a DoRA depends on the base's weight.")
        precise = weight.float()
        changed = precise + self.low_rank().to(precise.device)
        norm = _squares(changed).sqrt().clamp_min(_TINY)
        return changed * (self.magnitude / norm) - precise

    def _ratio(self, base: nn.Module) -> Tensor:
        """c = m / ||W + dW||, float32: (in) for a linear layer, (in, 1, 1) for a convolution."""
        ratio = self.magnitude / self._norm(base)
        return ratio.view(-1) if isinstance(base, nn.Linear) else ratio.view(-1, 1, 1)

    def _norm(self, base: nn.Module) -> Tensor:
        """||W + dW|| per input channel, float32, by |W|² + 2·W·dW + |dW|²: dW itself is never built.

        W enters in its own dtype: no second copy of it is kept for the backward pass.
        """
        with weights.without_autocast(self.magnitude):
            up, down = self.up.weight.flatten(1), self.down.weight  # (out, r), (r, in, …)
            cross = weights.linear_in(base, up.T).float().view(down.shape)  # Bᵀ·W
            inner = ((up.T @ up) @ down.flatten(1)).view(down.shape)  # BᵀB·A
            change = (down * (2 * self.scale * cross + self.scale**2 * inner)).transpose(0, 1).flatten(1).sum(1)
            squares = self.base_squares + change.view(self.base_squares.shape)
            return squares.clamp_min(_TINY**2).sqrt()


def _squares(weight: Tensor) -> Tensor:
    """Sum of squares per input channel: (out, in) -> (1, in); (out, in, k, k) -> (1, in, 1, 1)."""
    return weight.square().sum(dim=[axis for axis in range(weight.ndim) if axis != 1], keepdim=True)

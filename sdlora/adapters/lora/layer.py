"""One LoRA layer: the trainable low-rank change of one frozen nn.Linear or nn.Conv2d."""

import torch
from torch import Tensor, nn

from sdlora.adapters import weights
from sdlora.adapters.layer import why_not
from sdlora.adapters.lora.products import ConvolutionProducts, LinearProducts
from sdlora.errors import UserError
from sdlora.messages import say


class LoRALayer(nn.Module):
    """delta(x) = (alpha / rank) · B·A·x, after Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".

    A (``down``) maps to ``rank`` features, B (``up``) maps back. For a convolution A has the base's kernel, stride,
    padding and dilation, and B is 1x1, as kohya and peft have it. The factors are float32 whatever the base's dtype.

    A is Gaussian with standard deviation 1/rank, which is peft's ``init_lora_weights="gaussian"`` and what diffusers'
    own training scripts use: alpha/rank · B·A then starts alike at every width. B is zero, so training starts at the
    base model exactly. The numbers are drawn on the CPU: the same seed gives the same factors on every device.

    base: nn.Linear, or nn.Conv2d with groups=1. It is read for its shape and device and not kept.
    name: how error sentences call the base.
    Raises UserError for another kind of module, grouped convolutions, rank < 1 or alpha <= 0.
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
        self.down, self.up, self.shape = _empty_factors(base, rank)
        self.ready: tuple[Tensor, Tensor] | None = None  # A and B in the dtype of the products, from ``adapters.casts``
        device = weights.device_of(base)
        self.down.weight = nn.Parameter((torch.randn(self.down.weight.shape, generator=generator) / rank).to(device))
        self.up.weight = nn.Parameter(torch.zeros(self.up.weight.shape, device=device))

    def tensors(self) -> dict[str, nn.Parameter]:
        """A and B."""
        return {"down": self.down.weight, "up": self.up.weight}

    def neutral(self, weight: Tensor) -> dict[str, Tensor]:
        """No tensors: a LoRA has none beside its factors."""
        return {}

    def forward(self, x: Tensor, multiplier: float = 1.0, base: nn.Module | None = None) -> Tensor:
        """The change of the base's output for its input x, times ``multiplier``; in x's dtype, or autocast's.

        base: the module that the layer changes; a plain LoRA does without.
        """
        dtype = x.dtype
        scale = self.scale * multiplier
        if self.mask is not None:
            x = x if weights.autocast_dtype(x) is not None else x.to(self.down.weight.dtype)
            features = self.down(x)
            return self.up(features * self._mask_like(features) * scale).to(weights.autocast_dtype(x) or dtype)
        if weights.autocast_dtype(x) is not None:
            return self.up(self.down(x) * scale)  # autocast picks the dtype of the products
        # Scaling between the factors touches rank features per position instead of all of them.
        return self.up(self.down(x.to(self.down.weight.dtype)) * scale).to(dtype)

    def output(self, x: Tensor, multiplier: float, base: nn.Module) -> Tensor:
        """The base's own output with the change in it, in one function; in x's dtype, or autocast's."""
        plain = isinstance(base, nn.Linear) or (not isinstance(base.padding, str) and base.padding_mode == "zeros")
        if not plain or self.mask is not None:
            return weights.apply(base, x, bias=True) + LoRALayer.forward(self, x, multiplier)
        dtype, s = weights.autocast_dtype(x) or x.dtype, self.scale * multiplier
        cast = [None if tensor is None else tensor.to(dtype) for tensor in (x, *weights.parameters(base))]
        cast += self._factors(dtype)
        if isinstance(base, nn.Linear):
            return LinearProducts.apply(*cast, s)
        return ConvolutionProducts.apply(*cast, s, base.stride, base.padding, base.dilation)

    def _mask_like(self, features: Tensor) -> Tensor:
        """The mask for r features at each place: rows of one image (a caption's chunks) stand together."""
        assert self.mask is not None
        rows = self.mask.repeat_interleave(features.shape[0] // self.mask.shape[0], dim=0).to(features.dtype)
        ones = (1,) * (features.ndim - 2)
        linear = isinstance(self.down, nn.Linear)
        return rows.view(len(rows), *ones, self.rank) if linear else rows.view(len(rows), self.rank, *ones)

    def _factors(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A and B in that dtype: as they are ready, which is good for one call, else cast now."""
        ready, self.ready = self.ready, None
        if ready is not None and ready[0].dtype == dtype:
            return ready
        return self.down.weight.to(dtype), self.up.weight.to(dtype)

    def delta(self, weight: Tensor | None = None) -> Tensor:
        """The change of the base's weight: float32, in its shape. weight: the base's; a plain LoRA does without."""
        return self.low_rank()

    def low_rank(self) -> Tensor:
        """(alpha/rank) · B·A: float32, in the base weight's shape."""
        down, up = self.down.weight.float(), self.up.weight.float()
        return (up.flatten(1) @ down.flatten(1) * self.scale).view(self.shape)

    def extra_repr(self) -> str:
        """Rank and alpha, for ``print(model)``."""
        return f"rank={self.rank}, alpha={self.alpha:g}"


def _empty_factors(base: nn.Linear | nn.Conv2d, rank: int) -> tuple[nn.Module, nn.Module, tuple[int, ...]]:
    """(down, up, the base weight's shape). Made on "meta": no numbers are drawn from the global generator."""
    if isinstance(base, nn.Linear):
        down = nn.Linear(base.in_features, rank, bias=False, device="meta")
        up = nn.Linear(rank, base.out_features, bias=False, device="meta")
        return down, up, (base.out_features, base.in_features)
    down = nn.Conv2d(
        base.in_channels,
        rank,
        base.kernel_size,
        base.stride,
        base.padding,
        base.dilation,
        bias=False,
        padding_mode=base.padding_mode,
        device="meta",
    )
    up = nn.Conv2d(rank, base.out_channels, 1, bias=False, device="meta")
    return down, up, (base.out_channels, base.in_channels, *base.kernel_size)

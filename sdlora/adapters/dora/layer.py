"""DoRA: the direction of the weights by a LoRA, their size by a magnitude of its own.

Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank Adaptation": W' = m · (W + dW) / ||W + dW||. The norm here is taken
per input channel, over outputs and kernel, and m is (1, in) or (1, in, 1, 1). The paper and peft take it per output
channel; but the files that A1111, InvokeAI, ComfyUI and Forge all compute exactly are these (LyCORIS calls them
``wd_on_output=False``).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdlora.adapters.adapter import Adapter
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
        squares = _squares(base.weight.detach().float())
        self.register_buffer("base_squares", squares, persistent=False)
        self.magnitude = nn.Parameter(squares.sqrt())

    def reset(self, device: torch.device | str | None = None, generator: torch.Generator | None = None) -> None:
        """Start anew, the magnitude too."""
        super().reset(device, generator)
        if self.magnitude is not None:
            self.magnitude = nn.Parameter(self.base_squares.to(self.down.weight.device).sqrt())

    def forward(self, x: Tensor, multiplier: float = 1.0, base: nn.Module | None = None) -> Tensor:
        """The change of the base's output for its input x, times ``multiplier``; base is needed.

        With c = m / ||W + dW|| per input channel, W'x - Wx = W((c - 1)x) + dW(cx): no weight is built.
        """
        ratio = self.magnitude / self._norm(base.weight)
        ratio = ratio.view(-1) if isinstance(base, nn.Linear) else ratio.view(-1, 1, 1)
        precise = x.float()
        plain = ((ratio - 1) * precise * multiplier).to(x.dtype)
        return _without_bias(base, plain) + super().forward((ratio * precise).to(x.dtype), multiplier)

    def delta_weight(self, weight: Tensor | None = None) -> Tensor:
        """W' - W, float32; weight: the base's, needed."""
        precise = weight.float()
        changed = precise + self.low_rank().to(precise.device)
        norm = _squares(changed).sqrt().clamp_min(_TINY)
        return changed * (self.magnitude / norm) - precise

    def _norm(self, weight: Tensor) -> Tensor:
        """||W + dW|| per input channel, float32, by |W|² + 2·W·dW + |dW|²: dW itself is never built.

        W enters in its own dtype: no second copy of it is kept for the backward pass.
        """
        with torch.autocast(weight.device.type, enabled=False):
            up, down = self.up.weight.flatten(1), self.down.weight  # (out, r), (r, in, …)
            cross = (up.to(weight.dtype).T @ weight.flatten(1)).float().view(down.shape)  # Bᵀ·W
            inner = ((up.T @ up) @ down.flatten(1)).view(down.shape)  # BᵀB·A
            change = (down * (2 * self.scale * cross + self.scale**2 * inner)).transpose(0, 1).flatten(1).sum(1)
            squares = self.base_squares + change.view(self.base_squares.shape)
            return squares.clamp_min(_TINY**2).sqrt()


def _squares(weight: Tensor) -> Tensor:
    """Sum of squares per input channel: (out, in) -> (1, in); (out, in, k, k) -> (1, in, 1, 1)."""
    return weight.square().sum(dim=[axis for axis in range(weight.ndim) if axis != 1], keepdim=True)


def _without_bias(base: nn.Linear | nn.Conv2d, x: Tensor) -> Tensor:
    if isinstance(base, nn.Linear):
        return functional.linear(x, base.weight)
    return base._conv_forward(x, base.weight, None)  # with the base's stride and padding mode


@torch.no_grad()
def merge_dora_to_lora(adapter: Adapter, rank: int) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, float], float]:
    """The nearest plain LoRA of ``rank``, by SVD of every weight's change: ((down, up) by name, errors, total error).

    up · down is the change at scale 1, without alpha: float32 on the CPU, down (rank, in) or (rank, in, k, k), up
    (out, rank) or (out, rank, 1, 1), both of equal size; a layer that has fewer singular values has that rank.
    Errors: what is lost of each layer's change, as a part of it (Frobenius norms), by Eckart and Young the least
    possible; total: over all layers together.
    """
    factors, errors = {}, {}
    lost = whole = 0.0
    for name in adapter.layers:
        change = adapter.delta_weight(name).double().cpu()
        u, s, v = torch.linalg.svd(change.flatten(1), full_matrices=False)
        root = s[:rank].sqrt()
        up, down = (u[:, :rank] * root).float(), (root[:, None] * v[:rank]).float()
        ones = (1,) * (change.ndim - 2)
        factors[name] = down.view(-1, *change.shape[1:]).contiguous(), up.view(*up.shape, *ones).contiguous()
        cut, size = float(s[rank:].square().sum()), float(s.square().sum())
        errors[name] = (cut / size) ** 0.5 if size else 0.0
        lost, whole = lost + cut, whole + size
    return factors, errors, (lost / whole) ** 0.5 if whole else 0.0


def plain_adapter(adapter: Adapter, factors: Mapping[str, tuple[Tensor, Tensor]]) -> Adapter:
    """An adapter with ``factors`` (of ``merge_dora_to_lora``) on the same base, to export; it is attached to nothing.

    Its strength is 1 (alpha = rank).
    """
    layers = {}
    for name, (down, up) in factors.items():
        layer = LoRALayer(adapter._bases[name], down.shape[0], down.shape[0], name=name)
        layer.down.weight, layer.up.weight = nn.Parameter(down), nn.Parameter(up)
        layers[name] = layer
    return Adapter(layers, {}, [])

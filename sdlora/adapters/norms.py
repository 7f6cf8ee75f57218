"""The size of each layer's change, and a cap on it: max-norm regularization, as kohya's scale_weight_norms."""

import torch
from torch import Tensor

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.layer import Layer
from sdlora.adapters.table import PLAIN


@torch.no_grad()
def change_norm(layer: Layer) -> Tensor:
    """The Frobenius norm of the product of a layer's factors at its strength: float32 (), on its device.

    Of up · down by |B·A|² = <BᵀB, AAᵀ>: nothing of the weight's size is built.
    """
    tensors = layer.tensors()
    if not set(PLAIN.factors) <= set(tensors):
        return torch.linalg.vector_norm(layer.delta(None))
    down, up = (tensors[part].flatten(1).double() for part in PLAIN.factors)
    return ((up.T @ up) * (down @ down.T)).sum().clamp_min(0).sqrt().float() * layer.scale


@torch.no_grad()
def cap_norms(adapter: Adapter, most: float) -> int:
    """Scale down the factors of every layer whose change has a norm above ``most``, to that; returns how many have.

    All factors of a layer alike, and the others keep their bits. One wait for the device.
    """
    layers = [layer for layer in adapter.layers.values() if any(p.requires_grad for p in layer.parameters())]
    if not layers:
        return 0
    norms = torch.stack([change_norm(layer) for layer in layers])
    ratios = most / norms.clamp_min(most)
    for layer, ratio in zip(layers, ratios, strict=True):
        factors = list(adapter.kind.factors_in(layer.tensors()))
        for part in factors:
            layer.tensors()[part].mul_(ratio ** (1 / len(factors)))
    return int((norms > most).sum())

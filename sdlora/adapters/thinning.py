"""What of an adapter acts on one training batch: not all layers, not all ranks, by chance or by the timestep.

Outside of ``thinned`` everything acts: in measurements, in test pictures and in the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.layer import Layer


@dataclass(frozen=True)
class Thinning:
    """How much acts.

    rank_dropout: the chance of each rank, for each image, not to act; the others then act 1 / (1 - chance) times as
    strongly. module_dropout: the chance of each layer not to act, for a whole batch. Both as in kohya's networks.
    rank_at_noise: the share of the rank that acts at the noisiest timestep; towards the last one it grows evenly to all
    of the rank: T-LoRA, Soboleva et al. 2025. 1 for all ranks always.
    """

    rank_dropout: float = 0.0
    module_dropout: float = 0.0
    rank_at_noise: float = 1.0

    @property
    def idle(self) -> bool:
        """Does everything act?"""
        return not self.of_ranks and not self.module_dropout

    @property
    def of_ranks(self) -> bool:
        """Are there ranks that don't act?"""
        return self.rank_dropout > 0 or self.rank_at_noise < 1


def rank_at(timesteps: Tensor, count: int, rank: int, share: float) -> Tensor:
    """How many ranks act at the timesteps (B,) out of 0..count-1: int64 (B,), T-LoRA's r(t), at least 1.

    share: of the rank, at the noisiest timestep.
    """
    least = max(1, round(share * rank))
    return ((count - timesteps).double() / count * (rank - least)).long() + least


@contextmanager
def thinned(
    adapter: Adapter,
    thinning: Thinning,
    timesteps: Tensor,
    count: int,
    images: Sequence[torch.Generator],
    batch: torch.Generator,
    denoiser: str,
) -> Iterator[None]:
    """In it, forward and backward, the adapter acts in part. What is drawn comes from generators on the CPU.

    timesteps: int64 (B,) of 0..count-1. images: a generator for each image. batch: one for all of them.
    denoiser: the root whose ranks go by the timestep; text encoders have none.
    """
    layers = adapter.layers
    try:
        if thinning.module_dropout:
            drawn = torch.rand(len(layers), generator=batch) < thinning.module_dropout
            adapter.left_out = {id(layer) for layer, out in zip(layers.values(), drawn.tolist(), strict=True) if out}
        if thinning.of_ranks:
            _mask(layers, thinning, timesteps, count, images, denoiser)
        yield
        _nothing_learnt(layer for layer in layers.values() if id(layer) in adapter.left_out)
    finally:
        adapter.left_out = set()
        for layer in layers.values():
            layer.mask = None


def _nothing_learnt(layers: Iterable[Layer]) -> None:
    """Gradients of zero where there are none: they go into a mean with those of processes where the layers acted."""
    for layer in layers:
        for parameter in layer.parameters():
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)


def _mask(
    layers: dict[str, Layer], thinning: Thinning, timesteps: Tensor, count: int,
    images: Sequence[torch.Generator], denoiser: str,
) -> None:  # fmt: skip
    """Give every layer its mask (B, r), float32 on the timesteps' device: what each rank's part is multiplied with."""
    ranks = [layer.rank for layer in layers.values()]
    kept = 1 - thinning.rank_dropout
    drawn = torch.ones(len(images), sum(ranks))
    if thinning.rank_dropout:
        drawn = torch.stack([torch.rand(sum(ranks), generator=dice) for dice in images])
        drawn = (drawn >= thinning.rank_dropout).float() / kept
    whole = drawn.to(timesteps.device)
    for (name, layer), mask in zip(layers.items(), whole.split(ranks, dim=1), strict=True):
        if thinning.rank_at_noise < 1 and name.split(".")[0] == denoiser:
            acting = rank_at(timesteps, count, layer.rank, thinning.rank_at_noise)
            mask = mask * (torch.arange(layer.rank, device=mask.device) < acting[:, None])
        layer.mask = mask

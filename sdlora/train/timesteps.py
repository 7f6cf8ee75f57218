"""Which timesteps are trained, and how often: distributions by name, as train.timesteps has them. No torch at import.

A share of 0 is a picture without noise, 1 is noise alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor

COUNT = 1000  # timesteps of Stable Diffusion's schedules
MODE_SCALE = 1.29  # the best of Esser et al. 2024


@dataclass(frozen=True)
class Distribution:
    """One way to draw timesteps.

    share: (u, bias, spread) -> how far between the first timestep and the last, 0 to 1, float64; u is drawn evenly from
    0 to 1. None for evenly. shaped: does it heed train.timestep_bias and train.timestep_spread?
    """

    name: str
    share: Callable[[Tensor, float, float], Tensor] | None = None
    shaped: bool = False


def _logit_normal(u: Tensor, bias: float, spread: float) -> Tensor:
    import torch

    return torch.sigmoid(bias + spread * torch.special.ndtri(u))


def _mode(u: Tensor, bias: float, spread: float) -> Tensor:
    return 1 - u - MODE_SCALE * ((math.pi / 2 * u).cos().square() - 1 + u)


def _cosmap(u: Tensor, bias: float, spread: float) -> Tensor:
    return 1 - 1 / ((math.pi / 2 * u).tan() + 1)


DISTRIBUTIONS: dict[str, Distribution] = {
    entry.name: entry
    for entry in (
        Distribution("uniform"),  # Ho et al. 2020, algorithm 1
        Distribution("logit_normal", _logit_normal, shaped=True),  # Esser et al. 2024, eq. 19
        Distribution("mode", _mode),  # eq. 20
        Distribution("cosmap", _cosmap),  # eq. 21
    )
}


@dataclass(frozen=True)
class Timesteps:
    """What is drawn from: the distribution's name, its shape, and the range from ``first`` to below ``end``."""

    distribution: str = "uniform"
    bias: float = 0.0
    spread: float = 1.0
    first: int = 0
    end: int = COUNT

    def draw(self, count: int, generator: Generator) -> Tensor:
        """One timestep, int64 (), of a schedule with ``count`` of them."""
        import torch

        end = min(self.end, count)
        first = min(self.first, end - 1)
        entry = DISTRIBUTIONS[self.distribution]
        if entry.share is None:
            return torch.randint(first, end, (), generator=generator)
        u = torch.rand((), generator=generator, dtype=torch.float64)
        place = first + entry.share(u, self.bias, self.spread) * (end - first)
        return place.floor().clamp(first, end - 1).long()

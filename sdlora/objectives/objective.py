"""What one objective is: what a denoiser predicts, and how a base model shows that it does. No torch at import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Numbers = Callable[[str], "float | None"]  # name of a tensor -> the spread (standard deviation) of its numbers, or None


def _says_nothing(*_: object) -> None:
    return None


def _debiased(a: Tensor) -> Tensor:
    return bounded_snr(a).rsqrt()


@dataclass(frozen=True, eq=False)
class Objective:
    """How images are noised, what is to be predicted from that, and the signs of models that predict it.

    Symbols: x0 scaled latents and noise, float32 (B, 4, h, w); a = alpha_bar at the timesteps, float32 (B,), which is 0
    at the last timestep of a schedule with zero terminal SNR (Lin et al. 2024). All functions are pure.

    name: as model.prediction has it. title: as people write it.
    noisy, target: (x0, noise, a) -> (B, 4, h, w). weight: (a, gamma) -> float32 (B,), how much each image counts by
        min-SNR-gamma (Hang et al. 2023, eq. 4).
    debiased: a -> float32 (B,), how much each counts by debiased estimation (Yu et al. 2023: 1 / sqrt(SNR) of an error
        in the noise), as kohya's sd-scripts have it.
    learns_from_noise: is there something to learn at a = 0, so that a schedule may end in pure noise?
    scheduler: ``prediction_type`` of diffusers' schedulers and of scheduler_config.json. recorded:
        ``modelspec.prediction_type`` in LoRA files. Both are the name if empty.
    stated: key of a single file's metadata -> values that state it. marker: a tensor of a single file that does.
    named: does the name of a model that states nothing speak for it?
    shown: does a tensor's spread speak for it? None where this can't be told: another size of model. It is asked where
        a family has models of several predictions.
    """

    name: str
    title: str
    noisy: Callable[[Tensor, Tensor, Tensor], Tensor]
    target: Callable[[Tensor, Tensor, Tensor], Tensor]
    weight: Callable[[Tensor, float], Tensor]
    debiased: Callable[[Tensor], Tensor] = _debiased
    learns_from_noise: bool = True
    scheduler: str = ""
    recorded: str = ""
    stated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    marker: str = ""
    named: Callable[[str], bool | None] = _says_nothing
    shown: Callable[[Numbers], bool | None] = _says_nothing

    def __post_init__(self) -> None:
        for own in ("scheduler", "recorded"):
            if not getattr(self, own):
                object.__setattr__(self, own, self.name)


def snr_of(a: Tensor) -> Tensor:
    """Signal-to-noise ratio alpha_bar / (1 - alpha_bar), float32 (B,)."""
    return a.float() / (1 - a.float())


def bounded_snr(a: Tensor) -> Tensor:
    """Signal-to-noise ratio, float32 (B,), of at most 1000, so that a picture without noise keeps a finite weight."""
    return snr_of(a).clamp(max=1000)


def add_noise(x0: Tensor, noise: Tensor, a: Tensor) -> Tensor:
    """Noisy latents, (B, 4, h, w): sqrt(a) x0 + sqrt(1 - a) noise (Ho et al. 2020, eq. 4)."""
    a = a.view(-1, 1, 1, 1)
    return a.sqrt() * x0 + (1 - a).sqrt() * noise

"""Noise, prediction, error: what the denoiser is trained to answer, and how wrong its answer is.

Symbols: x0 scaled latents and noise, float32 (B, 4, h, w); t timesteps, int64 (B,); a = alpha_bar at t, float32 (B,),
which is 0 at the last timestep of a schedule with zero terminal SNR (Lin et al. 2024).
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from sdlora.train.batch import Batch
from sdlora.train.losses import Loss
from sdlora.train.trainee import Trainee


@dataclass(frozen=True)
class Objective:
    """How images are noised, and what is to be predicted of it; pure functions.

    noisy, target: (x0, noise, a) -> (B, 4, h, w). weight: (a, gamma) -> float32 (B,), how much each image counts by
    min-SNR-gamma (Hang et al. 2023, eq. 4).
    """

    noisy: Callable[[Tensor, Tensor, Tensor], Tensor]
    target: Callable[[Tensor, Tensor, Tensor], Tensor]
    weight: Callable[[Tensor, float], Tensor]


def snr_of(a: Tensor) -> Tensor:
    """Signal-to-noise ratio alpha_bar / (1 - alpha_bar), float32 (B,)."""
    return a.float() / (1 - a.float())


def add_noise(x0: Tensor, noise: Tensor, a: Tensor) -> Tensor:
    """Noisy latents, (B, 4, h, w): sqrt(a) x0 + sqrt(1 - a) noise (Ho et al. 2020, eq. 4)."""
    a = a.view(-1, 1, 1, 1)
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


def velocity(x0: Tensor, noise: Tensor, a: Tensor) -> Tensor:
    """v, (B, 4, h, w): sqrt(a) noise - sqrt(1 - a) x0 (Salimans & Ho 2022)."""
    a = a.view(-1, 1, 1, 1)
    return a.sqrt() * noise - (1 - a).sqrt() * x0


OBJECTIVES: dict[str, Objective] = {
    "epsilon": Objective(
        noisy=add_noise,
        target=lambda x0, noise, a: noise,
        weight=lambda a, gamma: snr_of(a).clamp(max=gamma) / snr_of(a),
    ),
    "v_prediction": Objective(
        noisy=add_noise,
        target=velocity,
        weight=lambda a, gamma: snr_of(a).clamp(max=gamma) / (snr_of(a) + 1),  # the same weight on x0
    ),
}


def error_of(
    trainee: Trainee, batch: Batch, loss: Loss, gamma: float = 0.0, predict: Callable[..., Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Noise, prediction, error: (error to descend (B,), the plain one (B,)), float32. Training and validation share it.

    batch: on the model's device. gamma: of min-SNR; 0 for none, then both are the same. predict: called in place of
    ``trainee.predict``, where more than one process trains.
    """
    objective, x0, noise = OBJECTIVES[trainee.base.prediction], batch.latents, batch.noise  # (B, 4, h, w)
    a = level_of(trainee, batch)  # (B,)
    # fmt: off
    noisy = objective.noisy(x0, noise, a)                          # (B, 4, h, w)  noise
    predicted = answer_to(noisy, trainee, batch, predict)          # (B, 4, h, w)  prediction
    target = objective.target(x0, noise, a)                        # (B, 4, h, w)
    error = loss.of(predicted, target).mean((1, 2, 3))             # (B,)          error
    # fmt: on
    return (error * objective.weight(a, gamma) if gamma else error), error


def level_of(trainee: Trainee, batch: Batch) -> Tensor:
    """alpha_bar at the batch's timesteps, (B,), on its device."""
    return trainee.alphas_cumprod.to(batch.timesteps.device)[batch.timesteps]


def answer_to(noisy: Tensor, trainee: Trainee, batch: Batch, predict: Callable[..., Tensor] | None = None) -> Tensor:
    """What the denoiser says of noisy latents under the batch's texts and sizes, float32 (B, 4, h, w)."""
    text = trainee.text_input(batch.texts).to(noisy.device)
    predict = predict or trainee.predict
    return predict(noisy.to(trainee.unet.dtype), batch.timesteps, text, batch.sizes, batch.masked).float()

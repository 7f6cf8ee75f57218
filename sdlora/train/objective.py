"""Noise, prediction, error: what the denoiser is trained to answer, and how wrong its answer is.

Symbols: x0 scaled latents and noise, float32 (B, 4, h, w); t timesteps, int64 (B,); a = alpha_bar at t, float32 (B,),
which is 0 at the last timestep of a schedule with zero terminal SNR (Lin et al. 2024).
"""

from collections.abc import Callable

from torch import Tensor

from sdlora.objectives import OBJECTIVES
from sdlora.train.batch import Batch
from sdlora.train.losses import Loss
from sdlora.train.trainee import Trainee
from sdlora.train.weightings import Weigh


def error_of(
    trainee: Trainee,
    batch: Batch,
    loss: Loss,
    weigh: Weigh | None = None,
    predict: Callable[..., Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Noise, prediction, error: (error to descend (B,), the plain one (B,)), float32. Training and validation share it.

    batch: on the model's device. weigh: by timestep; None for not at all, then both are the same, but for the batch's
    weights. predict: called in place of ``trainee.predict``, where more than one process trains.
    """
    objective, x0, noise = OBJECTIVES[trainee.base.prediction], batch.latents, batch.noise  # (B, 4, h, w)
    added = noise if batch.perturbed is None else batch.perturbed  # (B, 4, h, w)
    a = level_of(trainee, batch)  # (B,)
    # fmt: off
    noisy = objective.noisy(x0, added, a)                          # (B, 4, h, w)  noise
    predicted = answer_to(noisy, trainee, batch, predict)          # (B, 4, h, w)  prediction
    target = objective.target(x0, noise, a)                        # (B, 4, h, w)
    error = mean_of(loss.of(predicted, target), batch.inside)      # (B,)          error
    # fmt: on
    weighted = error * weigh(objective, a) if weigh else error
    return (weighted if batch.weights is None else weighted * batch.weights), error


def mean_of(each: Tensor, inside: Tensor | None) -> Tensor:
    """The mean error of each image, (B,): with a mask the weighted mean, so that a small subject counts no less.

    each: (B, C, h, w). inside: (B, 1, h, w), how much each place counts; an image of which nothing counts gives 0.
    """
    if inside is None:
        return each.mean((1, 2, 3))
    return (each.mean(1, keepdim=True) * inside).sum((1, 2, 3)) / inside.sum((1, 2, 3)).clamp_min(1e-6)


def level_of(trainee: Trainee, batch: Batch) -> Tensor:
    """alpha_bar at the batch's timesteps, (B,), on its device."""
    return trainee.alphas_cumprod.to(batch.timesteps.device)[batch.timesteps]


def answer_to(noisy: Tensor, trainee: Trainee, batch: Batch, predict: Callable[..., Tensor] | None = None) -> Tensor:
    """The denoiser's prediction for noisy latents, the batch's texts and sizes: float32 (B, 4, h, w)."""
    text = (trainee.text_input(batch.texts) if batch.text is None else batch.text).to(noisy.device)
    predict = predict or trainee.predict
    return predict(noisy.to(trainee.unet.dtype), batch.timesteps, text, batch.sizes, batch.masked).float()

"""What the UNet is to predict, and how much each timestep counts."""

from typing import Literal

import torch
from torch import Tensor

Prediction = Literal["epsilon", "v_prediction"]


def snr_of(alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """Signal-to-noise ratio alpha_bar / (1 - alpha_bar) at the timesteps, float32 (B,)."""
    alpha_bar = alphas_cumprod.to(timesteps.device)[timesteps].float()
    return alpha_bar / (1 - alpha_bar)


def add_noise(latents: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """Noisy latents, (B, 4, h, w): sqrt(alpha_bar) latents + sqrt(1 - alpha_bar) noise (Ho et al. 2020, eq. 4)."""
    alpha_bar = alphas_cumprod.to(timesteps.device)[timesteps].view(-1, 1, 1, 1)
    return alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise


def target_of(
    prediction: Prediction, latents: Tensor, noise: Tensor, alphas_cumprod: Tensor, timesteps: Tensor
) -> Tensor:
    """The UNet's target, (B, 4, h, w): the noise, or v = sqrt(a) noise - sqrt(1 - a) x0 (Salimans & Ho 2022)."""
    if prediction == "epsilon":
        return noise
    alpha_bar = alphas_cumprod.to(latents)[timesteps].view(-1, 1, 1, 1)
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * latents


def weight_of(prediction: Prediction, gamma: float, alphas_cumprod: Tensor, timesteps: Tensor) -> Tensor:
    """Loss weight per image, float32 (B,): min-SNR-gamma (Hang et al. 2023, eq. 4), 1 for gamma 0.

    For epsilon min(SNR, gamma) / SNR; for v the same weight on x0, min(SNR, gamma) / (SNR + 1).
    """
    if gamma == 0:
        return torch.ones(timesteps.shape, device=timesteps.device)
    snr = snr_of(alphas_cumprod, timesteps)
    return snr.clamp(max=gamma) / (snr if prediction == "epsilon" else snr + 1)

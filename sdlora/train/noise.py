"""Noise, timesteps and latents of one image at one step: pure functions of (seed, step, slot)."""

import torch
from torch import Tensor

from sdlora.data.dataset import seed_for


def generator_for(seed: int, step: int, slot: int) -> torch.Generator:
    """The random generator of one image of one step, on the CPU: the same numbers on every device.

    slot: its place in the step's whole batch, over all devices and accumulated parts, so that the noise does not depend
    on how the batch is split.
    """
    return torch.Generator().manual_seed(seed_for(seed, "noise", step, slot))


def draw_latents(mean: Tensor, std: Tensor, generator: torch.Generator) -> Tensor:
    """A sample of the VAE's posterior, float32 (4, h, w), unscaled."""
    return mean.float() + std.float() * torch.randn(mean.shape, generator=generator)


def draw_noise(shape: torch.Size, offset: float, generator: torch.Generator) -> Tensor:
    """Gaussian noise (4, h, w), with an offset per channel.

    offset: times N(0, 1), one number per channel, is added (Guttenberg 2023, "Diffusion with Offset Noise").
    """
    noise = torch.randn(shape, generator=generator)
    if offset:
        noise += offset * torch.randn((shape[0], 1, 1), generator=generator)
    return noise


def draw_timestep(count: int, generator: torch.Generator) -> Tensor:
    """int64 (), uniform in 0..count-1 (Ho et al. 2020, algorithm 1)."""
    return torch.randint(0, count, (), generator=generator)

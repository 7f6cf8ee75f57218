"""Noise, timesteps and latents of one image at one step: pure functions of (seed, step, slot)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sdlora.data.dataset import seed_for
from sdlora.train.timesteps import Timesteps


@dataclass(frozen=True)
class Noising:
    """How noise and timesteps are drawn.

    offset: of each channel, see ``draw_noise``. pyramid: levels of coarser noise; 0 for none; discount: what each
    weighs of the one before it. perturbation: noise that the input has and the prediction is not to have (Ning et al.
    2023), times N(0, 1). timesteps: from where they are drawn.
    """

    offset: float = 0.0
    pyramid: int = 0
    discount: float = 0.3
    perturbation: float = 0.0
    timesteps: Timesteps = field(default_factory=Timesteps)


def generator_for(seed: int, step: int, slot: int) -> torch.Generator:
    """The random generator of one image of one step, on the CPU: the same numbers on every device.

    slot: its place in the step's whole batch, over all devices and accumulated parts, so that the noise does not depend
    on how the batch is split.
    """
    return torch.Generator().manual_seed(seed_for(seed, "noise", step, slot))


def draw_latents(mean: Tensor, std: Tensor, generator: torch.Generator) -> Tensor:
    """A sample of the VAE's posterior, float32 (4, h, w), unscaled."""
    return mean.float() + std.float() * torch.randn(mean.shape, generator=generator)


def draw_noise(shape: torch.Size, how: Noising, generator: torch.Generator) -> Tensor:
    """Gaussian noise (4, h, w), with an offset per channel and coarser noise as wished.

    The offset times N(0, 1), one number per channel, is added (Guttenberg 2023, "Diffusion with Offset Noise").
    """
    noise = torch.randn(shape, generator=generator)
    if how.offset:
        noise += how.offset * torch.randn((shape[0], 1, 1), generator=generator)
    return add_pyramid(noise, how, generator) if how.pyramid else noise


def add_pyramid(noise: Tensor, how: Noising, generator: torch.Generator) -> Tensor:
    """Noise (4, h, w) with coarser noise on it, brought back to a standard deviation of 1.

    Whitaker 2023, "Multi-Resolution Noise for Diffusion Model Training", as kohya's sd-scripts have it: level i is
    noise of 1 / r^i of the size, r drawn anew from 2 to 4, stretched bilinearly, times discount^i; the level that is
    one pixel high or wide is the last.
    """
    channels, height, width = noise.shape
    for level in range(how.pyramid):
        shrunk = (2 + 2 * torch.rand((), generator=generator).item()) ** level
        size = max(1, int(height / shrunk)), max(1, int(width / shrunk))
        coarse = torch.randn((1, channels, *size), generator=generator)
        noise = noise + how.discount**level * interpolate(coarse, (height, width), mode="bilinear")[0]
        if 1 in size:
            break
    return noise / noise.std()

"""The validation loss: fixed images, noise and timesteps, so that it differs from step to step by the weights alone.

A training step's loss says more about its random timesteps than about the LoRA; this one can be read as a curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdlora.data.dataset import Item, seed_for
from sdlora.train.batch import Captioning, still_batch
from sdlora.train.caching import Latents
from sdlora.train.losses import Loss
from sdlora.train.objective import error_of
from sdlora.train.trainee import Trainee

TIMESTEPS = (0.2, 0.4, 0.6, 0.8)  # of the schedule: 200, 400, 600, 800 as kohya's sd-scripts measures
FROM_TRAINING = 4  # images, where none are held out


@dataclass(frozen=True)
class Validation:
    """What is measured. items: the held-out images, or those ``measured_on`` of the training ones."""

    trainee: Trainee
    items: Sequence[Item]
    latents: Latents
    captioning: Captioning
    seed: int
    measured_by: Loss
    unmasked_weight: float = 1.0

    @torch.no_grad()
    def loss(self, device: torch.device, batch_size: int) -> float:
        """Mean over all images and timesteps, plain captions, in batches no larger than training's."""
        total = sum(self._image(number, item, device, batch_size) for number, item in enumerate(self.items))
        return total / len(self.items)

    def _image(self, number: int, item: Item, device: torch.device, batch_size: int) -> float:
        trainee, count = self.trainee, len(TIMESTEPS)
        shape = self.latents.load(item, False)[0].shape
        noise = torch.stack([self._noise(number, turn, shape) for turn in range(count)])
        timesteps = torch.tensor([int(share * len(trainee.alphas_cumprod)) for share in TIMESTEPS])
        errors = []
        for n, t in zip(noise.split(batch_size), timesteps.split(batch_size), strict=True):
            batch = still_batch(
                item, self.latents, self.captioning, n, t,
                scaling_factor=trainee.scaling_factor, inpainting=trainee.base.inpainting,
                unmasked_weight=self.unmasked_weight,
            )  # fmt: skip
            _, error = error_of(trainee, batch.to(device), self.measured_by)
            errors.append(error)
        return torch.cat(errors).mean().item()

    def _noise(self, number: int, turn: int, shape: torch.Size) -> Tensor:
        dice = torch.Generator().manual_seed(seed_for(self.seed, "validation", number, turn))
        return torch.randn(shape, generator=dice)


def measured_on(training: Sequence[Item], held_out: Sequence[Item]) -> Sequence[Item]:
    """The images to measure on: those held out, else a few training images, evenly spaced."""
    count = min(FROM_TRAINING, len(training))
    return held_out or [training[i * len(training) // count] for i in range(count)]

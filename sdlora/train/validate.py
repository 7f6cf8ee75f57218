"""The validation loss: fixed images, noise and timesteps, so that it differs from step to step by the weights alone.

A training step's loss says more about its random timesteps than about the LoRA; this one can be read as a curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdlora.data.dataset import Item, seed_for
from sdlora.train.batch import Captioning, sizes_of
from sdlora.train.caching import Latents
from sdlora.train.loss import add_noise, target_of
from sdlora.train.prepare import Trainee

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

    @torch.no_grad()
    def loss(self, device: torch.device, batch_size: int) -> float:
        """Mean squared error over all images and timesteps, plain captions, in batches no larger than training's."""
        total = sum(self._image(number, item, device, batch_size) for number, item in enumerate(self.items))
        return total / len(self.items)

    def _image(self, number: int, item: Item, device: torch.device, batch_size: int) -> float:
        trainee, alphas = self.trainee, self.trainee.alphas_cumprod
        clean = self.latents.load(item, False)[0].float() * trainee.scaling_factor  # the posterior's mean: no dice
        noise = torch.stack([self._noise(number, turn, clean.shape) for turn in range(len(TIMESTEPS))])
        timesteps = torch.tensor([int(share * len(alphas)) for share in TIMESTEPS])
        errors = []
        for n, t in zip(noise.split(batch_size), timesteps.split(batch_size), strict=True):
            x, n, t = (part.to(device) for part in (clean.expand_as(n), n, t))
            text = trainee.text_input([self._caption(item)] * len(t)).to(device)
            sizes = torch.tensor([sizes_of(item, False)] * len(t), device=device)
            masked = self._masked(item, len(t), device)
            predicted = trainee.predict(add_noise(x, n, alphas, t).to(trainee.unet.dtype), t, text, sizes, masked)
            target = target_of(trainee.base.prediction, x, n, alphas, t)
            errors.append((predicted.float() - target).pow(2).mean((1, 2, 3)))
        return torch.cat(errors).mean().item()

    def _noise(self, number: int, turn: int, shape: torch.Size) -> Tensor:
        dice = torch.Generator().manual_seed(seed_for(self.seed, "validation", number, turn))
        return torch.randn(shape, generator=dice)

    def _caption(self, item: Item) -> str:
        return self.captioning.still.text(item, 0, 0, 0)

    def _masked(self, item: Item, count: int, device: torch.device) -> Tensor | None:
        if not self.trainee.base.inpainting:
            return None
        return torch.stack([self.latents.masked(item, self.trainee.scaling_factor)] * count).to(device)


def measured_on(training: Sequence[Item], held_out: Sequence[Item]) -> Sequence[Item]:
    """The images to measure on: those held out, else a few training images, evenly spaced."""
    count = min(FROM_TRAINING, len(training))
    return held_out or [training[i * len(training) // count] for i in range(count)]

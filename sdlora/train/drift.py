"""Drift: how far the LoRA has moved what the model answers to prompts that have nothing to do with the images.

The price of learning. It needs no images and no text of theirs: fixed prompts, fixed noise, latents on the way on
which the base model itself would draw those prompts. It rises with every step that teaches anything, so it chooses
nothing; it says what a checkpoint costs beside another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from sdlora.data.dataset import seed_for
from sdlora.families.shared.clip_text import time_ids
from sdlora.families.shared.load import load_scheduler
from sdlora.train.trainee import Trainee

# Things of everyday, in no style, and no one thing twice: what people draw beside their own subject.
PROMPTS = (
    "a wooden chair beside a window",
    "an old man with a hat",
    "a road through green hills",
    "a bowl of oranges",
)
STEPS = 5  # of DDIM, on which the latents lie
LOOKED_AT = (1, 3)  # of these steps: one with much noise, one with little


@dataclass(frozen=True)
class Point:
    """Where predictions are compared: noisy latents (B, C, h, w) of all prompts, their timestep, the base's answer."""

    noisy: Tensor
    timestep: Tensor
    answer: Tensor


class Drift:
    """Mean squared difference between the predictions (epsilon or v) of the base with the adapter and without.

    shape: (C, h, w) of the latents. seed: of their noise. The base's own answers are computed at the first call, with
    the adapter silent, and kept: for both points of the four prompts, float32.
    """

    def __init__(self, trainee: Trainee, shape: torch.Size, seed: int):
        self.trainee, self.shape, self.seed = trainee, shape, seed
        self._points: list[Point] = []

    @torch.no_grad()
    def measure(self, device: torch.device, batch_size: int) -> float:
        """The drift of the adapter as it is: 0 at strength 0. Call it under autocast as the steps are."""
        if not self._points:
            with silent(self.trainee):
                self._points = list(self._of_base(device, batch_size))
        apart = [
            (self._answers(point.noisy, point.timestep, batch_size) - point.answer).square().mean()
            for point in self._points
        ]
        return torch.stack(apart).mean().item()

    def _of_base(self, device: torch.device, batch_size: int) -> Iterator[Point]:
        scheduler = load_scheduler(self.trainee.base)
        scheduler.set_timesteps(STEPS)
        x = torch.stack([self._noise(number) for number in range(len(PROMPTS))]).to(device)
        for number, timestep in enumerate(scheduler.timesteps):
            answer = self._answers(x, timestep, batch_size)
            if number in LOOKED_AT:
                yield Point(x, timestep, answer)
            x = scheduler.step(answer, timestep, x).prev_sample

    def _answers(self, noisy: Tensor, timestep: Tensor, batch_size: int) -> Tensor:
        """Predictions, float32, in batches no larger than training's."""
        found = []
        for prompts, x in zip(_cut(PROMPTS, batch_size), noisy.split(batch_size), strict=True):
            device, count = x.device, len(prompts)
            text = self.trainee.text_input(prompts).to(device)
            side = [n * self.trainee.base.spec.latent.factor for n in (x.shape[3], x.shape[2])]
            sizes = torch.tensor([time_ids((side[0], side[1]), (0, 0), (side[0], side[1]))] * count).float().to(device)
            masked = torch.cat([torch.ones_like(x[:, :1]), torch.zeros_like(x)], 1)  # all is to be drawn
            masked = masked if self.trainee.base.inpainting else None
            times = timestep.to(device).repeat(count)
            found.append(self.trainee.predict(x.to(self.trainee.unet.dtype), times, text, sizes, masked).float())
        return torch.cat(found)

    def _noise(self, number: int) -> Tensor:
        dice = torch.Generator().manual_seed(seed_for(self.seed, "drift", number))
        return torch.randn(self.shape, generator=dice)


@contextmanager
def silent(trainee: Trainee) -> Iterator[None]:
    """A while in which the adapter does nothing."""
    enabled, trainee.adapter.enabled = trainee.adapter.enabled, False
    try:
        yield
    finally:
        trainee.adapter.enabled = enabled


def _cut(prompts: tuple[str, ...], size: int) -> list[list[str]]:
    return [list(prompts[start : start + size]) for start in range(0, len(prompts), size)]

"""Has the LoRA learnt its images by heart? Looked at once, at the end of a run, with the base model as the control.

Three training captions are drawn with two seeds each. Where images are learnt by heart, what is drawn with a caption is
the image of that caption, whatever the seed: pictures of one caption lie close together and close to their own image.
All in latents, without guidance, so that it costs little and no VAE.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdlora.data.dataset import Item, seed_for
from sdlora.families.shared.load import load_scheduler
from sdlora.train.batch import Captioning, sizes_of
from sdlora.train.caching import Latents
from sdlora.train.drift import silent
from sdlora.train.trainee import Trainee

CAPTIONS = 3
SEEDS = 2
STEPS = 8  # of DDIM
FORWARDS = 2 * CAPTIONS * SEEDS * STEPS  # of one image through the denoiser: with the LoRA and without


@dataclass(frozen=True)
class Recited:
    """Root mean square differences of scaled latents, the mean over all captions.

    own: between a drawn picture and the caption's image. spread: between two drawn pictures of a caption.
    """

    own: float
    spread: float


@dataclass(frozen=True)
class Recital:
    """What is drawn. items: the training images. seed: of the noise."""

    trainee: Trainee
    items: Sequence[Item]
    latents: Latents
    captioning: Captioning
    seed: int

    @torch.no_grad()
    def both(self, device: torch.device, batch_size: int) -> tuple[Recited, Recited]:
        """(with the LoRA, by the base model alone), in batches no larger than training's. Call it under autocast."""
        learnt = self.recited(device, batch_size)
        with silent(self.trainee):
            return learnt, self.recited(device, batch_size)

    def recited(self, device: torch.device, batch_size: int) -> Recited:
        """Both differences, with the adapter as it is now."""
        own, spread = [], []
        for number, item in enumerate(to_recite(self.items)):
            image = self.latents.load(item, False)[0].float() * self.trainee.scaling_factor
            drawn = self._drawn(number, item, image.shape, device, batch_size)
            own += [_apart(picture, image) for picture in drawn]
            spread.append(_apart(*drawn))
        return Recited(sum(own) / len(own), sum(spread) / len(spread))

    def _drawn(self, number: int, item: Item, shape: torch.Size, device: torch.device, batch_size: int) -> Tensor:
        """(SEEDS, C, h, w) float32 on the CPU: the latents that come of the item's caption."""
        scheduler = load_scheduler(self.trainee.base)
        scheduler.set_timesteps(STEPS)
        x = torch.stack([self._noise(number, turn, shape) for turn in range(SEEDS)]).to(device)
        for timestep in scheduler.timesteps:
            answers = [self._answer(item, part, timestep) for part in x.split(batch_size)]
            x = scheduler.step(torch.cat(answers), timestep, x).prev_sample
        return x.cpu()

    def _answer(self, item: Item, x: Tensor, timestep: Tensor) -> Tensor:
        trainee, count, device = self.trainee, len(x), x.device
        text = trainee.text_input([self.captioning.still.text(item, 0, 0, 0)] * count).to(device)
        sizes = torch.tensor([sizes_of(item, False)] * count).to(device)
        masked = None
        if trainee.base.inpainting:
            masked = torch.stack([self.latents.masked(item, trainee.scaling_factor)] * count).to(device)
        noisy = x.to(trainee.unet.dtype)
        return trainee.predict(noisy, timestep.to(device).repeat(count), text, sizes, masked).float()

    def _noise(self, number: int, turn: int, shape: torch.Size) -> Tensor:
        return torch.randn(
            shape, generator=torch.Generator().manual_seed(seed_for(self.seed, "by_heart", number, turn))
        )


def to_recite(items: Sequence[Item]) -> list[Item]:
    """The images whose captions are drawn: evenly spaced."""
    count = min(CAPTIONS, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _apart(a: Tensor, b: Tensor) -> float:
    return (a - b).square().mean().sqrt().item()

"""One batch as tensors: latents, noise, timesteps, texts of a step's images. Pure in (settings, seed, step)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from sdlora.data.dataset import Item, rng_for
from sdlora.data.tags import WILDCARD, Lines, variant
from sdlora.families.shared.clip_text import TextEncoding, Tokens, time_ids
from sdlora.train.caching import Latents
from sdlora.train.noise import Noising, draw_latents, draw_noise, generator_for


@dataclass(frozen=True)
class Captioning:
    """How captions vary from step to step: the arguments of ``tags.variant``."""

    trigger: str = ""
    shuffle: bool = False
    keep_tags: int = 1
    tag_dropout: float = 0.0
    caption_dropout: float = 0.0
    lines: Lines = "first"
    wildcards: bool = False

    def varies(self, items: Sequence[Item]) -> bool:
        """Are there more texts than captions (so that caching all of them is no use)?"""
        drawn = self.lines == "random" and any("\n" in item.caption for item in items)
        drawn = drawn or self.wildcards and any(WILDCARD.search(item.caption) for item in items)
        return self.shuffle or self.tag_dropout > 0 or drawn

    @property
    def still(self) -> "Captioning":
        """A copy that leaves nothing to chance: tags neither shuffled nor left out."""
        return replace(self, shuffle=False, tag_dropout=0.0, caption_dropout=0.0)

    def text(self, item: Item, seed: int, step: int, slot: int) -> str:
        """The caption of an image as a step sees it; slot: the image's place in the step's whole batch."""
        rng, how = rng_for(seed, "caption", step, slot), vars(self)
        return variant(item.caption, **({**how, "trigger": ""} if item.regular else how), rng=rng)

    def texts(self, items: Sequence[Item]) -> list[str]:
        """All texts that training feeds the text encoder if captions don't vary: each, and "" if some are left out."""
        texts = [self.still.text(item, 0, 0, 0) for item in items]
        return list(dict.fromkeys(texts + ([""] if self.caption_dropout else [])))


@dataclass(frozen=True)
class Batch:
    """The tensors of one batch.

    latents (scaled), noise: float32 (B, 4, h, w); timesteps: int64 (B,); texts: B captions as this step sees.
    sizes: float32 (B, 6), SDXL's size and crop numbers. masked: float32 (B, 5, h, w) for inpainting models, else None.
    weights: float32 (B,), of each one's error; None where all weigh 1.
    inside: float32 (B, 1, h, w), how much each place of the picture counts, 0 to 1; None where all count the same.
    slots: the images' places in the step's whole batch, over all devices and accumulated parts.
    text: the texts as ``Trainee.text_input`` gives them, where they have been read already.
    perturbed: float32 (B, 4, h, w), the noise that the input has, where it is another than the one to be predicted.
    """

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    texts: list[str]
    sizes: Tensor
    masked: Tensor | None
    weights: Tensor | None = None
    inside: Tensor | None = None
    text: Tokens | TextEncoding | None = None
    perturbed: Tensor | None = None
    slots: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.latents)

    def rows(self, start: int, end: int) -> "Batch":
        """Some images of it, as views. Its text must have been read: what an image's is filled up to is the batch's."""
        assert self.text is not None
        parts = {name: part[start:end] for name, part in vars(self).items() if isinstance(part, Tensor | list)}
        return replace(self, **parts, text=self.text.rows(start, end))

    def to(self, device: torch.device | str) -> "Batch":
        """A copy with its tensors on another device."""
        moved = {name: part.to(device) for name, part in vars(self).items() if isinstance(part, Tensor)}
        return replace(self, **moved)


def make_batch(
    items: Sequence[Item],
    cache: Latents,
    captioning: Captioning,
    *,
    seed: int,
    step: int,
    first_slot: int,
    flip: bool,
    scaling_factor: float,
    noising: Noising,
    train_timesteps: int,
    inpainting: bool = False,
    prior_weight: float = 1.0,
    unmasked_weight: float = 1.0,
) -> Batch:
    """The batch of ``items`` for one step, on the CPU. first_slot: its first image's place in the whole batch.

    prior_weight: of the error of regularization images; their part of a DreamBooth loss (lambda in its equation 2).
    unmasked_weight: how much what lies outside of an image's mask counts.
    """
    latents, noise, timesteps, texts, sizes, perturbed, masks = [], [], [], [], [], [], []
    for slot, item in enumerate(items, first_slot):
        flipped = flip and rng_for(seed, "flip", step, slot).random() < 0.5
        dice = generator_for(seed, step, slot)
        x = draw_latents(*cache.load(item, flipped), dice) * scaling_factor
        latents.append(x)
        noise.append(draw_noise(x.shape, noising, dice))
        timesteps.append(noising.timesteps.draw(train_timesteps, dice))
        if noising.perturbation:
            perturbed.append(noise[-1] + noising.perturbation * torch.randn(x.shape, generator=dice))
        texts.append(captioning.text(item, seed, step, slot))
        sizes.append(sizes_of(item, flipped))
        masks.append(cache.mask(item, flipped, x.shape))
    masked = torch.stack([cache.masked(item, scaling_factor) for item in items]) if inpainting else None
    weighs = prior_weight != 1 and any(item.regular for item in items)
    weights = torch.tensor([prior_weight if item.regular else 1.0 for item in items]) if weighs else None
    parts = (torch.stack(latents), torch.stack(noise), torch.stack(timesteps), texts, torch.tensor(sizes), masked)
    slots = list(range(first_slot, first_slot + len(items)))
    inside, other = inside_of(masks, unmasked_weight, latents[0]), torch.stack(perturbed) if perturbed else None
    return Batch(*parts, weights, inside, perturbed=other, slots=slots)


def inside_of(masks: Sequence[Tensor | None], unmasked_weight: float, like: Tensor) -> Tensor | None:
    """How much each place counts, (B, 1, h, w): 1 inside, ``unmasked_weight`` outside; None where no image has a mask.

    masks: (1, h, w) in 0 to 1 each, None for an image that counts as a whole. like: latents (C, h, w).
    """
    if all(mask is None for mask in masks):
        return None
    whole = torch.ones_like(like[:1])
    return torch.stack([whole if m is None else unmasked_weight + (1 - unmasked_weight) * m for m in masks])


def still_batch(
    item: Item,
    cache: Latents,
    captioning: Captioning,
    noise: Tensor,
    timesteps: Tensor,
    *,
    scaling_factor: float,
    inpainting: bool = False,
    unmasked_weight: float = 1.0,
) -> Batch:
    """One image under several noises, on the CPU: nothing of it is drawn, so it can be measured again and again.

    noise: float32 (B, 4, h, w). timesteps: int64 (B,).
    """
    clean = cache.load(item, False)[0].float() * scaling_factor  # the posterior's mean
    count, text = len(timesteps), captioning.still.text(item, 0, 0, 0)
    sizes = torch.tensor([sizes_of(item, False)] * count)
    masked = torch.stack([cache.masked(item, scaling_factor)] * count) if inpainting else None
    inside = inside_of([cache.mask(item, False, clean.shape)] * count, unmasked_weight, clean)
    return Batch(clean.expand_as(noise), noise, timesteps, [text] * count, sizes, masked, inside=inside)


def sizes_of(item: Item, flipped: bool) -> list[float]:
    """SDXL's numbers of an image; a mirrored one is cut from the other side (kohya's convention)."""
    place = item.placement
    left = place.resized[0] - place.crop[2] if flipped else place.crop[0]
    corner = (max(0, left), max(0, place.crop[1]))
    return [float(n) for n in time_ids(item.size, corner, place.bucket)]

"""What the model sees of an image: the crop at the training size, and the caption with the trigger word."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdlora.check import inspect_base
from sdlora.data import tokens
from sdlora.data.buckets import Placement, place
from sdlora.data.tags import one_line, variant
from sdlora.errors import UserError
from sdlora.files.paths import tidy_path
from sdlora.settings import keys_into
from sdlora.settings.numbers import plain_number
from ui.tabs.images.album import ImageEntry, Limits

USUAL = (512, 64)  # training size and step of Stable Diffusion 1.x, where the base model is not known
KEYS = keys_into("sight")


@dataclass(frozen=True)
class Training:
    """What of the settings decides on crops and captions."""

    resolution: int = USUAL[0]
    step: int = USUAL[1]
    fit: str = "bucket"
    upscale: bool = False
    trigger: str = ""
    tokens: int = 225  # that are read of a caption
    weighted: bool = False
    batch: int = 1

    @property
    def limits(self) -> Limits:
        """What of the settings decides on an image's problems."""
        return Limits(self.resolution, self.tokens, one_line(self.trigger), self.weighted)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Training":
        """From the form's values by key (those of ``KEYS`` that it has), whatever was typed there."""
        try:
            base = inspect_base(tidy_path(str(values.get("model.base") or "")), str(values.get("model.revision") or ""))
            resolution, step = base.resolution, base.step
        except (UserError, OSError, ValueError):
            resolution, step = USUAL
        typed = plain_number(str(values.get("data.resolution") or ""), whole=True).removesuffix(".0")
        if typed.isdecimal() and len(typed) < 5 and 0 < int(typed) <= 8192:
            resolution = max(step, int(typed) // step * step)
        fit = values.get("data.fit")
        return cls(
            resolution,
            step,
            fit if fit in ("bucket", "crop", "pad") else "bucket",
            bool(values.get("data.upscale")),
            str(values.get("data.trigger") or ""),
            _tokens(values.get("data.max_tokens")),
            bool(values.get("data.weighted_captions")),
            _whole(values.get("train.batch_size"), 1, 10_000),
        )

    def placement(self, entry: ImageEntry) -> Placement | None:
        """The crop; None for an image that is left out."""
        if entry.size == (0, 0) or entry.broken:
            return None
        try:
            return place(entry.size, resolution=self.resolution, step=self.step, fit=self.fit, upscale=self.upscale)
        except UserError:
            return None

    def caption(self, entry: ImageEntry) -> str:
        """The caption without what a step leaves to chance (shuffled and dropped tags)."""
        return variant(
            entry.caption, trigger=self.trigger, shuffle=False, keep_tags=0, tag_dropout=0, caption_dropout=0,
            rng=random.Random(0),
        )  # fmt: skip


def _whole(typed: Any, usual: int, most: int) -> int:
    """The whole number in a field, 1 to ``most``; ``usual`` for anything else."""
    number = plain_number(str(typed or ""), whole=True).removesuffix(".0")
    return int(number) if number.isdecimal() and len(number) < 6 and 1 <= int(number) <= most else usual


def _tokens(typed: Any) -> int:
    """How many tokens are read, whatever stands in the field."""
    number = plain_number(str(typed or ""), whole=True)
    return tokens.limit(int(number) if number.isdecimal() and len(number) < 5 else Training.tokens)


def cut_off(placement: Placement) -> int:
    """How much of the image's area the crop leaves out, in percent."""
    width, height = placement.resized
    left, top, right, bottom = placement.crop
    kept = (min(right, width) - max(left, 0)) * (min(bottom, height) - max(top, 0))
    return round(100 * (1 - kept / (width * height)))

"""What a run will come to: passes over the images, the LoRA's size."""

import time
from dataclasses import dataclass
from pathlib import Path

from sdlora.check import BaseInfo, scan_for
from sdlora.check.size import growth, growths
from sdlora.data.dataset import Item, Plan, hold_out
from sdlora.errors import UserError
from sdlora.settings import Settings
from ui import text


@dataclass(frozen=True)
class Passes:
    """images: that can be used. shown: how often an epoch shows one, repeats counted. per_epoch: steps of an epoch.

    shapes: of the images, where they keep batches from being full; 0 where all are as full as can be.
    """

    images: int
    shown: int
    per_epoch: float
    batch: int
    steps: int
    shapes: int = 0

    @property
    def epochs(self) -> float:
        return self.steps / self.per_epoch


def passes(settings: Settings, info: BaseInfo | None) -> Passes | None:
    """Of one device over the folder; None if it has no image that can be used."""
    train = settings.train
    items = _items(settings, info) if settings.data.folder else ()
    if not items:
        return None
    items, _ = hold_out(items, settings.validation.held_out, train.seed)
    batches = Plan(items, train.batch_size, train.seed).batches_per_epoch
    shown = sum(item.repeats for item in items)
    shapes = len({item.placement.bucket for item in items}) if batches > -(-shown // train.batch_size) else 0
    batch = train.batch_size * train.accumulate
    return Passes(len(items), shown, batches / train.accumulate, batch, train.steps, shapes)


FRESH = 10.0  # seconds for which a look at the folder is good: thousands of images take one of them
_looked: dict[tuple, tuple[float, tuple[Item, ...]]] = {}


def _items(settings: Settings, info: BaseInfo | None) -> tuple[Item, ...]:
    data = settings.data
    key = (data.folder, data.cache, data.resolution, data.fit, data.upscale, data.repeats, info)
    when, items = _looked.get(key, (-FRESH, ()))
    if time.monotonic() - when >= FRESH:
        items = scan_for(settings, info).items
        _looked.clear()  # one folder at a time is what people look at
        _looked[key] = (time.monotonic(), items)
    return items


def images(settings: Settings, info: BaseInfo | None) -> list[Path]:
    """The images that will be trained on."""
    return [item.path for item in _items(settings, info)] if settings.data.folder else []


def size_of(info: BaseInfo, settings: Settings) -> tuple[int, int] | None:
    """(trainable parameters, bytes of the file); None where the file to go on from decides, or nothing is known."""
    if settings.adapter.start_from:
        return None
    try:
        found, chosen = growth(info, settings), settings.adapter
    except (UserError, KeyError, ValueError):
        return None
    size = found.file_bytes(chosen.rank, settings.save.dtype)
    return found.trainable(chosen.rank), size


def table(info: BaseInfo, settings: Settings) -> dict[str, list[int]]:
    """For the browser, which adds up while a slider moves: "targets text_encoder kind" -> the parts of ``Growth``."""
    try:
        found = growths(info, settings.adapter.rank_pattern)
    except (UserError, KeyError, ValueError):
        return {}
    return {
        f"{targets} {str(words).lower()} {kind}": [g.slope, g.fixed, g.overhead]
        for (targets, words, kind), g in found.items()
    }


# ---- in words


def pass_words(found: Passes) -> list[str]:
    """How many steps an epoch has and why, how many epochs the steps make."""
    images = text.count("IMAGES", found.images)
    if found.shown != found.images:
        even = found.shown % found.images == 0
        images += f" × {found.shown // found.images}" if even else f" ({text.number(found.shown)})"
    batch = f" ÷ {found.batch}" if found.batch > 1 else ""
    per_epoch = text.EPOCH.format(images=images + batch, steps=text.compact(round(found.per_epoch, 1)))
    why = [text.EPOCH_WHY.format(shapes=found.shapes)] if found.shapes else []
    epochs = text.compact(round(found.epochs, 1 if found.epochs < 10 else 0))
    return [per_epoch, *why, text.EPOCHS.format(steps=text.number(found.steps), epochs=epochs)]

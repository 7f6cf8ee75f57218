"""What a run will come to: passes over the images, the LoRA's size."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdlora.check import BaseInfo, regular_for, scan_for
from sdlora.check.size import growth, growths
from sdlora.data.buckets import Placement
from sdlora.data.dataset import Item, Plan, hold_out
from sdlora.data.regularization import as_regular, beside
from sdlora.errors import UserError
from sdlora.settings import Settings
from ui import text


@dataclass(frozen=True)
class Passes:
    """Passes over the images. shown: how often an epoch shows one, repeats counted. per_epoch: steps of an epoch.

    shapes: of the images, where they keep batches from being full; 0 where all are as full as can be.
    regular: regularization images beside them in an epoch, repeats counted. held_out: images that are not trained on.
    """

    images: int
    shown: int
    per_epoch: float
    batch: int
    steps: int
    shapes: int = 0
    regular: int = 0
    held_out: int = 0

    @property
    def epochs(self) -> float:
        """How many epochs the steps make."""
        return self.steps / self.per_epoch


def passes(settings: Settings, info: BaseInfo | None) -> Passes | None:
    """The passes of one device over the folder; None if it has no image that can be used."""
    train = settings.train
    items = _items(settings, info) if settings.data.folder else ()
    if not items:
        return None
    items, held_out = hold_out(items, settings.validation.held_out, train.seed)
    regular = _regular(settings, info, items)
    every = (*items, *regular)
    batches = Plan(every, train.batch_size, train.seed).batches_per_epoch
    shown, beside_them = (sum(item.repeats for item in some) for some in (items, regular))
    full = -(-(shown + beside_them) // train.batch_size)
    shapes = len({item.placement.bucket for item in every}) if batches > full else 0
    batch = train.batch_size * train.accumulate
    per_epoch = batches / train.accumulate
    return Passes(len(items), shown, per_epoch, batch, train.steps, shapes, beside_them, len(held_out))


def _regular(settings: Settings, info: BaseInfo | None, items: Sequence[Item]) -> tuple[Item, ...]:
    """The regularization images of an epoch; those that are yet to be drawn are squares of the training size."""
    if settings.data.regularization:
        return beside(items, _items(settings, info, settings.data.regularization))
    if not settings.data.class_prompts:
        return ()
    side = settings.data.resolution or (info.resolution if info else 512)
    square = Placement((side, side), (side, side), (0, 0, side, side))
    return (as_regular(replace(items[0], size=square.bucket, placement=square), sum(item.repeats for item in items)),)


FRESH = 10.0  # seconds for which a look at the folder is good: thousands of images take one of them
_looked: dict[tuple, tuple[float, tuple[Item, ...]]] = {}


def _items(settings: Settings, info: BaseInfo | None, folder: str = "") -> tuple[Item, ...]:
    """The images of ``folder``, or of data.folder."""
    data = settings.data
    key = (data.model_dump_json(), info, folder)
    when, items = _looked.get(key, (-FRESH, ()))
    if time.monotonic() - when >= FRESH:
        found = regular_for(settings, info) if folder else scan_for(settings, info)
        items = found.items if found else ()
        for old in [k for k in _looked if k[:2] != key[:2]]:
            del _looked[old]  # one form at a time is what people look at
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


def table(info: BaseInfo, settings: Settings) -> dict[str, list]:
    """For the browser, which adds up while a slider moves: "targets text_encoder kind" -> the parts of ``Growth``."""
    try:
        found = growths(info, settings.adapter.rank_pattern, vars(settings.adapter))
    except (UserError, KeyError, ValueError):
        return {}
    return {
        f"{targets} {str(words).lower()} {kind}": [g.slope, g.fixed, g.overhead, g.ends]
        for (targets, words, kind), g in found.items()
    }


# ---- in words


def pass_words(found: Passes) -> list[str]:
    """How many images are held out, how many steps an epoch has and why, how many epochs the steps make."""
    images = text.count("IMAGES", found.images)
    if found.shown != found.images:
        even = found.shown % found.images == 0
        images += f" × {found.shown // found.images}" if even else f" ({text.number(found.shown)})"
    if found.regular:
        images += f" + {text.count('REGULAR', found.regular)}"
    batch = f" ÷ {found.batch}" if found.batch > 1 else ""
    images = f"({images})" if found.regular and batch else images
    per_epoch = text.EPOCH.format(images=images + batch, steps=text.compact(round(found.per_epoch, 1)))
    apart = [text.count("HELD_OUT", found.held_out, all=found.images + found.held_out)] if found.held_out else []
    why = [text.EPOCH_WHY.format(shapes=found.shapes)] if found.shapes else []
    epochs = text.compact(round(found.epochs, 1 if found.epochs < 10 else 0))
    return [*apart, per_epoch, *why, text.EPOCHS.format(steps=text.number(found.steps), epochs=epochs)]

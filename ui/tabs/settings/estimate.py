"""What a run will come to: passes over the images, the LoRA's size."""

import time
from pathlib import Path

from sdlora.check import BaseInfo, Passes, passes, regular_for, scan_for
from sdlora.check.size import growth, growths
from sdlora.data.dataset import Item
from sdlora.errors import UserError
from sdlora.settings import Settings
from ui import text


def run_passes(settings: Settings, info: BaseInfo | None) -> Passes | None:
    """The passes of one device over the folder; None if it has no image that can be used."""
    items = _items(settings, info) if settings.data.folder else ()
    regular = _items(settings, info, settings.data.regularization) if settings.data.regularization else ()
    return passes(settings, info, items, regular)


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


SHAPES = 4  # that are counted one by one


def pass_words(found: Passes) -> list[str]:
    """How many images are held out, how many steps an epoch has, in numbers that one can check, how many epochs."""
    apart = [text.count("HELD_OUT", found.held_out, all=found.images + found.held_out)] if found.held_out else []
    epochs = text.compact(round(found.epochs, 1 if found.epochs < 10 else 0))
    return [*apart, *_epoch(found), text.EPOCHS.format(steps=text.number(found.steps), epochs=epochs)]


def _epoch(found: Passes) -> list[str]:
    """The epoch: images, repeats, batches of each shape, batches that make one step."""
    images = text.count("IMAGES", found.images)
    if found.shown != found.images:
        even = found.shown % found.images == 0
        images += f" × {found.shown // found.images}" if even else f" ({text.number(found.shown)})"
    if found.regular:
        images += f" + {text.count('REGULAR', found.regular)}"
    everything, full = sum(found.shapes), -(-sum(found.shapes) // found.batch)
    batches, per_epoch = text.number(found.batches), text.compact(round(found.per_epoch, 2))
    together = f" ÷ {text.number(found.together)}" if found.together > 1 else ""
    if found.batch == 1 or found.batches * found.batch == everything:
        images = f"({images})" if found.regular and (found.batch > 1 or together) else images
        batch = f" ÷ {found.batch}" if found.batch > 1 else ""
        return [text.EPOCH.format(images=images + batch + together, steps=per_epoch)]
    if len(found.shapes) == 1:
        size = text.compact(everything / found.batch)
        counted = text.BATCHES.format(images=images, batch=found.batch, exact=size, batches=batches)
    else:
        some = [f"⌈{text.number(shown)} ÷ {found.batch}⌉" for shown in found.shapes[:SHAPES]]
        more = ["…"] if len(found.shapes) > SHAPES else []
        counted = text.BATCHES_OF_SHAPES.format(
            images=images, shapes=text.number(len(found.shapes)), sum=" + ".join([*some, *more]), batches=batches
        )
    lost = text.count("BATCHES_LOST", found.batches - full, full=text.number(full)) if found.batches > full else ""
    return [
        counted,
        *filter(None, [lost]),
        text.EPOCH.format(images=text.count("BATCHES", found.batches) + together, steps=per_epoch),
    ]

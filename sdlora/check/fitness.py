"""How well images and captions go together with the settings: what a run would lose in silence. No torch."""

from collections.abc import Iterable, Sequence

from sdlora.data.dataset import Item, Plan
from sdlora.data.remarks import some
from sdlora.data.tags import WILDCARD
from sdlora.errors import Problem
from sdlora.settings import Settings

MOST_LOST = 0.3  # of an image's area, to the crop
LEAST_FILLED = 0.6  # of the batches that were asked for


def about_training(items: Sequence[Item], settings: Settings) -> list[Problem]:
    """One sentence each: large crops, batches that the shapes can't fill, lines and wildcards that nobody reads."""
    return [*_crops(items), *_batches(items, settings), *_captions(items, settings)]


def kept(item: Item) -> float:
    """The part of the image's area that is trained, 0 to 1."""
    (width, height), (left, top, right, bottom) = item.placement.resized, item.placement.crop
    return (min(right, width) - max(left, 0)) * (min(bottom, height) - max(top, 0)) / (width * height)


def _crops(items: Iterable[Item]) -> list[Problem]:
    cut = sorted((kept(item), item.name) for item in items if kept(item) < 1 - MOST_LOST)
    if not cut:
        return []
    examples = some([f"{name} ({part:.0%})" for part, name in cut])
    count = "1 image loses" if len(cut) == 1 else f"{len(cut)} images lose"
    what = f"{count} more than {MOST_LOST:.0%} to the crop (in brackets what is left): {examples}."
    fix = 'Cut them yourself to what matters, or set data.fit to "pad".'
    return [Problem(what, fix, "data.fit", fatal=False)]


def _batches(items: Sequence[Item], settings: Settings) -> list[Problem]:
    """Batches hold images of one size only, so many sizes make small ones."""
    size = settings.train.batch_size
    images = sum(item.repeats for item in items)
    sizes = len({item.placement.bucket for item in items})
    batches = Plan(items, size, seed=0).batches_per_epoch
    if size == 1 or images / batches >= LEAST_FILLED * size:
        return []
    images_have = f"{images} images have {sizes} sizes" if sizes > 1 else f"{images} images"
    what = f"train.batch_size is {size}, but {images_have} and fill batches of {images / batches:.1f} on average."
    if sizes == 1:
        what = f"train.batch_size is {size}, but there are only {images} images."
    fix = "Use a smaller one" + (', or set data.fit to "crop" or "pad".' if sizes > 1 else ".")
    return [Problem(what, fix, "train.batch_size", fatal=False)]


def _captions(items: Iterable[Item], settings: Settings) -> list[Problem]:
    problems = []
    several = [item.name for item in items if "\n" in item.caption]
    if several and settings.data.caption_lines == "first":
        what = f"The captions of {_images(several)} have several lines, of which the first is trained: {some(several)}."
        fix = 'Set data.caption_lines to "random" to draw one at each step, or to "all".'
        problems.append(Problem(what, fix, "data.caption_lines", fatal=False))
    drawn = [(item.name, found[0]) for item in items if (found := WILDCARD.search(item.caption))]
    if drawn and not settings.data.wildcards:
        what = f"The captions of {_images(drawn)} have choices such as {drawn[0][1][:40]}, which are trained as text."
        fix = "Switch data.wildcards on to draw one at each step."
        problems.append(Problem(what, fix, "data.wildcards", fatal=False))
    return problems


def _images(found: Sequence[object]) -> str:
    return "1 image" if len(found) == 1 else f"{len(found)} images"

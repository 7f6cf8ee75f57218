"""Images and captions: which there are, and how well they go together with the settings."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdlora.check.case import Case
from sdlora.data import tokens
from sdlora.data.dataset import Dataset, Item, Plan, scan
from sdlora.data.images import CACHE_FOLDER
from sdlora.data.remarks import some
from sdlora.data.tags import WILDCARD, holds, one_line
from sdlora.errors import Problem
from sdlora.families.base import BaseInfo
from sdlora.settings import Settings

FEW_IMAGES = 5
MOST_LOST = 0.3  # of an image's area, to the crop
LEAST_FILLED = 0.6  # of the batches that were asked for


def scan_for(settings: Settings, info: BaseInfo | None) -> Dataset:
    """The dataset that these settings train on; without a base model, the one for a usual SD model."""
    data = settings.data
    step = info.step if info else 8  # an unknown base: only what no model could train on is too small
    return scan(
        data.folder,
        resolution=(data.resolution or info.resolution) if info else 512,
        step=step,
        fit=data.fit,
        upscale=data.upscale,
        repeats=data.repeats,
        cache=cache_folder(settings),
    )


def cache_folder(settings: Settings) -> Path:
    """Where latents, text and the index of images are kept."""
    folder = settings.data.cache or os.path.join(settings.data.folder, CACHE_FOLDER)
    return Path(os.path.abspath(os.path.expanduser(folder)))


def folder(case: Case) -> list[Problem]:
    """No folder, or what is wrong with the one there is."""
    if case.dataset:
        return list(case.dataset.problems)
    return [Problem("No image folder is chosen.", "Set data.folder to the folder with your images.", "data.folder")]


def sizes_of(settings: Settings, info: BaseInfo) -> Iterator[Problem]:
    """Sizes in pixels that the model can't have."""
    for key, size in (("data.resolution", settings.data.resolution), ("sample.size", settings.sample.size)):
        if size and size % info.step:
            near = max(info.step, round(size / info.step) * info.step)
            what = f"{key} is {size}, but {info.name} needs a multiple of {info.step}."
            yield Problem(what, f"Use {near}, or 0 for the model's own {info.resolution}.", key)


def sizes(case: Case) -> Iterator[Problem]:
    """The same, as a check."""
    yield from sizes_of(case.settings, case.base)


def few(case: Case) -> Iterator[Problem]:
    """Too few images to learn from."""
    items = case.items
    if len(items) < FEW_IMAGES:
        are = "is only 1 image" if len(items) == 1 else f"are only {len(items)} images"
        what = f"There {are} to train on."
        yield Problem(what, "Ten to thirty varied ones work better.", "data.folder", fatal=False)


def held_out(case: Case) -> Iterator[Problem]:
    """So many images held out that none is left."""
    items = case.items
    count = case.settings.validation.held_out
    if count >= len(items):
        what = f"validation.held_out is {count}, which leaves nothing of {len(items)} images to train on."
        yield Problem(what, "A tenth of the images is plenty.", "validation.held_out")


def small(case: Case) -> Iterator[Problem]:
    """Images much smaller than they train at."""
    items = case.items
    resolution = (case.settings.data.resolution or case.base.resolution) if case.base else 0
    little = [i for i in items if i.size[0] * i.size[1] * 4 < resolution * resolution]
    if little:
        names = ", ".join(i.name for i in little[:3]) + (", …" if len(little) > 3 else "")
        count = "1 image is" if len(little) == 1 else f"{len(little)} images are"
        what = f"{count} very small for training at {resolution} pixels: {names}."
        yield Problem(what, "Larger ones give a sharper LoRA.", "data.resolution", fatal=False)


def long_captions(case: Case) -> list[Problem]:
    """Captions whose end is not read, trigger word included; the same sentence as at the start of the run."""
    data, items = case.settings.data, case.items

    def fits(item: Item) -> bool:
        trigger = one_line(data.trigger)
        words = item.caption if not trigger or holds(item.caption, trigger) else f"{trigger}, {item.caption}"
        return tokens.fits(words, data.max_tokens, data.weighted_captions)

    names = [item.name for item in items if not fits(item)]
    if not names:
        return []
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    room = tokens.limit(data.max_tokens)
    what = f"Longer than {room} tokens, the end is not seen: the captions of {shown}. Shorten them."
    return [Problem(what, where="data.max_tokens", fatal=False)]


def kept(item: Item) -> float:
    """The part of the image's area that is trained, 0 to 1."""
    (width, height), (left, top, right, bottom) = item.placement.resized, item.placement.crop
    return (min(right, width) - max(left, 0)) * (min(bottom, height) - max(top, 0)) / (width * height)


def crops(case: Case) -> list[Problem]:
    """Images that lose much to the crop."""
    cut = sorted((kept(item), item.name) for item in case.items if kept(item) < 1 - MOST_LOST)
    if not cut:
        return []
    examples = some([f"{name} ({part:.0%})" for part, name in cut])
    count = "1 image loses" if len(cut) == 1 else f"{len(cut)} images lose"
    what = f"{count} more than {MOST_LOST:.0%} to the crop (in brackets what is left): {examples}."
    fix = 'Cut them yourself to what matters, or set data.fit to "pad".'
    return [Problem(what, fix, "data.fit", fatal=False)]


def batches(case: Case) -> list[Problem]:
    """Batches hold images of one size only, so many sizes make small ones."""
    items, size = case.items, case.settings.train.batch_size
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


def several_lines(case: Case) -> Iterator[Problem]:
    """Captions of whose lines only the first is trained."""
    several = [item.name for item in case.items if "\n" in item.caption]
    if several and case.settings.data.caption_lines == "first":
        what = f"The captions of {_count(several)} have several lines, of which the first is trained: {some(several)}."
        fix = 'Set data.caption_lines to "random" to draw one at each step, or to "all".'
        yield Problem(what, fix, "data.caption_lines", fatal=False)


def wildcards(case: Case) -> Iterator[Problem]:
    """Choices in captions that are trained as text."""
    drawn = [(item.name, found[0]) for item in case.items if (found := WILDCARD.search(item.caption))]
    if drawn and not case.settings.data.wildcards:
        what = f"The captions of {_count(drawn)} have choices such as {drawn[0][1][:40]}, which are trained as text."
        fix = "Switch data.wildcards on to draw one at each step."
        yield Problem(what, fix, "data.wildcards", fatal=False)


def _count(found: Sequence[object]) -> str:
    return "1 image" if len(found) == 1 else f"{len(found)} images"

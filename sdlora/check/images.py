"""Images and captions: which there are, and how well they go together with the settings."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sdlora.check.case import Case, as_keys
from sdlora.data import tokens
from sdlora.data.dataset import Dataset, Item, Plan, scan
from sdlora.data.remarks import some
from sdlora.data.tags import WILDCARD, has_word, one_line
from sdlora.errors import Problem
from sdlora.families.base import BaseInfo
from sdlora.messages import listed, say
from sdlora.settings import Settings, filled

FEW_IMAGES = 5
MOST_LOST = 0.3  # of an image's area, to the crop
LEAST_FILLED = 0.6  # of the batches that were asked for


def scan_for(settings: Settings, info: BaseInfo | None) -> Dataset:
    """The dataset that these settings train on; without a base model, the one for a usual SD model."""
    return _scanned(settings, info, settings.data.folder, settings.data.masks)


def regular_for(settings: Settings, info: BaseInfo | None, folder: Path | str = "") -> Dataset | None:
    """The regularization images of data.regularization, or of ``folder``, in the same way; None without a folder."""
    folder = folder or settings.data.regularization
    return _scanned(settings, info, folder) if folder else None


def _scanned(settings: Settings, info: BaseInfo | None, folder: Path | str, masks: str = "off") -> Dataset:
    data = settings.data
    step = info.step if info else 8  # an unknown base: only what no model could train on is too small
    return scan(
        folder,
        resolution=(data.resolution or info.resolution) if info else 512,
        step=step,
        fit=data.fit,
        upscale=data.upscale,
        repeats=data.repeats,
        cache=cache_folder(settings),
        masks=masks,
    )


def cache_folder(settings: Settings) -> Path:
    """Where latents, text and the index of images are kept."""
    return Path(os.path.abspath(os.path.expanduser(filled(settings).data.cache)))


def folder(case: Case) -> list[Problem]:
    """No folder, or what is wrong with the one there is."""
    if case.dataset:
        return as_keys(case.dataset.problems, "data")
    return [Problem(say("settings.no_image_folder"), say("settings.set_image_folder"), "data.folder")]


def regularization(case: Case) -> Iterator[Problem]:
    """What is wrong with the regularization images: their folder, or a trigger word where none belongs."""
    data, key = case.settings.data, "data.regularization"
    if case.regular:
        yield from (replace(problem, where=key) for problem in case.regular.problems)
    if case.regular and case.dataset:
        regular, images = (Path(os.path.realpath(found.folder)) for found in (case.regular, case.dataset))
        if regular.is_relative_to(images):
            what = say("images.regularization_among_images", path=data.regularization)
            yield Problem(what, say("images.move_regularization"), key)
        elif images.is_relative_to(regular):
            what = say("images.images_among_regularization", path=data.folder)
            yield Problem(what, say("images.move_regularization"), key)
    texts = {item.name: item.caption for item in case.regular.items} if case.regular else {}
    if not data.regularization:
        texts, key = {prompt: prompt for prompt in data.class_prompts}, "data.class_prompts"
    trigger = one_line(data.trigger)
    named = [name for name, text in texts.items() if trigger and has_word(text, trigger)]
    if named:
        what = say("images.regularization_with_trigger", captions=listed(named, 3), trigger=trigger)
        yield Problem(what, say("images.name_the_class"), key, fatal=False)


def impossible_sizes(settings: Settings, info: BaseInfo) -> Iterator[Problem]:
    """Sizes of training and test pictures that are no multiple of what the model needs."""
    for key, size in (("data.resolution", settings.data.resolution), ("sample.size", settings.sample.size)):
        if size and size % info.step:
            near = max(info.step, round(size / info.step) * info.step)
            what = say("settings.not_a_multiple", key=key, size=size, name=info.name, step=info.step)
            yield Problem(what, say("settings.use_multiple", near=near, size=info.resolution), key)


def sizes(case: Case) -> Iterator[Problem]:
    """Sizes in pixels that the base model can't have."""
    yield from impossible_sizes(case.settings, case.base)


def few_images(case: Case) -> Iterator[Problem]:
    """Too few images to learn from."""
    items = case.items
    if len(items) < FEW_IMAGES:
        what = say("images.too_few", count=len(items))
        yield Problem(what, say("images.use_ten_to_thirty"), "data.folder", fatal=False)


def held_out(case: Case) -> Iterator[Problem]:
    """Held-out images: are any left to train on?"""
    items = case.items
    count = case.settings.validation.held_out
    if count is not None and count >= len(items):
        what = say("settings.held_out_all", given=count, count=len(items))
        yield Problem(what, say("settings.hold_out_tenth"), "validation.held_out")


def small(case: Case) -> Iterator[Problem]:
    """Images much smaller than they train at."""
    items = case.items
    resolution = case.settings.data.resolution or (case.info.resolution if case.info else 0)
    little = [i for i in items if i.size[0] * i.size[1] * 4 < resolution * resolution]
    if little:
        names = ", ".join(i.name for i in little[:3]) + (", …" if len(little) > 3 else "")
        what = say("images.small_for_resolution", count=len(little), size=resolution, names=names)
        yield Problem(what, say("images.use_larger"), "data.resolution", fatal=False)


def long_captions(case: Case) -> list[Problem]:
    """Captions whose end is not read, trigger word included; the same sentence as at the start of the run."""
    data, items = case.settings.data, case.items

    def fits(item: Item) -> bool:
        trigger = one_line(data.trigger)
        words = item.caption if not trigger or has_word(item.caption, trigger) else f"{trigger}, {item.caption}"
        return tokens.is_read_whole(words, data.max_tokens, data.weighted_captions)

    names = [item.name for item in items if not fits(item)]
    if not names:
        return []
    room = tokens.limit(data.max_tokens)
    what = say("training.captions_cut", limit=room, captions=listed(names, 3))
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
    what = say("images.cropped", count=len(cut), percent=f"{MOST_LOST:.0%}", names=examples)
    fix = say("images.crop_yourself_or_pad")
    return [Problem(what, fix, "data.fit", fatal=False)]


def batches(case: Case) -> list[Problem]:
    """Batches that stay small, since they hold images of one size only."""
    items, size = case.items, case.settings.train.batch_size
    images = sum(item.repeats for item in items)
    sizes = len({item.placement.bucket for item in items})
    batches = Plan(items, size, seed=0).batches_per_epoch
    if size == 1 or images / batches >= LEAST_FILLED * size:
        return []
    if sizes > 1:
        average = f"{images / batches:.1f}"
        what = say("images.batches_unfilled", size=size, images=images, sizes=sizes, average=average)
        fix = say("images.use_smaller_batch_or_one_size")
    else:
        what, fix = say("images.batch_too_large", size=size, images=images), say("images.use_smaller_batch")
    return [Problem(what, fix, "train.batch_size", fatal=False)]


def several_lines(case: Case) -> Iterator[Problem]:
    """Captions of whose lines only the first is trained."""
    several = [item.name for item in case.items if "\n" in item.caption]
    if several and case.settings.data.caption_lines == "first":
        what = say("images.several_lines", count=len(several), names=some(several))
        fix = say("images.set_caption_lines")
        yield Problem(what, fix, "data.caption_lines", fatal=False)


def wildcards(case: Case) -> Iterator[Problem]:
    """Choices in captions that are trained as text."""
    drawn = [(item.name, found[0]) for item in case.items if (found := WILDCARD.search(item.caption))]
    if drawn and not case.settings.data.wildcards:
        what = say("images.choices_as_text", count=len(drawn), choice=drawn[0][1][:40])
        fix = say("images.turn_on_wildcards")
        yield Problem(what, fix, "data.wildcards", fatal=False)

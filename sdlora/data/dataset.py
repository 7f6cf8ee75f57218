"""A folder of images as a list of items, and which of them each step trains on. No torch."""

import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdlora.data import CACHE_FOLDER
from sdlora.data.buckets import Placement, place
from sdlora.data.captions import KOHYA_FOLDER, gather_captions
from sdlora.data.index import Seen, inspect_files
from sdlora.data.listing import list_folder
from sdlora.data.masks import masks_of
from sdlora.data.remarks import about_captions, about_files, first_few
from sdlora.errors import Problem, UserError
from sdlora.messages import listed, reason_of, say

MANY_REPEATS = 1_000


@dataclass(frozen=True)
class Item:
    """One image to train on."""

    path: Path
    name: str  # relative to the data folder, with forward slashes
    caption: str
    source: str  # of the caption: "sidecar", "metadata", "folder" or "name"
    repeats: int
    size: tuple[int, int]  # (width, height) in pixels, upright
    placement: Placement
    content_hash: str
    regular: bool = False  # a regularization image (see data.regularization)
    mask: Path | None = None  # what of it is learnt: a mask's file, or the image itself for its transparency
    mask_hash: str = ""


@dataclass(frozen=True)
class Dataset:
    """What a folder holds: the usable images in natural order of their names, and everything that is wrong with it."""

    folder: Path
    items: tuple[Item, ...]
    problems: tuple[Problem, ...]


def scan(
    folder: Path | str,
    *,
    resolution: int,
    step: int,
    fit: str = "bucket",
    upscale: bool = False,
    repeats: int = 1,
    cache: Path | str | None = None,
    min_side: int = 0,
    max_side: int = 0,
    masks: str = "off",
) -> Dataset:
    """Look at every image of ``folder`` and below; never raises for what is in it.

    ``resolution``, ``step``, ``fit``, ``upscale``, ``min_side``, ``max_side``: as ``buckets.place`` takes them.
    ``repeats`` multiplies the N of kohya's ``N_name`` folders. ``cache`` (default: .sdlora_cache in the folder) keeps
    an index, so that a later scan opens only the images that are new or changed since. ``masks``: "off", "alpha" or
    "files", where it is told what of an image is learnt.
    """
    folder = Path(os.path.abspath(Path(folder).expanduser()))
    problem = _folder_problem(folder)
    if problem:
        return Dataset(folder, (), (problem,))
    problems: list[Problem] = []
    closed: list[OSError] = []
    listing = list_folder(folder, onerror=closed.append)
    paths = listing.images
    problems += [
        Problem(say("images.subfolder_left_out", path=Path(e.filename).name, reason=reason_of(e)), fatal=False)
        for e in closed
    ]
    if not paths:
        what = say("images.folder_without_images", path=folder)
        problems += about_files(listing, ())
        return Dataset(folder, (), (*problems, Problem(what, say("images.add_images"), "folder")))
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    marks = masks_of(listing) if masks == "files" else {}
    looked_at = {**names, **{mask: mask.relative_to(folder).as_posix() for mask in marks.values()}}
    seen, index_problems = inspect_files(looked_at, _index_file(folder, cache))
    problems += index_problems
    captions = gather_captions(paths, folder, listing)
    unreadable, too_small, items = [], [], []
    for path, name in names.items():
        times = repeats * _folder_repeats(path, folder)
        if seen[name].problem:
            unreadable.append(Problem(seen[name].problem, "", name, fatal=False))
        elif times:
            try:
                placement = place(
                    seen[name].size, resolution=resolution, step=step, fit=fit, upscale=upscale,
                    min_side=min_side, max_side=max_side, name=name,
                )  # fmt: skip
            except UserError as error:
                too_small += error.problems
                continue
            caption, found = captions.of[path], seen[name]
            mask, mask_hash = (path, found.hash) if masks == "alpha" else (None, "")
            if path in marks and not seen[looked_at[marks[path]]].problem:
                mask, mask_hash = marks[path], seen[looked_at[marks[path]]].hash
            items.append(
                Item(path, name, caption.text, caption.source, times, found.size, placement, found.hash, False,
                     mask, mask_hash)
            )  # fmt: skip
    problems += first_few(unreadable, say("images.remarks_unreadable")) + first_few(
        too_small, say("images.remarks_too_small")
    )
    if masks == "files":
        problems += _about_masks(items, [seen[looked_at[mask]] for mask in dict.fromkeys(marks.values())])
    listing.masks = [mask for mask in listing.masks if mask not in marks.values()]
    problems += about_files(listing, captions.used)
    problems += first_few(captions.problems, say("images.remarks_captions")) + _folder_warnings(paths, folder)
    problems += _shared_captions(paths, names) + about_captions({item.name: captions.of[item.path] for item in items})
    if not items:
        problems.append(Problem(say("images.no_usable_image", path=folder), say("images.see_other_messages"), "folder"))
    return Dataset(folder, tuple(items), tuple(problems))


# ---- what is wrong with a folder


def _about_masks(items: list[Item], seen: list[Seen]) -> list[Problem]:
    """The masks that can't be read, and how many images have none."""
    problems = first_few(
        [Problem(say("images.mask_unreadable", why=one.problem), fatal=False) for one in seen if one.problem],
        say("images.remarks_unreadable"),
    )
    without = [item.name for item in items if item.mask is None]
    if without:
        what = say("images.without_mask", names=listed(without), count=len(without))
        problems.append(Problem(what, fatal=False))
    return problems


def _folder_problem(folder: Path) -> Problem | None:
    try:
        next(os.scandir(folder), None)
    except FileNotFoundError:
        return Problem(say("images.folder_missing", path=folder), say("images.check_folder"), "folder")
    except NotADirectoryError:
        return Problem(say("images.folder_is_file", path=folder), say("images.choose_image_folder"), "folder")
    except PermissionError:
        return Problem(say("images.folder_forbidden", path=folder), say("images.choose_own_folder"), "folder")
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else error
        what = say("images.folder_unreadable", path=repr(str(folder)[:200]), reason=reason)
        return Problem(what, say("images.check_folder"), "folder")
    return None


def _folder_warnings(paths: Iterable[Path], folder: Path) -> list[Problem]:
    warnings = []
    for parent in dict.fromkeys(path.parent for path in paths):
        times, kohya = _folder_repeats(parent / "x", folder), KOHYA_FOLDER.fullmatch(parent.name)
        if times == 0:
            what = say("images.folder_with_0_repeats", name=parent.name)
            warnings.append(Problem(what, fatal=False))
        elif times >= MANY_REPEATS and kohya:
            what = say("images.folder_with_repeats", name=parent.name, count=times)
            warnings.append(Problem(what, say("images.rename_folder", name=kohya[2]), fatal=False))
    return warnings


def _shared_captions(paths: Iterable[Path], names: dict[Path, str]) -> list[Problem]:
    groups = defaultdict(list)
    for path in paths:
        groups[path.with_suffix("")].append(path)
    shared = [
        Problem(
            say("images.caption_shared", name=group[0].stem, names=", ".join(names[p] for p in group)),
            say("images.rename_one"),
            names[group[0]],
            fatal=False,
        )
        for group in groups.values()
        if len(group) > 1
    ]
    return first_few(shared, say("images.remarks_shared_captions"))


def _index_file(folder: Path, cache: Path | str | None) -> Path:
    """In the folder itself its name is plain; elsewhere it tells the folder, as several may share a cache."""
    inside = folder / CACHE_FOLDER
    where = Path(os.path.abspath(Path(cache).expanduser())) if cache else inside
    of_folder = "" if where == inside else f"-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    return where / f"index{of_folder}.json"


def _folder_repeats(path: Path, folder: Path) -> int:
    """The N of kohya's ``N_name``, for folders below the data folder; 1 for any other."""
    kohya = KOHYA_FOLDER.fullmatch(path.parent.name) if path.parent != folder else None
    return min(int(kohya[1][:9]), 10_000) if kohya else 1


# ---- which images a step trains on


ENOUGH_IMAGES, USUAL_HELD_OUT = 12, 4


def usual_held_out(images: int) -> int:
    """How many images are held out where no number is set: 4 of 12 or more; of fewer none, each is needed to learn."""
    return USUAL_HELD_OUT if images >= ENOUGH_IMAGES else 0


def hold_out(items: Sequence[Item], count: int | None, seed: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """(the images to train on, ``count`` drawn by the seed to measure on); at least one is left to train on.

    count: None for as many as is usual.
    """
    count = min(usual_held_out(len(items)) if count is None else count, len(items) - 1)
    drawn = set(rng_for(seed, "validation").sample(range(len(items)), max(count, 0)))
    return (
        tuple(item for number, item in enumerate(items) if number not in drawn),
        tuple(item for number, item in enumerate(items) if number in drawn),
    )


class Plan:
    """Which images each step trains on: a pure function of (items, settings, seed, step).

    In an epoch every image appears ``repeats`` times. The images of each bucket are shuffled and cut into
    ceil(n / batch_size) batches of one bucket only, as even as can be (5 images in batches of 4: 3 + 2), so nothing is
    left out or doubled; then the batches are shuffled. Epochs follow one another in one endless stream of batches, of
    which every step takes the next ``devices`` x ``accumulate``.
    """

    def __init__(self, items: Sequence[Item], batch_size: int, seed: int, devices: int = 1, accumulate: int = 1):
        if not items:
            raise ValueError("no images to plan with")
        self.batch_size, self.seed, self.devices, self.accumulate = batch_size, seed, devices, accumulate
        buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, item in enumerate(items):
            buckets[item.placement.bucket] += [number] * item.repeats
        self._buckets = [buckets[size] for size in sorted(buckets)]
        self.batches_per_epoch = sum(-(-len(bucket) // batch_size) for bucket in self._buckets)
        self._epochs: dict[int, list[tuple[int, ...]]] = {}

    def at(self, step: int, device_index: int = 0) -> list[tuple[int, ...]]:
        """The ``accumulate`` batches (of indices into items) that a device adds up for ``step``, counted from 1."""
        if step < 1 or not 0 <= device_index < self.devices:
            raise ValueError(f"no step {step} on device {device_index}")
        first = (step - 1) * self.devices * self.accumulate
        return [self._batch(first + turn * self.devices + device_index) for turn in range(self.accumulate)]

    def epoch_of(self, step: int) -> float:
        """How many epochs are done after ``step``."""
        return step * self.devices * self.accumulate / self.batches_per_epoch

    def _batch(self, position: int) -> tuple[int, ...]:
        number, place_in_epoch = divmod(position, self.batches_per_epoch)
        if number not in self._epochs:
            self._epochs = {n: e for n, e in self._epochs.items() if n == number - 1}  # a step may span two epochs
            self._epochs[number] = self._shuffled(number)
        return self._epochs[number][place_in_epoch]

    def _shuffled(self, epoch: int) -> list[tuple[int, ...]]:
        rng = rng_for(self.seed, "epoch", epoch)
        batches = []
        for bucket in self._buckets:
            order = rng.sample(bucket, len(bucket))
            count = -(-len(order) // self.batch_size)
            cuts = [len(order) * i // count for i in range(count + 1)]
            batches += [tuple(order[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
        rng.shuffle(batches)
        return batches


def plan(
    items: Sequence[Item],
    batch_size: int,
    seed: int,
    step: int,
    device_index: int = 0,
    devices: int = 1,
    accumulate: int = 1,
) -> list[tuple[int, ...]]:
    """``Plan.at`` in one call. A loop keeps a ``Plan``: it shuffles once per epoch."""
    return Plan(items, batch_size, seed, devices, accumulate).at(step, device_index)


def seed_for(seed: int, *words: int | str) -> int:
    """A number in 0..2**63-1 that is the same on every machine for the same seed and words, and else unrelated."""
    return int.from_bytes(hashlib.sha256(repr((seed, *words)).encode("utf-8")).digest()[:8], "big") >> 1


def rng_for(seed: int, *words: int | str) -> random.Random:
    """A generator of its own for what ``words`` name, such as ``rng_for(seed, "caption", step, index)``."""
    return random.Random(seed_for(seed, *words))

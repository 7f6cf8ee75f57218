"""Look through a folder of pictures with every check. No torch."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdlora.check import images
from sdlora.check.case import Case
from sdlora.data.dataset import Dataset, scan
from sdlora.data.images import load_image, transparent_share
from sdlora.doctor import CAPTION_CHECKS, CHECKS, PictureCheck, PictureFinding
from sdlora.doctor.look import Pixels
from sdlora.errors import Problem, UserError
from sdlora.settings import Settings, make_settings

FIT = (images.small, images.long_captions, images.crops, images.batches, images.several_lines, images.wildcards)
WRITTEN = ("sidecar", "metadata")  # where a caption comes from that was written for its picture


@dataclass(frozen=True)
class BucketUse:
    """One size of training pictures: (width, height), how many pictures have it, what they lose on average, 0 to 1."""

    size: tuple[int, int]
    pictures: int
    lost: float


@dataclass(frozen=True)
class Examination:
    """What was found in a folder.

    dataset: the folder as training reads it. problems: what is wrong with its files, its captions, and how it fits the
    settings, in the words of ``sdlora check``. findings: the rest. buckets: the sizes, the fullest first.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]
    findings: tuple[PictureFinding, ...]
    buckets: tuple[BucketUse, ...]

    @property
    def count(self) -> int:
        """How many things were found in all."""
        return len(self.problems) + len(self.findings)


def examine(
    folder: Path | str,
    resolution: int = 512,
    on_picture: Callable[[int, int], None] | None = None,
    checks: Mapping[str, PictureCheck] = CHECKS,
    settings: Settings | None = None,
    step: int = 64,
) -> Examination:
    """Read every picture once and judge them and their captions; all stay as they are.

    resolution: pixels, the side of a training picture; its sides are multiples of ``step``. on_picture: (pictures
    looked at, pictures in all), as it goes. settings: how it is going to be trained; the defaults if not given.
    """
    settings = (settings or make_settings({})).model_copy(deep=True)
    settings.data.folder, settings.data.resolution = str(folder), resolution
    data = settings.data
    dataset = scan(
        folder, resolution=resolution, step=step, fit=data.fit, upscale=data.upscale, repeats=data.repeats
    )  # fmt: skip
    case = Case(settings, None, dataset)
    problems = [*dataset.problems, *(problem for check in FIT if dataset.items for problem in check(case))]
    findings = [*_pictures(dataset, resolution, on_picture, checks), *_captions(dataset)]
    return Examination(dataset, tuple(problems), tuple(findings), tuple(_buckets(dataset)))


def _pictures(
    dataset: Dataset,
    resolution: int,
    on_picture: Callable[[int, int], None] | None,
    checks: Mapping[str, PictureCheck],
) -> Iterator[PictureFinding]:
    measured: dict[str, dict[str, Any]] = {name: {} for name in checks}
    items = {item.name: item for item in dataset.items}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # Pillow and numpy work outside Python's lock
        looks = pool.map(lambda name: _measure(items[name].path, name, resolution, checks), items)
        for done, (name, values) in enumerate(zip(items, looks, strict=True), 1):
            for check, value in values.items():
                measured[check][name] = value
            if on_picture:
                on_picture(done, len(items))
    found = [(by, names, what) for by in checks.values() for names, what in by.judge(measured[by.name])]
    faults = Counter(name for by, names, _ in found if not by.keeps_one for name in names)

    def worth(name: str) -> tuple[int, int]:
        width, height = items[name].size
        return -faults[name], width * height

    for by, names, what in found:
        best = max(names, key=worth) if by.keeps_one else ""
        yield PictureFinding(by.name, names, what, tuple(name for name in names if name != best))


def _captions(dataset: Dataset) -> Iterator[PictureFinding]:
    captions = {item.name: item.caption for item in dataset.items if item.source in WRITTEN}
    for check in CAPTION_CHECKS.values():
        for names, what in check.judge(captions):
            mended = {name: check.mend(captions[name]) for name in names} if check.mend else {}
            mended = {name: caption for name, caption in mended.items() if caption != captions[name]}
            yield PictureFinding(check.name, names, what, captions=mended)


def _buckets(dataset: Dataset) -> list[BucketUse]:
    lost: dict[tuple[int, int], list[float]] = defaultdict(list)
    for item in dataset.items:
        lost[item.placement.bucket].append(1 - images.kept(item))
    used = [BucketUse(size, len(shares), sum(shares) / len(shares)) for size, shares in lost.items()]
    return sorted(used, key=lambda bucket: (-bucket.pictures, bucket.size))


def _measure(path: Path, name: str, resolution: int, checks: Mapping[str, PictureCheck]) -> dict[str, Any]:
    """Nothing for a picture that went away or broke since the scan, which has told of those that are broken."""
    try:
        picture = load_image(path, name)
    except UserError:
        return {}
    pixels = Pixels(picture, resolution, transparent_share(picture))
    return {check.name: check.measure(pixels) for check in checks.values()}

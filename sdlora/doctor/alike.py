"""Pictures that are nearly the same: resized, compressed, mirrored, lightly cropped or brightened copies."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image

from sdlora.doctor.finding import PictureCheck
from sdlora.doctor.look import Pixels
from sdlora.messages import listed, say

SIDE = 16  # pixels of the thumbnails that are compared
LIMIT = 0.93  # correlation: a copy cropped by 5 % has 0.93 or more in 95 % of 158 photos
APART = 0.8  # squared distance of the middles, which have length 1: two things in the same frame are further apart
PLAIN = 4.0  # levels, standard deviation: flatter thumbnails are alike without meaning it
BLOCK = 512  # rows compared at a time


class Thumbnail(NamedTuple):
    """A picture and its mirror image: the whole, and the middle quarter alone; float16 vectors of length 1.

    whole, mirrored: (3 x 16 x 16,). middle, mirrored_middle: (3 x 8 x 8,), shorter where the middle is plain.
    """

    whole: np.ndarray
    mirrored: np.ndarray
    middle: np.ndarray
    mirrored_middle: np.ndarray


def _direction(values: np.ndarray) -> np.ndarray:
    values = values.ravel() - values.mean()
    return (values / max(float(np.linalg.norm(values)), PLAIN * values.size**0.5)).astype(np.float16)


def _middle(small: np.ndarray) -> np.ndarray:
    return small[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4]


def measure(pixels: Pixels) -> Thumbnail | None:
    """The thumbnail in colour; None for a picture of one colour."""
    small = np.asarray(pixels.trained.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0), np.float32)
    if small.std() < PLAIN:
        return None
    turned = small[:, ::-1]
    return Thumbnail(*(_direction(values) for values in (small, turned, _middle(small), _middle(turned))))


def judge(measured: Mapping[str, Thumbnail | None]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each group of copies, the groups joined by what is alike."""
    names = [name for name, thumbnail in measured.items() if thumbnail]
    found = [thumbnail for thumbnail in measured.values() if thumbnail]
    if len(names) < 2:
        return
    group = list(range(len(names)))  # of each picture, the first one of its group
    whole, mirrored, middle, mirrored_middle = (np.stack(rows).astype(np.float32) for rows in zip(*found, strict=True))
    for start in range(0, len(names), BLOCK):
        for others, middles in ((whole, middle), (mirrored, mirrored_middle)):
            close = whole[start : start + BLOCK] @ others[start:].T > LIMIT
            for row, column in np.argwhere(np.triu(close, 1)) + start:
                if ((middle[row] - middles[column]) ** 2).sum() < APART:
                    _join(group, int(row), int(column))
    members: dict[int, list[str]] = {}
    for index, name in enumerate(names):
        members.setdefault(_first(group, index), []).append(name)
    for several in members.values():
        if len(several) > 1:
            yield tuple(several), say("doctor.alike", names=listed(several), count=len(several))


def _first(group: list[int], index: int) -> int:
    while group[index] != index:
        index = group[index] = group[group[index]]
    return index


def _join(group: list[int], one: int, other: int) -> None:
    first, second = sorted((_first(group, one), _first(group, other)))
    group[second] = first


CHECK = PictureCheck("alike", measure, judge, say("doctor.why_alike"), say("doctor.fix_alike"), keeps_one=True)

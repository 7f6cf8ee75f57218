"""Bars and frames: edges of one colour that end in a straight line across the whole picture.

A thing on a plain ground has plain edges too, but they end where the thing begins, here and there.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from sdlora.doctor.finding import PictureCheck
from sdlora.doctor.look import Pixels
from sdlora.messages import say

EVEN = 10.0  # levels around the edge's own; JPEG leaves that much
OUTLIERS = 0.01  # the share of a line that may lie outside: a speck, a resized edge's end
LEAST = 0.02  # of the side: a narrower one is lost in the crop
MOST = 0.45  # of the side; more on both ends is a picture of nothing
STRAIGHT = 0.6  # the share of the line's pixels that change where a bar ends


def bar(grey: np.ndarray) -> float:
    """How much of the height a bar at the top takes: 0 without one. grey: float32 (height, width), levels."""
    height = len(grey)
    level = float(np.median(grey[0]))
    even = (np.abs(grey - level) > EVEN).mean(1) <= OUTLIERS
    count = height if even.all() else int(np.argmin(even))
    if not LEAST * height <= count <= MOST * height:
        return 0.0
    # Two lines on, a resized edge is over.
    beyond = grey[min(height - 1, count + 2)]
    return count / height if (np.abs(beyond - level) > EVEN).mean() >= STRAIGHT else 0.0


def measure(pixels: Pixels) -> tuple[float, float, float, float]:
    """(left, top, right, bottom): the bars' shares of width or height."""
    grey = pixels.small
    return bar(grey.T), bar(grey), bar(grey.T[::-1]), bar(grey[::-1])


def judge(measured: Mapping[str, tuple[float, ...]]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each picture with bars on two opposite sides: a single one may be a clear sky or a table."""
    for name, (left, top, right, bottom) in measured.items():
        if (left and right) or (top and bottom):
            share = 1 - (1 - left - right) * (1 - top - bottom)
            yield (name,), say("doctor.bordered", name=name, percent=round(100 * share))


CHECK = PictureCheck("bordered", measure, judge, say("doctor.why_bordered"), say("doctor.fix_bordered"))

"""Transparent pictures: training sees them on white."""

from collections.abc import Iterator, Mapping

from sdlora.doctor.finding import PictureCheck
from sdlora.doctor.look import Pixels
from sdlora.messages import say

LIMIT = 0.01  # of the pixels; a soft corner is none


def measure(pixels: Pixels) -> float:
    """The share of pixels that let something through."""
    return pixels.clear


def judge(measured: Mapping[str, float]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each transparent picture."""
    for name, clear in measured.items():
        if clear > LIMIT:
            yield (name,), say("doctor.transparent", name=name, percent=round(100 * clear))


CHECK = PictureCheck("transparent", measure, judge, say("doctor.why_transparent"), say("doctor.fix_transparent"))

"""Pictures whose colours nobody can be sure of: training takes the stored numbers as they are."""

from collections.abc import Iterator, Mapping

from sdlora.data.images import unsure_colours
from sdlora.doctor.finding import PictureCheck
from sdlora.doctor.look import Pixels
from sdlora.messages import say

SAID = {"profile": "doctor.profile_unusable", "print": "doctor.print_without_profile"}


def measure(pixels: Pixels) -> str:
    """Why: a key of ``SAID``, or ""."""
    return unsure_colours(pixels.picture)


def judge(measured: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each picture."""
    for name, why in measured.items():
        if why:
            yield (name,), say(SAID[why], name=name)


CHECK = PictureCheck("colours", measure, judge, say("doctor.why_colours"), say("doctor.fix_colours"))

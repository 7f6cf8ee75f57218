"""Captions that say the same of several pictures."""

from collections.abc import Iterator, Mapping

from sdlora.doctor.finding import CaptionCheck
from sdlora.messages import listed, say

LETTERS = 60  # of the caption in the sentence


def judge(captions: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each caption that several pictures have."""
    pictures: dict[str, list[str]] = {}
    for name, caption in captions.items():
        if caption:
            pictures.setdefault(" ".join(caption.casefold().split()), []).append(name)
    for names in pictures.values():
        if len(names) > 1:
            caption = captions[names[0]]
            shown = caption if len(caption) <= LETTERS else caption[: LETTERS - 1] + "…"
            yield tuple(names), say("doctor.repeated", names=listed(names), caption=shown)


CHECK = CaptionCheck("repeated", judge, say("doctor.why_repeated"), say("doctor.fix_repeated"))

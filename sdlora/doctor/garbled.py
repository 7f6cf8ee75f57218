"""Captions with characters that nobody typed: UTF-8 that was read as Windows-1252, and what web pages write for signs.

The lead bytes are those of Latin, Greek, Cyrillic and of everything that takes three bytes; each must be followed by as
many continuation bytes as it announces, which in a text that was read rightly are signs such as © and ™.
"""

import html
import re
from collections.abc import Iterator, Mapping

from sdlora.doctor.finding import CaptionCheck
from sdlora.messages import say

LOST = "\ufffd"  # what a decoder puts where it gave up
SHOWN = 20  # characters of the place that a sentence shows


def _seen_as(first: int, last: int) -> str:
    """A regular expression's set of the characters that these bytes are in Windows-1252 (else in Latin-1)."""
    codes = (bytes([byte]).decode("cp1252", "replace").replace(LOST, chr(byte)) for byte in range(first, last + 1))
    return re.escape("".join(codes))


_FOLLOWS = f"[{_seen_as(0x80, 0xBF)}]"
_TORN = re.compile(
    f"(?:[{_seen_as(0xC2, 0xC5)}{_seen_as(0xCE, 0xD1)}]{_FOLLOWS}|[{_seen_as(0xE0, 0xEF)}]{_FOLLOWS}{{2}})+"
)
_ENTITY = re.compile(r"&(?:#\d{2,6}|#x[0-9a-fA-F]{2,6}|amp|lt|gt|quot|apos|nbsp);")


def repaired(caption: str) -> str:
    """The caption with both undone; itself where there is nothing to do."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]).replace("\xa0", " "), _TORN.sub(_joined, caption))


def _joined(found: re.Match[str]) -> str:
    whole = bytearray()
    for letter in found[0]:
        try:
            whole += letter.encode("cp1252")
        except UnicodeEncodeError:
            whole.append(ord(letter))  # one of the five bytes that Windows-1252 leaves open
    return whole.decode("utf-8", "replace") if LOST not in whole.decode("utf-8", "replace") else found[0]


def judge(captions: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each caption."""
    for name, caption in captions.items():
        better = repaired(caption)
        if better == caption and LOST not in caption:
            continue
        start = next((at for at, (a, b) in enumerate(zip(caption, better, strict=False)) if a != b), 0)
        start = caption.find(LOST) if better == caption else start
        shown = caption[max(0, start - SHOWN // 2) : start + SHOWN // 2].strip()
        yield (name,), say("doctor.garbled", name=name, part=shown)


CHECK = CaptionCheck("garbled", judge, say("doctor.why_garbled"), say("doctor.fix_garbled"), repaired)

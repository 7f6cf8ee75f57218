"""What a check of pictures or captions is, and what it finds. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdlora.doctor.look import Pixels


@dataclass(frozen=True)
class PictureFinding:
    """One thing that is wrong with some pictures or their captions.

    check: the check's name. names: the pictures, as paths below the folder. what: the sentence that names them.
    out: of these, the pictures whose leaving out mends it. captions: picture -> its caption, mended.
    """

    check: str
    names: tuple[str, ...]
    what: str
    out: tuple[str, ...] = ()
    captions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PictureCheck:
    """One entry of ``doctor.CHECKS``.

    measure: one picture's pixels -> what the check keeps of it, small: a folder may have 10,000. It runs in threads.
    judge: those of all pictures, by name -> (pictures, sentence) for each finding.
    why: the sentence that says why it matters. fix: what to do about it.
    keeps_one: the best of a finding's pictures is good to train on, the one with the fewest other faults and, of those,
        the largest; the others are not.
    """

    name: str
    measure: Callable[[Pixels], Any]
    judge: Callable[[Mapping[str, Any]], Iterator[tuple[tuple[str, ...], str]]]
    why: str
    fix: str
    keeps_one: bool = False


@dataclass(frozen=True)
class CaptionCheck:
    """One entry of ``doctor.CAPTION_CHECKS``.

    judge: the captions that somebody wrote, by picture -> (pictures, sentence) for each finding. why, fix: as above.
    mend: a caption -> the caption without this fault; None where nobody but a person can tell.
    """

    name: str
    judge: Callable[[Mapping[str, str]], Iterator[tuple[tuple[str, ...], str]]]
    why: str
    fix: str
    mend: Callable[[str], str] | None = None

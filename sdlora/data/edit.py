"""Changes to many captions at once: pure functions of text. No torch, no files."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from sdlora.data.tags import one_line, split_tags

Kind = Literal["front", "end", "replace", "remove"]
Key = TypeVar("Key")


@dataclass(frozen=True)
class Edit:
    """What is done to each caption.

    front, end: put ``what`` before or behind, with a comma; not where the caption has it as a tag already.
    replace: every ``what``, in this very spelling, becomes ``by``; commas left without a tag between them go.
    remove: drop the tags that are ``what``, in any case; several may be given with commas between them.
    """

    kind: Kind
    what: str
    by: str = ""

    def apply(self, caption: str) -> str:
        """The changed caption, line by line; the caption itself where there is nothing to do."""
        if "\n" in caption:
            return "\n".join(map(self.apply, caption.split("\n")))
        what = one_line(self.what)
        if not what:
            return caption
        if self.kind == "replace":
            return _tidy(caption.replace(what, one_line(self.by))) if what in caption else caption
        has, given = _folded(split_tags(caption)), split_tags(what)
        if self.kind == "remove":
            drop = set(_folded(given))
            kept = [tag for tag in split_tags(caption) if tag.casefold() not in drop]
            return ", ".join(kept) if len(kept) < len(has) else caption
        new = [tag for tag in given if tag.casefold() not in has]
        if not new:
            return caption
        parts = [*new, caption] if self.kind == "front" else [caption, *new]
        return ", ".join(part.strip().strip(",").strip() for part in parts if part.strip(" ,"))


def _folded(tags: Iterable[str]) -> list[str]:
    return [tag.casefold() for tag in tags]


def _tidy(caption: str) -> str:
    """No comma at an end or beside another, one blank at a time."""
    caption = re.sub(r"\s*,(\s*,)+\s*", ", ", caption)
    return one_line(re.sub(r"^[\s,]+|[\s,]+$", "", caption))


def changes(captions: Mapping[Key, str], edit: Edit) -> dict[Key, tuple[str, str]]:
    """(before, after) of every caption that ``edit`` changes."""
    found = {key: (caption, edit.apply(caption)) for key, caption in captions.items()}
    return {key: pair for key, pair in found.items() if pair[0] != pair[1]}


def tag_counts(captions: Iterable[str]) -> list[tuple[str, int]]:
    """(tag, in how many captions), the most frequent first, in the spelling that came first."""
    counts: Counter[str] = Counter()
    spelling: dict[str, str] = {}
    for caption in captions:
        for tag in {t.casefold(): t for t in reversed(split_tags(caption))}.values():
            counts[tag.casefold()] += 1
            spelling.setdefault(tag.casefold(), tag)
    return sorted(((spelling[tag], n) for tag, n in counts.items()), key=lambda pair: (-pair[1], pair[0].casefold()))

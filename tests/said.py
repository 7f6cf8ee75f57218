"""Sentences by key, where a test asks which one is said and not how it is worded."""

import re

from sdlora.messages import entry


class Said(str):
    """A regular expression of a sentence; ``saying`` puts it into a place as it is, where other values are escaped."""


def saying(key: str, /, **slots: object) -> Said:
    """A regular expression for ``match=``: the sentence ``key`` in English, any words in its places but ``slots``.

    ``page.NAME`` is a sentence of the page's own (``ui.words``).
    """
    forms = _page(key[5:]) if key.startswith("page.") else [v for k, v in entry(key).items() if k in ("en", "one")]
    assert all(f"{{{name}}}" in "".join(forms) for name in slots), f"{key} has no place for {list(slots)}"
    return Said(f"(?:{'|'.join(_open(template, slots) for template in forms)})")


def says(text: object, key: str, /, **slots: object) -> bool:
    """Does ``text`` (or an exception) have that sentence in it?"""
    return re.search(saying(key, **slots), str(text)) is not None


def _page(name: str) -> list[str]:
    from ui.words import en

    return [getattr(en, name)]


def _open(template: str, slots: dict[str, object]) -> str:
    words = [part.replace("{{", "{").replace("}}", "}") for part in re.split(r"(?<!\{)\{(\w+)\}", template)]
    given = [_place(slots[name]) if name in slots else "(?s:.*)" for name in words[1::2]]
    return "".join(re.escape(text) + place for text, place in zip(words[::2], [*given, ""], strict=True))


def _place(value: object) -> str:
    return value if isinstance(value, Said) else re.escape(str(value))

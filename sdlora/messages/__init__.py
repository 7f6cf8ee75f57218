"""What people are told, by key: English and other languages side by side, a file a subject.

``say("images.folder_missing", path=folder)`` is the English sentence, a ``str`` like any other, that still knows its
key and what stands in its places; ``in_language(words, "zh")`` says it in Chinese. What is put into a sentence is
carried over as it is: a path, a name, a number, or another message, which is said in the same language.

Terminals, logs and files have the English. An f-string around a message is plain English: to build a sentence of
others, put them into places, or join them with ``sentences`` and ``lines``.

A message may cross to another process or lie in a file as JSON (``packed``, ``unpacked``).
"""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from sdlora.messages.message import Message

SUBJECTS = (
    "common",
    "files",
    "settings",
    "images",
    "doctor",
    "captioning",
    "models",
    "modelfiles",
    "lorafiles",
    "adapters",
    "saving",
    "readers",
    "runs",
    "training",
    "health",
    "pictures",
    "publishing",
    "launching",
    "foreign",
    "toolbox",
    "inspection",
    "report",
    "terminal",
)
DEEPEST = 8  # messages within messages, in what comes from a file


@cache
def catalog(subject: str) -> Mapping[str, Mapping[str, str]]:
    """{key: {language: template}} of one subject; "one" is the English where ``count`` is 1."""
    return import_module(f"sdlora.messages.{subject}").MESSAGES


def entry(key: str) -> Mapping[str, str]:
    """The templates of one key. Raises KeyError if there is none."""
    subject, _, name = key.partition(".")
    if subject not in SUBJECTS:
        raise KeyError(key)
    return catalog(subject)[name]


def say(key: str, /, **slots: object) -> Message:
    """The sentence ``key`` in English; ``slots`` are what stands in its places.

    Numbers and messages stay what they are, anything else is put in as its ``str``. Raises KeyError for an unknown key
    or a place that nothing is given for.
    """
    kept = {name: value if isinstance(value, (int, float, Message)) else str(value) for name, value in slots.items()}
    return Message(_filled(key, kept, "en"), key, kept)


def sentences(*parts: str) -> Message:
    """One after another, as people write them: with a space between in English, without one in Chinese."""
    return _joined("common.sentences", parts)


def lines(*parts: str) -> Message:
    """One under another."""
    return _joined("common.lines", parts)


def listed(names: Iterable[str], limit: int = 5) -> Message:
    """ "a.png, b.png and 3 more"; each name a word of a person's or a message."""
    names = list(names)
    shown = _joined("common.names", names[:limit])
    return say("common.and_more", names=shown, count=len(names) - limit) if len(names) > limit else shown


def parts_of(words: Iterable[str]) -> Message:
    """ "SDXL, epsilon, 1024 px": parts of one line, with commas in every language."""
    return _joined("common.parts", words)


def all_of(names: Iterable[str]) -> Message:
    """ "a, b and c"."""
    *first, last = names
    if not first:
        return say("common.word", word=last)
    return say("common.all_of", names=_joined("common.names", first), last=last)


def either(names: Iterable[object]) -> Message:
    """ "a, b or c"."""
    *first, last = map(str, names)
    return say("common.either", names=", ".join(first), last=last) if first else say("common.word", word=last)


def reason_of(error: OSError) -> str:
    """Why the system refused: its own words, which have a key where they are usual."""
    own = error.strerror or str(error)
    if isinstance(own, Message):
        return own
    known = _usual_reasons().get(error.errno or 0)
    return known if known == own else own


def words_of(error: BaseException) -> str:
    """What an exception of ours was raised with: the message itself, where ``str`` would leave its English alone."""
    return error.args[0] if len(error.args) == 1 and isinstance(error.args[0], Message) else str(error)


def in_language(words: str, language: str) -> str:
    """``words`` in that language; what is no message, or has no such translation, as it is (English)."""
    if not isinstance(words, Message) or language == "en":
        return str(words)
    return _filled(words.key, words.slots, language)


# ---- in a file


def packed(message: str) -> Any:
    """The message as JSON values: its key and places, or the plain text."""
    if not isinstance(message, Message):
        return str(message)
    return {"key": message.key, "slots": {name: _packed(value) for name, value in message.slots.items()}}


def unpacked(stored: object, text: str | None = None) -> str:
    """A message from JSON values; ``text`` is what it said in English when it was written.

    Never raises: what a version does not know, or was changed, is the text alone.
    """
    try:
        return _unpacked(stored, text, 0)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return text if text is not None else ""


def _packed(value: object) -> Any:
    return packed(value) if isinstance(value, Message) else value


def _unpacked(stored: Any, text: str | None, depth: int) -> str:
    if isinstance(stored, str):
        return stored
    if depth > DEEPEST:
        raise ValueError("messages within messages within messages")
    key, slots = stored["key"], {}
    for name, value in stored["slots"].items():
        slots[name] = _unpacked(value, None, depth + 1) if isinstance(value, dict) else value
    said = say(key, **slots) if key not in JOINED else _joined(key, [slots[name] for name in sorted(slots, key=int)])
    return said if text is None else Message(text, key, said.slots)


# ---- templates

JOINED = {
    "common.sentences": {"en": " ", "zh": ""},
    "common.lines": {"en": "\n", "zh": "\n"},
    "common.names": {"en": ", ", "zh": "、"},
    "common.parts": {"en": ", ", "zh": ", "},
}


def _joined(key: str, parts: Iterable[str]) -> Message:
    slots = {str(at): part if isinstance(part, Message) else str(part) for at, part in enumerate(parts)}
    return Message(_filled(key, slots, "en"), key, slots)


def _filled(key: str, slots: Mapping[str, object], language: str) -> str:
    values = {name: in_language(v, language) if isinstance(v, Message) else v for name, v in slots.items()}
    if key in JOINED:
        return JOINED[key].get(language, JOINED[key]["en"]).join(map(str, values.values()))
    templates = entry(key)
    if language == "en" and values.get("count") == 1 and "one" in templates:
        return templates["one"].format(**values)
    return templates.get(language, templates["en"]).format(**values)


def places(template: str) -> set[str]:
    """Names of the places of a template."""
    from string import Formatter

    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


@cache
def _usual_reasons() -> dict[int, Message]:
    """{errno: its usual words}; numbers and words are this system's own."""
    import errno

    found = {}
    for name in catalog("common"):
        if name.isupper() and hasattr(errno, name):
            number = getattr(errno, name)
            found[number] = Message(os.strerror(number), f"common.{name}", {})
    return found

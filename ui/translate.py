"""What the trainer's checks say, in the visitor's language.

``sdlora`` makes English sentences with a person's words in them: paths, names, numbers. Here such a sentence is told
by its template, and the same words are put into the other language's template (``ui.words.zh.problems``), as they are;
whoever renders them escapes them, as before. A sentence that no template fits stays English: never an error, never
half of it. No regular expressions: whatever stands in the places, a sentence is looked through a fixed number of times.
"""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from sdlora.errors import Problem, UserError, explain
from sdlora.settings import Settings
from ui import text
from ui.words.zh import problems as zh

TABLES = {"zh": (zh.SENTENCES, zh.PARTS)}
LONGEST = 20_000  # characters of a sentence
SPLITS, MOST = 8, 6  # places at which a line is taken apart into sentences, and how many those may be
SECTIONS = frozenset(Settings.model_fields)


def problem(found: Problem) -> str:
    """What is wrong and what to do, as ``str`` has it."""
    language = text.language()
    if not found.fix:
        return message(found.what)
    what, fix = _sentence(language, found.what), _sentence(language, found.fix)
    return str(found) if what is None or fix is None else what + fix


def error(raised: BaseException) -> str:
    """All problems of a UserError, a line each; what the system refused; of any other exception its own words."""
    if isinstance(raised, OSError) and raised.errno:
        raised = explain(raised)
    if isinstance(raised, UserError):
        return "\n".join(problem(found) for found in raised.problems)
    return str(raised)


def reason(refused: OSError) -> str:
    """Why the system refused, for a sentence of the page's own."""
    own = refused.strerror or str(refused)
    _, parts = TABLES.get(text.language(), ({}, {}))
    return parts.get("reason", {}).get(own, own)


def described(words: str) -> str:
    """The line that ``BaseInfo.described`` says of a base model."""
    language = text.language()
    return ", ".join(_sentence(language, word, "described") or word for word in words.split(", "))


def message(words: str) -> str:
    """Sentences of the trainer that came as one text, from an event or a log: line by line."""
    language = text.language()
    if language not in TABLES:
        return words
    lines = [(line, _line(language, line)) for line in words.split("\n")]
    if any(line for _, line in lines):
        return "\n".join(known or line for line, known in lines)
    return _line(language, words) or words  # a line end may be a person's


@lru_cache(maxsize=1000)
def _line(language: str, words: str, most: int = MOST) -> str | None:
    """One or several sentences; as many as it can be taken for, so that no place swallows a sentence."""
    if len(words) > LONGEST:
        return None
    ends = [at + 1 for at in range(len(words) - 1) if words[at] in ".?" and words[at + 1] == " "]
    for end in ends[-SPLITS:] if most > 1 else ():
        tail = _sentence(language, words[end + 1 :])
        head = _line(language, words[:end], most - 1) if tail is not None else None
        if head is not None:
            return head + tail
    return _sentence(language, words)


@lru_cache(maxsize=1000)
def _sentence(language: str, words: str, place: str = "") -> str | None:
    """One sentence whole, or what may stand in that place alone; None if no template fits it."""
    if language not in TABLES or len(words) > LONGEST:
        return None
    for template in _templates(language, place):
        found = template.match(words)
        if found is not None:
            return template.translation.format(**found)
    return None


# ---- templates


@dataclass(frozen=True)
class Template:
    """literals: what stands before, between and after the places, so one more than there are places."""

    literals: tuple[str, ...]
    places: tuple[str, ...]
    translation: str

    def match(self, words: str) -> dict[str, str] | None:
        """What stands in each place, or None. Each literal is taken where it comes first, else where it comes last."""
        first, last = self.literals[0], self.literals[-1]
        if not self.places:
            return {} if words == first else None
        if len(words) < len(first) + len(last) or not (words.startswith(first) and words.endswith(last)):
            return None
        within = words[len(first) : len(words) - len(last)]
        for parts in (self._forwards(within), self._backwards(within)):
            if parts and all(map(_fits, self.places, parts)):
                return dict(zip(self.places, parts, strict=True))
        return None

    def _forwards(self, rest: str) -> list[str] | None:
        parts = []
        for literal in self.literals[1:-1]:
            part, there, rest = rest.partition(literal)
            if not there:
                return None
            parts.append(part)
        return [*parts, rest]

    def _backwards(self, rest: str) -> list[str] | None:
        parts = []
        for literal in reversed(self.literals[1:-1]):
            rest, there, part = rest.rpartition(literal)
            if not there:
                return None
            parts.append(part)
        return [rest, *reversed(parts)]


def _fits(place: str, part: str) -> bool:
    """Only the places that the table says are of a kind ask for it; the others take anything."""
    kind = place.rpartition("/")[2]
    if kind == "count":
        return part.replace(",", "").isdecimal()
    return kind != "key" or part.partition(".")[0] in SECTIONS


@cache
def _templates(language: str, place: str) -> tuple[Template, ...]:
    """Every sentence with every choice of its parts, or those of a place; what fixes most of its words comes first."""
    sentences, parts = TABLES[language]
    made = [
        Template(*_taken_apart(english), chinese)
        for pair in (parts[place] if place else sentences).items()
        for english, chinese in _filled(*pair, parts)
    ]
    return tuple(sorted(made, key=lambda template: -sum(map(len, template.literals))))


def _filled(source: str, target: str, parts: dict[str, dict[str, str]], within: str = "") -> Iterator[tuple[str, str]]:
    """Both templates with the parts of every place put in; what such a part leaves open is named PLACE/NAME."""
    place = next((name for name in _places(source) if name in parts and name != within), None)
    if place is None:
        yield source, target
        return
    for english, chinese in parts[place].items():
        for inner in _filled(english, chinese, parts, within=place):
            first, second = (_put(whole, place, part) for whole, part in zip((source, target), inner, strict=True))
            yield from _filled(first, second, parts, within)


def _put(whole: str, place: str, part: str) -> str:
    named = "".join(
        literal.replace("{", "{{").replace("}", "}}") + ("" if name is None else f"{{{place}/{name}}}")
        for literal, name, _, _ in string.Formatter().parse(part)
    )
    return whole.replace(f"{{{place}}}", named)


def _places(template: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def _taken_apart(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    literals, places = [""], []
    for literal, name, _, _ in string.Formatter().parse(template):
        literals[-1] += literal
        if name is not None:
            places.append(name)
            literals.append("")
    return tuple(literals), tuple(places)

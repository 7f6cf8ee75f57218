"""What all importers share: values taken one by one, so that none is dropped without being named."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdlora.adapters.table import KINDS
from sdlora.errors import Problem
from sdlora.messages import say
from sdlora.settings import all_settings

NOTHING: tuple[Any, ...] = (None, "", False, [], {})
OPTIMIZERS = next(info.choices for info in all_settings() if info.key == "train.optimizer")


class Left(Exception):
    """Raised for a value that has no counterpart; the text says why."""


@dataclass
class Imported:
    """values: settings by key. asked: what was looked for. taken: (what the file says, what it became).

    left: (what the file says, why not).
    """

    tool: str
    values: dict[str, Any] = field(default_factory=dict)
    taken: list[tuple[str, str]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)  # (the file's key, the setting it can become)

    def refused(self, key: str, why: str) -> None:
        """A setting that was taken turned out to be impossible here."""
        value = self.values.pop(key, None)
        kept = [pair for pair in self.taken if not pair[1].startswith(f"{key} = ")]
        lost = [pair[0] for pair in self.taken if pair not in kept]
        self.taken = kept
        self.left.append((lost[0] if lost else f"{key} = {value!r}", why))

    def problems(self) -> list[Problem]:
        """What was not taken, as notes."""
        return [
            Problem(say("foreign.not_taken", said=said, why_not=why.rstrip(".")), fatal=False)
            for said, why in self.left
        ]

    def lines(self) -> list[str]:
        """The list for people: a line each."""
        return [
            say("terminal.taken_from", tool=self.tool),
            *(f"  {said} -> {became}" for said, became in self.taken),
            say("terminal.not_taken") if self.left else say("terminal.all_taken"),
            *(f"  {said}: {why}" for said, why in self.left),
        ]


class Reader:
    """Takes a tool's values one by one; ``finish`` names those that nobody asked for."""

    def __init__(self, tool: str, values: Mapping[str, Any], defaults: Mapping[str, Any]):
        self.found = Imported(tool)
        self.values = dict(values)
        self.defaults = dict(defaults)
        self.known: set[str] = set()

    def get(self, key: str) -> Any:
        """The value, the tool's own default where the file has none, else None; the key counts as seen."""
        self.known.add(key)
        value = self.values.get(key)
        return self.defaults.get(key) if value in (None, "") else value

    def take(self, key: str, setting: str, convert: Callable[[Any], Any] = lambda value: value) -> None:
        """``setting`` becomes what ``convert`` makes of the value; None from it changes nothing."""
        value = self.get(key)
        self.found.asked.append((key, setting))
        if value in (None, ""):
            return
        self.put(setting, value, self.said(key, value), convert)

    def put(self, setting: str, value: Any, said: str, convert: Callable[[Any], Any] = lambda value: value) -> None:
        """``setting`` becomes what ``convert`` makes of a value that no key alone holds. said: what the file says."""
        self.found.asked.append((said.split(" ")[0].rstrip(","), setting))
        try:
            made = convert(value)
        except Left as why:
            self.found.left.append((said, str(why)))
        except (ValueError, TypeError, KeyError, OverflowError):
            self.found.left.append((said, say("foreign.because_unreadable")))
        else:
            if made is not None:
                self.found.values[setting] = made
                self.found.taken.append((said, f"{setting} = {made!r}"))

    def leave(self, key: str, why: str) -> None:
        """Name the key's value, if it is anything, among what was not taken, and why."""
        self.known.add(key)
        if self.values.get(key) not in NOTHING:
            self.found.left.append((self.said(key, self.values[key]), why))

    def unless(self, key: str, same: Any, why: str) -> None:
        """Names what has a counterpart with one value only, where the file has another."""
        value = self.get(key)
        if value not in (None, "") and value != same and rate(value) != same:
            self.found.left.append((self.said(key, value), why))

    def ignore(self, *keys: str) -> None:
        """What has no bearing on the result, or is done here in any case."""
        self.known.update(keys)

    def finish(self, why: str = say("foreign.because_no_setting")) -> Imported:
        """Everything else that is switched on or filled in, by name."""
        for key, value in self.values.items():
            off = value in NOTHING or (isinstance(value, (int, float)) and value == 0) or value == "0"
            if key not in self.known and not off:
                self.found.left.append((self.said(key, value), why))
        return self.found

    def said(self, key: str, value: Any) -> str:
        """The key and its value as people read them: "key = value", long ones shortened."""
        shown = repr(value)
        value = f"{key} = {shown if len(shown) < 100 else shown[:97] + '...'}"
        set_there = self.values.get(key) not in (None, "")
        return value if set_there else say("foreign.said_default", value=value, tool=self.found.tool)


# ---- conversions


def only_kinds() -> str:
    """Why another kind of adapter was left: which are trained here."""
    return say("foreign.because_other_kind", kinds=", ".join(kind.title for kind in KINDS.values()))


def rate(value: Any) -> float:
    """A learning rate; 0 for what is none, as for one that is not set."""
    try:
        return finite_number(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def finite_number(value: Any) -> float:
    """A finite number, given as one or as text."""
    made = float(value)
    if isinstance(value, bool) or not math.isfinite(made):
        raise ValueError(value)
    return made


def whole(value: Any) -> int:
    """A whole number, given as one or as text."""
    made = finite_number(value)
    if made != int(made):
        raise ValueError(value)
    return int(made)


def yes(value: Any) -> bool:
    """True or false, given as such, as 0 and 1 or as text."""
    if isinstance(value, str):
        return {"true": True, "false": False, "1": True, "0": False}[value.strip().lower()]
    return bool(value)


def side(value: Any) -> int:
    """The side of a square of equal area, in steps of 64, of "512", 512, "512,768" or [512, 768]."""
    parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
    sides = [finite_number(part) for part in parts]
    if not 1 <= len(sides) <= 2:
        raise Left(say("foreign.because_one_resolution"))
    return whole(sides[0]) if len(set(sides)) == 1 else max(64, round(math.sqrt(sides[0] * sides[1]) / 64) * 64)

"""Settings that earlier versions had under another name: files, flags and drafts that have it are still read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Renamed:
    """key: today's name. values: what an old value is called today; others stay as they are."""

    key: str
    values: Mapping[Any, Any]


# Old name -> today's. All of these were switches.
RENAMED: dict[str, Renamed] = {
    "adapter.dora": Renamed("adapter.kind", {True: "dora", False: "lora"}),
}


def named_as_today(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of {"adapter.rank": 8} with today's names; where both are given, today's counts."""
    found = {}
    for key, value in values.items():
        renamed = RENAMED.get(key)
        if renamed is None:
            found[key] = value
        elif renamed.key not in values:
            found[renamed.key] = renamed.values.get(value, value) if isinstance(value, bool) else value
    return found


def sections_as_today(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested values, {"adapter": {"rank": 8}}, with today's names."""
    found = {}
    for section, own in values.items():
        if isinstance(own, dict):
            flat = named_as_today({f"{section}.{name}": value for name, value in own.items()})
            found[section] = {key.removeprefix(f"{section}."): value for key, value in flat.items()}
        else:
            found[section] = own
    return found

"""The fragments that a page is filled with: each is made only when its mark says that it has changed."""

import hashlib
from collections.abc import Callable
from typing import Any

Fragment = tuple[Any, Callable[[], Any]]  # (a mark that changes when the fragment does, what makes the fragment)


def news(made: dict[str, Fragment], seen: dict[str, str] | None) -> tuple[dict[str, Any], dict[str, str]]:
    """(the fragments that the visitor does not have yet, what the visitor has then)."""
    marks = {name: digest(mark) for name, (mark, _) in made.items()}
    old = seen if isinstance(seen, dict) else {}
    return {name: make() for name, (_, make) in made.items() if old.get(name) != marks[name]}, marks


def digest(mark: Any) -> str:
    """A short text that is the same for the same mark."""
    return hashlib.blake2s(repr(mark).encode("utf-8", "replace"), digest_size=8).hexdigest()

"""Paths as people paste them. The standard library only."""

import re

QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`"}
UNSEEN = (
    "\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2069\ufeff"  # Windows puts U+202A before what it shows in Properties
)


def tidy_path(typed: str) -> str:
    """A path without the blanks and quotes around it that file managers and chats add; anything else stays."""
    path = typed.strip(UNSEEN + " \t\r\n\u00a0\u3000")
    while len(path) > 1 and QUOTES.get(path[0]) == path[-1]:
        path = path[1:-1].strip(UNSEEN + " \t\r\n\u00a0\u3000")
    return path


def last_part(path: str) -> str:
    """The last part of a path in any system's spelling; a mere name stays as it is."""
    parts = [part for part in re.split(r"[\\/]+", str(path).strip()) if part]
    return parts[-1] if parts else ""


def tidy_entry(typed: str) -> str:
    """A FILE=STRENGTH without such blanks and quotes; the file alone may be quoted."""
    entry = tidy_path(typed)
    apart = re.fullmatch(r"(.+)(=\s*[-+.\de]+)", entry, flags=re.IGNORECASE | re.DOTALL)
    return tidy_path(apart[1]) + apart[2] if apart else entry

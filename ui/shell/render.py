"""The page's HTML. Whatever a person, a file or a run can have put into a text goes through ``html.escape``."""

import html

from sdlora.errors import Problem
from ui import text, translate

THUMB, LARGE = 256, 1024  # pixels
SHOWN_PROBLEMS = 12


def escape(words: str) -> str:
    """Text for HTML; the mark of a sentence of our own stays one, for the browser to put the sentence in."""
    return words if text.MARK.fullmatch(words) else html.escape(words)


def header() -> str:
    """The page's title."""
    return f"<h1>{text.TITLE}</h1>"


def checks(problems: list[Problem]) -> str:
    """What stands in the way of a start, and what only deserves a look; all at once."""
    rows = [("", text.ALL_GOOD)] if not problems else []
    ordered = sorted(problems, key=lambda p: not p.fatal)
    for problem in ordered[:SHOWN_PROBLEMS]:
        kind, title = ("fatal", text.FATAL) if problem.fatal else ("warning", text.WARNING)
        rows.append((kind, f"{title}: {translate.problem(problem)}"))
    if len(ordered) > SHOWN_PROBLEMS:
        rows.append(("warning", text.more_problems(len(ordered) - SHOWN_PROBLEMS)))
    items = "".join(f'<li class="{kind}">{escape(words)}</li>' for kind, words in rows)
    return f'<section class="card"><h3>{text.CHECKS}</h3><ul class="checks">{items}</ul></section>'


def note(words: str) -> str:
    """A quiet paragraph."""
    return f'<p class="note">{escape(words)}</p>'


def closable(html: str, clears: str) -> str:
    """A message with a button that closes it. clears: the id of the hidden button that empties where it stands."""
    cross = f'<button type="button" class="cross" data-clears="{clears}" aria-label="{text.CLOSE_MESSAGE}">✕</button>'
    return f'<div class="closable"><div>{html}</div>{cross}</div>'


def notes(problems: list[Problem]) -> str:
    """Notes on a folder, a few at a time."""
    if not problems:
        return ""
    rows = [translate.problem(p) for p in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        rows.append(text.more_problems(len(problems) - SHOWN_PROBLEMS))
    return '<ul class="checks">' + "".join(f'<li class="warning">{escape(row)}</li>' for row in rows) + "</ul>"


def strength(value: float | str) -> str:
    """What the LoRA acts with; ``value`` may be the name of a value that the browser puts in."""
    shown = value if isinstance(value, str) else text.compact(value)
    return f'<p class="strength">{text.STRENGTH}<b>{shown}</b></p>'


def no_runs() -> str:
    """What stands where runs would be, as long as there are none."""
    return f'<section class="card"><p class="note">{text.NO_RUNS}</p></section>'


def plain(words: str) -> str:
    """For toasts, which read HTML."""
    return escape(words)

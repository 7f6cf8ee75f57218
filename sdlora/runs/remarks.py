"""What a person says of a run: a name, a note, a rating. The trainer neither reads nor writes it. No torch.

<run>/remarks.toml
  name = "cat, second try"      shown in place of the folder's name, which stays
  rating = 4                    1 to 5; 0 for none
  note = "eyes too blue"
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tomlkit

from sdlora.errors import UserError, explain
from sdlora.files.intact import write_atomically
from sdlora.files.regular import read_regular
from sdlora.messages import say
from sdlora.settings.toml import parse

FILE = "remarks.toml"
BEST = 5
LONGEST_NAME, LONGEST_NOTE = 120, 20_000  # characters
_LARGEST = 8 * LONGEST_NOTE  # bytes of a file that is read


@dataclass(frozen=True)
class Remarks:
    """name: one line, at most 120 characters. rating: 1 to ``BEST``; 0 for none. note: at most 20,000 characters."""

    name: str = ""
    rating: int = 0
    note: str = ""

    def __bool__(self) -> bool:
        return self != Remarks()


def remarks_of(run_folder: Path | str) -> Remarks:
    """What is said of a run. What can't be read, or is not what it should be, counts as not said."""
    try:
        told = parse(read_regular(Path(run_folder) / FILE, _LARGEST).decode("utf-8-sig"))
    except (OSError, ValueError):
        return Remarks()
    name, rating, note = told.get("name"), told.get("rating"), told.get("note")
    return Remarks(
        _line(name)[:LONGEST_NAME] if isinstance(name, str) else "",
        rating if type(rating) is int and 0 <= rating <= BEST else 0,
        _text(note)[:LONGEST_NOTE] if isinstance(note, str) else "",
    )


def remark(
    run_folder: Path | str, name: str | None = None, rating: int | None = None, note: str | None = None
) -> Remarks:
    """Say something of a run, also while it trains; what is None stays as it was. Returns all that is said then.

    UserError for a rating that is none, for what is too long, and if the file can't be written.
    """
    said = remarks_of(run_folder)
    if name is not None:
        said = replace(said, name=_line(name))
    if rating is not None:
        said = replace(said, rating=rating)
    if note is not None:
        said = replace(said, note=_text(note))
    if type(said.rating) is not int or not 0 <= said.rating <= BEST:
        raise UserError(say("runs.rating_odd", rating=said.rating, best=BEST), where="rating")
    if len(said.name) > LONGEST_NAME:
        raise UserError(say("runs.name_too_long", length=len(said.name), limit=LONGEST_NAME), where="name")
    if len(said.note) > LONGEST_NOTE:
        raise UserError(say("runs.note_too_long", length=len(said.note), limit=LONGEST_NOTE), where="note")
    path = Path(run_folder) / FILE
    try:
        write_atomically(path, _written(said)) if said else path.unlink(missing_ok=True)
    except OSError as error:
        raise explain(error) from error
    return said


def _written(said: Remarks) -> str:
    """As people read it: a note of several lines over several lines."""
    document = tomlkit.document()
    for key, value in asdict(said).items():
        lines = isinstance(value, str) and "\n" in value
        document[key] = tomlkit.string(value, multiline=True) if lines else value
    return tomlkit.dumps(document)


def _line(typed: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in _sound(typed)).split())


def _text(typed: str) -> str:
    """Line ends as ``\\n``; no other control characters."""
    lines = _sound(typed).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in lines if c in "\n\t" or ord(c) >= 32 and ord(c) != 127).strip()


def _sound(typed: str) -> str:
    """Without halves of characters, which no file can hold."""
    return typed.encode("utf-8", "replace").decode("utf-8")

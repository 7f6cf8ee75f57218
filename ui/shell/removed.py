"""What was taken out of the queue last, so that it can be put back: ``runs/.queue/removed.json``."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sdlora.files.intact import Damaged, read_json, write_json

LASTS = 3600.0  # seconds for which it is offered


@dataclass(frozen=True)
class Removal:
    """kind, name: of the entry. at: its place among the waiting runs, from 0. binned: its name in the bin, or ""."""

    kind: str
    name: str
    at: int
    binned: str
    when: float


class LastRemoval:
    """The file of one queue; whoever writes it holds the queue's lock."""

    def __init__(self, folder: Path):
        self._file = folder / "removed.json"
        self._known: tuple[object, Removal | None] = (None, None)

    def keep(self, kind: str, name: str, at: int, binned: str) -> None:
        """Remember it in place of what was removed before. OSError."""
        write_json(self._file, asdict(Removal(kind, name, at, binned, time.time())))

    def forget(self) -> None:
        """There is nothing to put back any more."""
        self._file.unlink(missing_ok=True)

    def read(self) -> Removal | None:
        """What can be put back; None if there is nothing, or if it is long ago."""
        try:
            stat = self._file.stat()
        except OSError:
            return None
        mark = (stat.st_mtime_ns, stat.st_ino)
        if self._known[0] != mark:
            self._known = (mark, self._parsed())
        found = self._known[1]
        return found if found and 0 <= time.time() - found.when < LASTS else None

    def _parsed(self) -> Removal | None:
        try:
            told = Removal(**read_json(self._file))
            sound = [isinstance(told.at, int), isinstance(told.when, (int, float))]
            sound += [isinstance(word, str) for word in (told.kind, told.name, told.binned)]
        except (OSError, Damaged, TypeError):
            return None
        return told if all(sound) else None

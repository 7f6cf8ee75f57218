"""Captions by a model in the background: `sdlora caption` as a task; what was asked is kept until it is done."""

import json
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sdlora.captioners import CAPTIONERS, Options
from sdlora.captioners.server import USUAL, is_local
from sdlora.data import CACHE_FOLDER
from sdlora.errors import UserError
from sdlora.files.intact import read_json, write_json
from sdlora.settings.numbers import plain_number
from ui import text
from ui.background.task import Task, TaskState
from ui.shell.place import Place

KEPT = "captioning.json"
MODES = ("skip", "append", "replace")
LONGEST = 2000  # characters that are typed into a field


@dataclass(frozen=True)
class Asked:
    """What a visitor has asked for, as typed; whatever was sent. names: of images, none for all."""

    captioner: str = "server"
    model: str = ""
    revision: str = ""
    server: str = USUAL
    prompt: str = ""
    mode: str = "skip"
    without: str = ""
    threshold: str = str(Options.threshold)
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Any) -> "Asked":
        """From values by name, of a form or a file; anything that is no text is left out."""
        values = values if isinstance(values, dict) else {}
        given = {f.name: values[f.name][:LONGEST] for f in fields(cls) if isinstance(values.get(f.name), str)}
        names = values.get("names")
        return cls(**given, names=tuple(filter(_is_text, names)) if isinstance(names, (list, tuple)) else ())

    def flags(self, place: Place) -> list[str]:
        """The command's flags. UserError for what this page does not do."""
        if self.captioner not in CAPTIONERS or self.mode not in MODES:
            raise UserError(text.CAPTIONER_UNKNOWN)
        runs_here = CAPTIONERS[self.captioner].places == "model"
        if runs_here and not (self.model.strip() and place.allows("model.base", self.model)):
            raise UserError(text.CAPTIONER_NEEDS_MODEL)
        if not runs_here and not is_local(self.server):
            raise UserError(text.CAPTIONER_NOT_LOCAL)
        least = plain_number(self.threshold)
        try:
            sound = 0 <= float(least) <= 1
        except ValueError:
            sound = False
        if not sound:
            raise UserError(text.CAPTIONER_THRESHOLD)
        told = {"with": self.captioner, "model": self.model.strip(), "revision": self.revision.strip()}
        told |= {"prompt": self.prompt, "mode": self.mode, "without": self.without, "threshold": least}
        told |= {} if runs_here else {"server": self.server.strip()}
        return [f"--{name}={value}" for name, value in told.items() if value]


def _is_text(name: Any) -> bool:
    return isinstance(name, str)


class CaptionJob:
    """One job at a time, shared by all pages. Thread-safe."""

    def __init__(self, place: Place, parent: Path | None = None):
        """parent: where the task's folder lies while it runs."""
        self.place, self._task = place, Task("caption", parent)

    def state(self) -> TaskState | None:
        """The job that runs or ended last; its first argument is the folder."""
        return self._task.state()

    def works_on(self, folder: Path) -> bool:
        """Is it at this folder?"""
        state = self.state()
        return bool(state and state.runs and state.arguments[0] == str(folder))

    def start(self, folder: Path, asked: Asked) -> bool:
        """Begin; False if it is at work already. UserError for what can't be begun."""
        flags = asked.flags(self.place)
        names = {"names.json": json.dumps(list(asked.names))} if asked.names else {}
        if self._task.running:
            return False
        self._keep(folder, asked)
        return self._task.start(str(folder), *flags, files=names, ended=self._ended)

    def stop(self) -> None:
        """End it; what has come is written first."""
        self._task.stop()

    def wait(self, seconds: float) -> None:
        """Wait for its end, so many seconds at most."""
        self._task.wait(seconds)

    def left(self, folder: Path) -> Asked | None:
        """What was asked of this folder and not done to its end, by this server or one before."""
        if self.works_on(folder):
            return None
        try:
            return Asked.of(read_json(folder / CACHE_FOLDER / KEPT, digest=False))
        except (OSError, ValueError, RecursionError):
            return None

    def _keep(self, folder: Path, asked: Asked) -> None:
        try:
            path = folder / CACHE_FOLDER / KEPT
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, asdict(asked))
        except OSError as error:
            print(error, file=sys.stderr)  # a full disk: it can't be gone on with later, that is all

    def _ended(self, state: TaskState) -> None:
        if "report" in state.reported and not state.stopped:
            try:
                (Path(state.arguments[0]) / CACHE_FOLDER / KEPT).unlink(missing_ok=True)
            except OSError as error:
                print(error, file=sys.stderr)

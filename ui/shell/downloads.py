"""Base models that are not on this computer yet: what to say of them, and `sdlora download` in the background."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdlora.errors import Problem
from ui import text, translate
from ui.background.task import Task

HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Download:
    """One hub id on its way. done, of: bytes. problem: why it failed, in the command's words."""

    base: str
    done: int = 0
    of: int = 0
    runs: bool = True
    failed: bool = False
    problem: str = ""

    def words(self) -> str:
        """A sentence on how it stands."""
        if self.failed:
            return translate.message(self.problem) if self.problem else text.DOWNLOAD_SILENT
        if not self.runs:
            return text.DOWNLOADED.format(base=self.base)
        far = text.DOWNLOAD_FAR.format(done=text.size(self.done), of=text.size(self.of)) if self.of else ""
        return text.DOWNLOADING.format(base=self.base) + far


class Downloads:
    """One download at a time, shared by all pages. What came before a server's end stays and is gone on from."""

    def __init__(self) -> None:
        self._task = Task("download")

    @property
    def running(self) -> bool:
        """Is a download in progress?"""
        return self._task.running

    @property
    def latest(self) -> Download | None:
        """The one that runs or ended last."""
        state = self._task.state()
        if state is None:
            return None
        done, of = (_count(state.reported.get(key)) for key in ("done", "of"))
        return Download(state.arguments[0], done, of, state.runs, state.failed, state.problem)

    def start(self, base: str, revision: str) -> bool:
        """Download in the background; False if this is no hub id or another one is on its way."""
        return bool(HUB_ID.fullmatch(base)) and self._task.start(base, revision)


def _count(bytes_: Any) -> int:
    return bytes_ if isinstance(bytes_, int) else 0


# ---- in the checks


def missing(base: str, problems: list[Problem]) -> str:
    """The hub id, if the base model is one that has to be downloaded first; else ""."""
    if not any(p.where == "model.base" for p in problems) or not HUB_ID.fullmatch(base) or _exists(base):
        return ""
    taken_down = any("taken down" in p.what for p in problems)  # then downloading is no advice
    return "" if taken_down else base


def explain_missing(base: str, problems: list[Problem]) -> list[Problem]:
    """The problems, with one in the place of those of a base model that is not here."""
    if not missing(base, problems):
        return problems
    say = Problem(text.NOT_HERE_YET.format(base=base), text.NOT_HERE_FIX, "model.base")
    return [say, *(p for p in problems if p.where != "model.base")]


def _exists(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False

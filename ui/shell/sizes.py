"""How much of the disk the runs take, and what is free: looked at now and then, shared by all pages."""

import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sdlora.runs.bin import binned, bytes_in
from ui.shell.view import RunView

FRESH = 15.0  # seconds that a finding is good; what the page itself does is looked at at once


@dataclass(frozen=True)
class Used:
    """runs, binned: bytes by the folder's name. free: bytes; None where the system does not say."""

    runs: dict[str, int]
    binned: dict[str, int]
    free: int | None

    @property
    def total(self) -> int:
        """Bytes of the runs that are not in the bin."""
        return sum(self.runs.values())

    @property
    def in_bin(self) -> int:
        """Bytes of the runs in the bin."""
        return sum(self.binned.values())


class Sizes:
    """The sizes of one runs folder. Thread-safe. A run that has ended is measured once for each change of its files."""

    def __init__(self, root: Path):
        self.root = root
        self._lock = threading.Lock()
        self._found: tuple[float, tuple, Used] = (-1e9, (), Used({}, {}, None))
        self._binned: dict[str, int] = {}

    def look(self, views: Iterable[RunView]) -> Used:
        """What is used now; at most ``FRESH`` seconds old, unless a run has come or gone."""
        views = list(views)
        with self._lock:
            when, names, used = self._found
            now, there = time.monotonic(), (*(view.folder.name for view in views), _changed(self.root / ".bin"))
            if now - when >= FRESH or there != names:
                used = self._measured(views)
                self._found = (now, there, used)
            return used

    def forget(self) -> None:
        """Look again the next time."""
        with self._lock:
            self._found = (-1e9, (), self._found[2])

    def _measured(self, views: list[RunView]) -> Used:
        runs = {view.folder.name: view.remember(_bytes_of) for view in views}
        self._binned = {run.name: self._binned.get(run.name) or bytes_in(run.folder) for run in binned(self.root)}
        try:
            free = shutil.disk_usage(self.root).free
        except OSError:
            free = None
        return Used(runs, dict(self._binned), free)


def _bytes_of(view: RunView) -> int:
    return bytes_in(view.folder)


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0

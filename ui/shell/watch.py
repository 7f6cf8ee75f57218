"""All runs of one folder, watched once for all open pages."""

import math
import threading
import time
from pathlib import Path
from typing import Any

from sdlora.runs.run import Run, list_runs
from ui.shell.queue import Current, Queue
from ui.shell.view import RunView

LIVE = ("starting", "loading", "running", "pausing", "paused", "stopping")
FRESH = 0.3  # seconds that a finding is shared by all pages
QUIET = 1.5  # the same for runs that have ended
SETTLED = 3.0  # seconds after a change of the runs folder until its list is taken as complete


class Watch:
    """Run views and states, refreshed when asked and at most every ``FRESH`` seconds. Thread-safe.

    A run that has ended costs one ``stat`` every ``QUIET`` seconds: whoever goes on with it writes an event first.
    """

    def __init__(self, root: Path, queue: Queue):
        self.root, self.queue, self.trainers = root, queue, queue.trainers
        self.rounds = 0  # grows with every look
        self.shared: dict[Any, Any] = {}  # what pages have worked out since the last look, by their own keys
        self._views: dict[str, RunView] = {}
        self._states: dict[str, str] = {}
        self._order: tuple[str, ...] = ()
        self._quiet_until: dict[str, float] = {}
        self._listed: tuple[int, float] = (0, -1e9)  # change of the runs folder, when that was seen first
        self._read = -1e9
        self._lock = threading.RLock()

    def refresh(self, force: bool = False) -> None:
        """Look at the disk again if the last look is old."""
        with self._lock:
            now = time.monotonic()
            if not force and now - self._read < FRESH:
                return
            self._read = now
            self.rounds += 1
            self.shared.clear()
            self._list(now, force)
            current, waiting = self.queue.current(), [e.name for e in self.queue.waiting() if e.trains]
            for name, view in self._views.items():
                self._look(name, view, current, name in waiting, now, force)
            self._order = self._sorted(waiting)

    def _list(self, now: float, force: bool) -> None:
        try:
            changed = self.root.stat().st_mtime_ns
        except OSError:
            changed = 0
        if changed != self._listed[0]:
            self._listed = (changed, now)
        if force or now - self._listed[1] < SETTLED:
            runs = list_runs(self.root)
            self._views = {run.name: self._views.get(run.name) or RunView(run.folder) for run in runs}
            self._states = {name: state for name, state in self._states.items() if name in self._views}

    def _look(self, name: str, view: RunView, current: Current | None, waits: bool, now: float, force: bool) -> None:
        known = self._states.get(name)
        taken = current if current and current.entry.trains and current.entry.name == name else None
        active = known in LIVE or known == "waiting" or taken or waits
        if known and not active and not force and now < self._quiet_until.get(name, 0):
            return
        self._quiet_until[name] = now + QUIET
        changed = view.update()
        alive = Run(view.folder).alive() if changed or active or force or known is None else False
        if not alive and known in LIVE:
            view.update()  # the last words, written between the two looks
        starting = bool(taken) and not _has_spoken(view, taken)
        self._states[name] = "waiting" if waits and not alive else view.state(alive, starting)

    def _sorted(self, waiting: list[str]) -> tuple[str, ...]:
        """Runs that train, then those that wait, in their order, then the others, newest first."""
        live = [name for name in self._views if self._states[name] in LIVE]
        queued = [name for name in waiting if self._states.get(name) == "waiting"]
        return (*live, *queued, *(n for n in self._views if n not in live and n not in queued))

    def names(self) -> tuple[str, ...]:
        """All runs: the live one, those that wait in their order, the others newest first."""
        return self._order

    def get(self, name: str | None) -> tuple[RunView, str] | None:
        """(view, state) of the run by that folder name, if there is one."""
        view = self._views.get(name or "")
        state = self._states.get(view.folder.name) if view else None
        return (view, state) if view and state else None

    def live(self) -> str | None:
        """The newest run that is training, if any."""
        return next((name for name in self._order if self._states.get(name) in LIVE), None)

    def waiting(self) -> list[str]:
        """The names of the runs that wait, in their order."""
        return [name for name in self._order if self._states.get(name) == "waiting"]


def _has_spoken(view: RunView, taken: Current) -> bool:
    """Has this trainer, not one before it, written an event?"""
    return not math.isnan(view.last_time) and view.last_time > taken.process.born > 0

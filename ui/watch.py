"""All runs of one folder, watched once for all open pages."""

import threading
import time
from pathlib import Path

from sdlora.run import Run, list_runs
from ui.process import Trainers
from ui.view import RunView

LIVE = ("starting", "running", "pausing", "paused", "stopping")
FRESH = 0.5  # seconds that a finding is shared by all pages
QUIET = 5.0  # the same for the lock of runs that have ended


class Watch:
    """Run views and states, refreshed when asked and at most every ``FRESH`` seconds. Thread-safe."""

    def __init__(self, root: Path, trainers: Trainers):
        self.root, self.trainers = root, trainers
        self._views: dict[str, RunView] = {}
        self._states: dict[str, str] = {}
        self._alive: dict[str, tuple[float, bool]] = {}
        self._read = -1e9
        self._lock = threading.RLock()

    def refresh(self, force: bool = False) -> None:
        """Look at the disk again if the last look is old."""
        with self._lock:
            now = time.monotonic()
            if not force and now - self._read < FRESH:
                return
            self._read = now
            found = {run.name: run for run in list_runs(self.root)}
            self._views = {n: self._views.get(n) or RunView(r.folder) for n, r in found.items()}
            for name, view in self._views.items():
                changed = view.update()
                starting = self.trainers.starting(name)
                active = changed or starting or self._states.get(name) in LIVE
                alive = self._is_alive(found[name], now, 0 if force else FRESH if active else QUIET)
                if not alive and not starting and self._states.get(name) in LIVE:
                    view.update()  # the last words, written between the two looks
                self._states[name] = view.state(alive, starting)

    def _is_alive(self, run: Run, now: float, age: float) -> bool:
        looked, alive = self._alive.get(run.name, (-1e9, False))
        if now - looked >= age:
            alive = run.alive()
            self._alive[run.name] = (now, alive)
        return alive

    def names(self) -> list[str]:
        """All runs, newest first."""
        return list(self._views)

    def get(self, name: str | None) -> tuple[RunView, str] | None:
        """(view, state) of the run by that folder name, if there is one."""
        view = self._views.get(name or "")
        return (view, self._states[view.folder.name]) if view else None

    def live(self) -> str | None:
        """The newest run that is training, if any."""
        return next((name for name in self._views if self._states.get(name) in LIVE), None)

    def busy(self) -> str | None:
        """As ``live``, looked up this moment: for the answer to a click. Gives the name as people know it."""
        self.refresh(force=True)
        name = self.live()
        return self._views[name].name if name else None

"""Events in, what the page shows out. Reads a run folder piece by piece and keeps the little that is displayed."""

import math
import os
import re
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sdlora.errors import UserError
from sdlora.events import (
    Event,
    Finished,
    Paused,
    Progress,
    Sampled,
    Saved,
    Started,
    StepDone,
    Stopping,
    Validated,
    Warned,
    from_line,
)
from sdlora.files.regular import open_regular
from sdlora.runs.origin import Origin, origin_of
from sdlora.runs.pictures import KEPT, kept_steps
from sdlora.runs.remarks import FILE as REMARKS
from sdlora.runs.remarks import Remarks, remarks_of
from sdlora.runs.run import Run
from sdlora.settings import Settings, load_settings
from ui import text

MAX_POINTS = 500  # points of the loss chart; more only costs bandwidth
PACE_WINDOW = 20  # steps that the speed is averaged over
PIECE = 1 << 18  # bytes of events read at once
LOG_BYTES = 32_000
LOG_LINES = 200
EXPORTED = r"-(\d+)(?:-(?:kohya|diffusers))?(?:-(?:fp16|bf16|fp32))?$"  # the end of an exported file's name


class LossSeries:
    """Mean loss in equally wide buckets of steps; the width doubles whenever there would be over ``limit`` of them.

    Memory and drawing stay bounded for a run of any length, and adding a step costs O(1) on average.
    """

    def __init__(self, limit: int = MAX_POINTS):
        self.limit = limit
        self.width = 1
        self._buckets: dict[int, tuple[float, int]] = {}  # (step - 1) // width -> (sum, count)

    def add(self, step: int, loss: float) -> None:
        """Take in the loss of a step; one that is not finite is passed over."""
        if not math.isfinite(loss):
            return
        self._put((step - 1) // self.width, loss, 1)
        while len(self._buckets) > self.limit:
            old, self._buckets, self.width = self._buckets, {}, self.width * 2
            for index, (total, count) in old.items():
                self._put(index // 2, total, count)

    def _put(self, index: int, total: float, count: int) -> None:
        before, n = self._buckets.get(index, (0.0, 0))
        self._buckets[index] = (before + total, n + count)

    def forget_after(self, step: int) -> None:
        """Drop what comes after ``step``: a resumed run does those steps again."""
        self._buckets = {i: b for i, b in self._buckets.items() if i * self.width < step}

    def points(self) -> list[tuple[int, float]]:
        """(last step of the bucket, mean loss), in order; at most ``limit``."""
        return [((i + 1) * self.width, total / n) for i, (total, n) in sorted(self._buckets.items())]


def smooth(values: Iterable[float], factor: float = 0.9) -> list[float]:
    """Exponential running average without the start-up bias (as in Adam): the first value is itself."""
    smoothed, average, weight = [], 0.0, 0.0
    for value in values:
        average = factor * average + (1 - factor) * value
        weight = factor * weight + (1 - factor)
        smoothed.append(average / weight)
    return smoothed


class RunView:
    """One run folder as the page shows it. ``update`` reads only what was appended since the last call."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self._settings: Settings | None = None
        self._kept: tuple[int, list[int]] = (0, [])
        self._remembered: dict[Any, tuple[Any, Any]] = {}
        self._said: tuple[int, Remarks] = (0, Remarks())
        self.unfinished = 0  # counts the answers that could not show all pictures yet
        self._forget()

    def _forget(self) -> None:
        self._offset, self._torn = 0, b""
        self.lines_read = 0
        self.version = 0  # grows with every event: what the page has sent, compared with this, says what is new
        self.step = self.steps = self.images = self.trainable = self.file_size = self.memory = 0
        self.device = ""
        self.loss = self.check = math.nan  # of the last step; of the last validation
        self.losses = LossSeries()
        self.checks = LossSeries()  # of images that are held out, where the trainer measures it
        self.trained = LossSeries()  # the same of training images, where others are held out
        self.drifts = LossSeries()
        self.progress: Progress | None = None
        self.begun = False  # has this trainer loaded the model and begun to train?
        self.stopping = False  # has it taken up a stop?
        self.samples: dict[int, list[str]] = {}  # step -> files
        self.saved: list[Saved] = []
        self.warnings: list[str] = []
        self.paused = False
        self.finished: Finished | None = None
        self.started_at = self.last_time = math.nan
        self._seconds: deque[float] = deque(maxlen=PACE_WINDOW)

    # ---- reading

    def update(self) -> bool:
        """Take in what was appended; True if there was an event. A missing or torn file is no error."""
        path, before = self.folder / "events.jsonl", self.version
        try:
            size = path.stat().st_size
            if size == self._offset:
                return False
            if size < self._offset:  # replaced by a shorter file: begin again
                self._forget()
                before = -1
            with open_regular(path) as file:
                file.seek(self._offset)
                while data := file.read(PIECE):  # a long run's events are never in memory all at once
                    self._offset += len(data)
                    self._read(data)
        except OSError:
            return self.version != before
        return self.version != before

    def _read(self, data: bytes) -> None:
        *lines, self._torn = (self._torn + data).split(b"\n")
        for line in lines:
            self.lines_read += 1
            parsed = from_line(line.decode("utf-8", errors="replace"))
            if parsed and _sound(parsed[1]):
                self._take(*parsed)

    def _take(self, time: float, event: Event) -> None:
        self.version += 1
        self.last_time = time
        if not isinstance(event, (Progress, Warned)):
            self.progress = None
        match event:
            case Started():
                self._start(time, event)
            case Progress():
                self.progress = event if event.done < event.of else None
                if event.what == "start":  # another trainer goes on with the run
                    self.begun, self.stopping, self.paused, self.finished = False, False, False, None
            case StepDone():
                self.step, self.loss, self.memory = event.step, event.loss, event.memory
                self.losses.add(event.step, event.loss)
                if math.isfinite(event.seconds) and event.seconds > 0:
                    self._seconds.append(event.seconds)
            case Validated():
                step = max(event.step, 1)
                self.checks.add(step, event.loss)
                self.trained.add(step, event.training)
                self.drifts.add(step, event.drift)
                self.check = event.loss
            case Sampled():
                self.samples[event.step] = list(event.files)
                if len(self.samples) > KEPT:  # as the trainer keeps them
                    self.samples = {step: self.samples[step] for step in kept_steps(list(self.samples))}
            case Saved():
                self.saved = [s for s in self.saved if s.path != event.path] + [event]
            case Warned():
                self.warnings.append(event.text)
            case Paused():
                self.paused = event.on
            case Stopping():
                self.stopping = True
            case Finished():
                self.finished, self.step = event, max(event.step, 0)

    def _start(self, time: float, event: Started) -> None:
        self.step, self.steps, self.images = event.step, event.steps, event.images
        self.trainable, self.file_size, self.device = event.trainable, event.file_size, event.device
        self.finished, self.paused, self.begun, self.stopping = None, False, True, False
        self.losses.forget_after(event.step)
        for series in (self.checks, self.trained, self.drifts):
            series.forget_after(event.step)
        self.samples = {step: files for step, files in self.samples.items() if step <= event.step}
        self._seconds.clear()
        if math.isnan(self.started_at):
            self.started_at = time

    # ---- what is shown

    @property
    def settings(self) -> Settings:
        """The run's settings; the defaults where its file can't be read."""
        if self._settings is None:
            try:
                self._settings = load_settings(self.folder / "settings.toml")
            except UserError:
                self._settings = Settings()
        return self._settings

    @cached_property
    def origin(self) -> Origin | None:
        """The run and step that this one started from; None for its own beginning."""
        return origin_of(self.folder)

    @property
    def name(self) -> str:
        """What the run is called: by a person, else its folder's name without the time in front of it."""
        return self.remarks.name or strip_time(self.folder.name)

    @property
    def remarks(self) -> Remarks:
        """What a person says of the run; read again when the file has changed."""
        mark = _changed(self.folder / REMARKS)
        if self._said[0] != mark:
            self._said = (mark, remarks_of(self.folder) if mark else Remarks())
        return self._said[1]

    @property
    def when(self) -> str:
        """The start as "21 Nov 15:32", from the folder's name; empty if it has none."""
        try:
            return text.moment(datetime.strptime(self.folder.name[:15], "%Y-%m-%d_%H%M"))
        except ValueError:
            return ""

    @property
    def seconds_per_step(self) -> float | None:
        """Mean time of the latest steps; None before there are any."""
        return sum(self._seconds) / len(self._seconds) if self._seconds else None

    @property
    def seconds_left(self) -> float | None:
        """Time for the steps that are left, at the pace of the latest ones; None if unknown."""
        pace = self.seconds_per_step
        return None if pace is None or not self.steps else max(self.steps - self.step, 0) * pace

    def state(self, alive: bool, starting: bool = False) -> str:
        """A key of ``text.STATES``: the folder decides; ``starting`` is for a trainer that has not spoken yet."""
        if alive:
            if self.stopping or self._asked("stop"):
                return "stopping"
            if self.paused:
                return "paused" if self._asked("pause") else "running"
            going = "running" if self.begun else "loading"
            return "pausing" if self._asked("pause") else going
        if starting:
            return "starting"
        if self.finished:
            return self.finished.why if self.finished.why in ("done", "stopped", "failed") else "failed"
        return "interrupted" if self.version else "new"

    @property
    def stop_taken(self) -> bool:
        """Has the trainer seen the stop that was asked for? Until then the step goes on."""
        return self.stopping or not self._asked("stop")

    def _asked(self, what: str) -> bool:
        return (self.folder / "control" / what).exists()

    def sample_grid(self, columns: int = 8) -> tuple[list[int], list[tuple[str, list[Path | None]]]]:
        """(steps, [(prompt, one file per step or None)]): first and last step always, evenly thinned between.

        columns: at most so many steps; 0 for all.
        """
        steps = sorted(self.samples)
        steps = thin(steps, columns) if columns else steps
        prompts = self.settings.sample.prompts
        rows = max((len(self.samples[s]) for s in steps), default=0)
        grid = []
        for row in range(rows):
            files = [self.samples[s][row] if row < len(self.samples[s]) else None for s in steps]
            prompt = prompts[row] if row < len(prompts) else ""
            grid.append((prompt, [self.inside(f) if f else None for f in files]))
        return steps, grid

    def checkpoints(self) -> list[int]:
        """The steps of the complete checkpoints, oldest first; looked up again only when the folder has changed."""
        folder = self.folder / "checkpoints"
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            return []
        if self._kept[0] != changed:
            self._kept = (changed, [step for step, _ in Run(self.folder).checkpoints()])
        return self._kept[1]

    def remember(self, make: Callable[["RunView"], Any]) -> Any:
        """What ``make`` gives for this run, kept until one of its files appears or goes."""
        mark = (self.folder_mark(), len(self.saved), len(self.samples), self.finished)
        if self._remembered.get(make, (None,))[0] != mark:
            self._remembered[make] = (mark, make(self))
        return self._remembered[make][1]

    def folder_mark(self) -> tuple:
        """Changes when a file of the run appears or goes: where to look for LoRA files again."""
        return tuple(_changed(self.folder / part) for part in ("exports", "control", "checkpoints"))

    def lora_files(self) -> list[tuple[int, Path, bool]]:
        """(step, file, is it the final one) of every LoRA file there is, newest first, the final one at the top.

        The final one is named by an event; those made from checkpoints lie in ``exports`` as name-000500.safetensors.
        """
        final = [(s.step, self.inside(s.path)) for s in self.saved if s.final]
        if self.finished and self.finished.file:
            final.append((self.finished.step, self.inside(self.finished.file)))
        files = {path: (step, path, True) for step, path in final if path and path.suffix == ".safetensors"}
        for path in (self.folder / "exports").glob("[!.]*.safetensors"):
            step, file = re.search(EXPORTED, path.stem), self.inside(f"exports/{path.name}")
            if step and file:
                files.setdefault(file, (int(step[1]), file, False))
        return sorted(files.values(), key=lambda f: (f[2], f[0]), reverse=True)

    def inside(self, relative: str) -> Path | None:
        """The file of the run folder by that name, or None if there is none or it leads out of the folder."""
        try:
            root = self.folder.resolve()
            path = (root / relative).resolve()
            return path if path.is_relative_to(root) and path.exists() else None
        except (OSError, ValueError):
            return None

    def log_tail(self, lines: int = LOG_LINES) -> str:
        """The last lines of log.txt; of a progress bar drawn over and over, its last state only."""
        try:
            with open_regular(self.folder / "log.txt") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - LOG_BYTES))
                data = file.read()
        except OSError:
            return ""
        rows = data.decode("utf-8", errors="replace").replace("\r\n", "\n").rstrip("\n").split("\n")
        if end > LOG_BYTES:
            rows = rows[1:]  # cut off in the middle
        rows = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", row.rstrip("\r").rsplit("\r", 1)[-1]) for row in rows]
        return "\n".join(rows[-lines:])


def thin(values: list[int], limit: int) -> list[int]:
    """At most ``limit`` of the values: the first, the last and evenly between."""
    if len(values) <= limit:
        return values
    last = len(values) - 1
    return [values[round(i * last / (limit - 1))] for i in range(limit)]


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def strip_time(name: str) -> str:
    """A run folder's name without the time in front of it."""
    return re.sub(r"^\d{4}-\d\d-\d\d_\d{4}_", "", name)


def _sound(event: Event) -> bool:
    """Are the event's numbers numbers? A file that something else has written to must not break the page."""
    whole = [v for k, v in vars(event).items() if k in ("step", "steps", "images", "done", "of")]
    if not all(isinstance(v, int) and v >= 0 for v in whole):
        return False
    if isinstance(event, Sampled):
        return isinstance(event.files, list) and all(isinstance(f, str) for f in event.files)
    if isinstance(event, Validated):
        return all(isinstance(v, (int, float)) for v in (event.loss, event.training, event.drift, event.seconds))
    if isinstance(event, StepDone):
        return all(isinstance(v, (int, float)) for v in (event.loss, event.seconds, event.memory))
    return all(isinstance(getattr(event, k), str) for k in ("path", "text", "file", "why", "what") if hasattr(event, k))

"""Pictures drawn to compare: a folder each below runs/.draw, which ``sdlora draw`` fills; a reload shows them again."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdlora.errors import explain
from sdlora.files.intact import write_atomically
from sdlora.files.regular import read_regular
from sdlora.runs.run import Run
from ui import text
from ui.shell.queue import DRAWINGS, Queue, is_name, new_name
from ui.shell.view import RunView, strip_time

KEPT = 40  # drawings; the oldest go first
LIMIT = 200  # pictures in one grid


@dataclass(frozen=True)
class Drawing:
    """A job of pictures and what is there of it. state: "waiting", "running", "done" or "failed"."""

    name: str
    folder: Path
    job: dict[str, Any]
    state: str
    of: int = 0
    cells: dict[tuple[int, int], Path] = field(default_factory=dict)  # (variant, prompt) -> picture

    @property
    def kind(self) -> str:
        """Which part of the page asked for it."""
        return str(self.job.get("kind", ""))

    @property
    def mark(self) -> tuple:
        """Changes when there is more to show."""
        return self.name, self.state, len(self.cells)

    @property
    def prompts(self) -> list[str]:
        """The prompts of its rows."""
        prompts = self.job.get("prompts")
        return [str(prompt) for prompt in prompts] if isinstance(prompts, list) else []

    @property
    def keys(self) -> list[list[tuple[str, float]]]:
        """Per variant its LoRAs as (key, strength), as ``checkpoints_of`` names them."""
        try:
            return [[(str(lora["key"]), float(lora["strength"])) for lora in v] for v in self.job["variants"]]
        except (KeyError, TypeError, ValueError):
            return []

    def titles(self) -> list[str]:
        """What stands above each variant's pictures."""
        return [variant_title(variant) for variant in self.keys]

    def last_words(self) -> str:
        """The last lines that the process has printed: why it failed."""
        return RunView(self.folder).log_tail(3)


_NONE = Drawing("", Path(), {}, "")


class Drawings:
    """All drawings of one runs folder; what does not change is read once."""

    def __init__(self, queue: Queue):
        self.queue, self.folder = queue, queue.root / DRAWINGS
        self._names: tuple[int, list[str]] = (-1, [])
        self._jobs: dict[str, dict[str, Any]] = {}
        self._cells: dict[str, tuple[int, int, dict[tuple[int, int], Path]]] = {}

    def ask(self, kind: str, title: str, job: dict[str, Any]) -> str:
        """Have pictures drawn; returns the drawing's name. kind: which part of the page shows it.

        The same job is not drawn twice: what is there, or on its way, is taken. UserError if the disk is full.
        """
        job = json.loads(json.dumps({"kind": kind, "title": title, **job}))
        for name in self.listed(kind):
            if self._job(name) == job and (self.read(name) or _NONE).state not in ("", "failed"):
                return name
        name = new_name(kind)
        try:
            (self.folder / name).mkdir(parents=True)
            write_atomically(self.folder / name / "job.json", json.dumps(job, ensure_ascii=False, indent=1))
        except OSError as error:
            raise explain(error) from error
        self.queue.add_drawing(name)
        self._tidy()
        return name

    def listed(self, kind: str, run: str = "") -> list[str]:
        """Names of the drawings of that kind (and of that run), newest first."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except OSError:
            return []
        if self._names[0] != changed:
            self._names = (changed, sorted((p.name for p in self.folder.iterdir() if p.is_dir()), reverse=True))
        names = [name for name in self._names[1] if self._job(name).get("kind") == kind]
        return [name for name in names if not run or self._job(name).get("run") == run]

    def read(self, name: str | None) -> Drawing | None:
        """The drawing by that name, whatever was asked for; None if there is none."""
        folder = self.folder / name if is_name(name) else None
        if folder is None or not folder.is_dir():
            return None
        job, (of, cells) = self._job(name), self._drawn(name)
        of = of or len(job.get("variants", ())) * len(job.get("prompts", ()))
        now = self.queue.current()
        if now and now.entry.name == name:
            state = "running"
        elif any(entry.name == name for entry in self.queue.waiting()):
            state = "waiting"
        else:
            state = "done" if of and len(cells) >= of else "failed"
        return Drawing(name, folder, job, state, of, cells)

    def title(self, name: str) -> str:
        """What the drawing is called."""
        return str(self._job(name).get("title", ""))

    def _job(self, name: str) -> dict[str, Any]:
        if name not in self._jobs:
            try:
                job = json.loads(read_regular(self.folder / name / "job.json"))
            except (OSError, ValueError, RecursionError):
                return {}  # being written, perhaps: looked at again next time
            self._jobs[name] = job if isinstance(job, dict) else {}
        return self._jobs[name]

    def _drawn(self, name: str) -> tuple[int, dict[tuple[int, int], Path]]:
        index = self.folder / name / "index.json"
        try:
            changed = index.stat().st_mtime_ns
            known = self._cells.get(name)
            if known is None or known[0] != changed:
                listing = json.loads(read_regular(index))
                cells = {(int(c["variant"]), int(c["prompt"])): str(c["file"]) for c in listing["cells"]}
                pictures = {at: index.parent / file for at, file in cells.items() if is_name(file)}
                self._cells[name] = known = (changed, int(listing["of"]), pictures)
            return known[1], known[2]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return 0, {}

    def _tidy(self) -> None:
        """Let the oldest drawings go; never one that waits or is being drawn."""
        now = self.queue.current()
        busy = {entry.name for entry in self.queue.waiting()} | ({now.entry.name} if now else set())
        names = [p.name for p in self.folder.iterdir() if p.is_dir() and p.name not in busy]
        for name in sorted(names)[:-KEPT]:
            shutil.rmtree(self.folder / name, ignore_errors=True)


# ---- what can be drawn with


def checkpoints_of(view: RunView) -> list[tuple[str, str]]:
    """(key, path) of what a run offers, newest first: "RUN/final" and "RUN/500". Keys are what the page sends back."""
    run = view.folder.name
    final = [(f"{run}/final", str(path)) for _, path, last in view.lora_files() if last]
    kept = [(f"{run}/{step}", str(path)) for step, path in reversed(Run(view.folder).checkpoints())]
    return final[:1] + kept


def run_of(key: str) -> str:
    """The run's name in a key "RUN/STEP"."""
    return key.rpartition("/")[0]


def step_of(key: str) -> str:
    """ "final" or the step as digits."""
    return key.rpartition("/")[2]


def short_name(key: str) -> str:
    """The run's name in a key, without the time in front of it."""
    return strip_time(run_of(key))


def variant_title(variant: list[tuple[str, float]]) -> str:
    """ "cat-toy, step 500 · strength 0.7", several joined; strength 0 is the base model alone."""
    acting = [(key, strength) for key, strength in variant if strength]
    if not acting:
        return text.BASE_ALONE
    titles = [(checkpoint_title(key), text.compact(strength)) for key, strength in acting]
    return " + ".join(text.COLUMN.format(checkpoint=title, strength=strength) for title, strength in titles)


def checkpoint_title(key: str) -> str:
    """ "cat-toy, step 500", or the final LoRA."""
    step = step_of(key)
    return f"{short_name(key)}, {text.step_title(int(step)) if step.isdecimal() else text.FINAL}"

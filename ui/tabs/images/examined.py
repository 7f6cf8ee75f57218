"""The doctor's look at a folder: `sdlora doctor` in the background, its last report kept in the folder's cache."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdlora.data import CACHE_FOLDER
from sdlora.doctor import CAPTION_CHECKS, CHECKS
from sdlora.files.intact import read_json, write_json
from sdlora.messages import unpacked
from sdlora.settings import dump_settings, salvage
from ui.background.task import Task, TaskState
from ui.tabs.images.album import Album
from ui.tabs.images.sight import Training

KEPT = "doctor.json"


@dataclass(frozen=True)
class Found:
    """One finding: its check, pictures and sentence, why it matters, what to do, which pictures may be left out."""

    check: str
    names: tuple[str, ...]
    what: str
    why: str
    fix: str
    out: tuple[str, ...]


@dataclass(frozen=True)
class DoctorReport:
    """What the doctor found in a folder. when: seconds since 1970. files: sentences on files, captions and sizes.

    sizes: ((width, height), pictures, part that is cut off, 0 to 1).
    """

    when: float
    pictures: int
    files: tuple[str, ...]
    found: tuple[Found, ...]
    sizes: tuple[tuple[tuple[int, int], int, float], ...]

    @classmethod
    def of(cls, kept: Any) -> "DoctorReport | None":
        """From what `sdlora doctor` has written; None where it is damaged or something else."""
        try:
            report = kept["report"]
            return cls(
                float(kept["when"]),
                int(report["pictures"]),
                tuple(" ".join(filter(None, (_said(f["what"]), _said(f["fix"])))) for f in report["files"]),
                tuple(_found(entry) for entry in report["findings"]),
                tuple((_pair(b["size"]), int(b["pictures"]), float(b["cut_off"])) for b in report["buckets"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def still(self, album: Album) -> "list[Found]":
        """The findings that hold for the pictures and captions as they are now."""
        return [now for found in self.found if (now := _now(found, album))]


def _said(words: Any) -> str:
    return unpacked(words, None if isinstance(words, dict) else str(words))


def _found(entry: Mapping[str, Any]) -> Found:
    names, out = (tuple(map(str, entry[key])) for key in ("pictures", "leave_out"))
    return Found(str(entry["check"]), names, *(_said(entry[key]) for key in ("what", "why", "fix")), out)


def _pair(size: Any) -> tuple[int, int]:
    width, height = size
    return int(width), int(height)


def _now(found: Found, album: Album) -> Found | None:
    names = tuple(name for name in found.names if album.entry(name))
    if found.check in CAPTION_CHECKS and CAPTION_CHECKS[found.check].mend:
        names = tuple(name for name in names if mended(found.check, album, name))
    together = found.check in CHECKS and CHECKS[found.check].keeps_one or found.check == "repeated"
    if len(names) < (2 if together else 1):
        return None
    return Found(found.check, names, found.what, found.why, found.fix, tuple(n for n in found.out if n in names))


def mended(check: str, album: Album, name: str) -> str:
    """The picture's caption without that fault; "" where there is nothing to do."""
    entry, mend = album.entry(name), CAPTION_CHECKS[check].mend
    if entry is None or mend is None:
        return ""
    better = mend(entry.caption)
    return better if better != entry.caption else ""


class Doctor:
    """One examination at a time, shared by all pages. Thread-safe."""

    def __init__(self, parent: Path | None = None):
        """parent: where the task's folder lies while it runs."""
        self._task = Task("doctor", parent)

    def state(self) -> TaskState | None:
        """The examination that runs or ended last; its first argument is the folder."""
        return self._task.state()

    def looks_at(self, folder: Path) -> bool:
        """Is it looking at this folder?"""
        state = self.state()
        return bool(state and state.runs and state.arguments[0] == str(folder))

    @property
    def running(self) -> bool:
        """Is it looking at any?"""
        return self._task.running

    def start(self, folder: Path, training: Training) -> bool:
        """Begin to look at it as it would be trained; False if it looks at a folder already."""
        data = {
            "fit": training.fit,
            "upscale": training.upscale,
            "trigger": training.trigger[:100],
            "max_tokens": training.tokens,
            "weighted_captions": training.weighted,
        }
        settings, _ = salvage({"data": data, "train": {"batch_size": training.batch}})  # the form tells what is wrong
        side, step = str(max(64, training.resolution)), str(training.step)
        return self._task.start(
            str(folder), side, step, files={"settings.toml": dump_settings(settings)}, ended=self._keep
        )

    def stop(self) -> None:
        """End it; nothing is kept."""
        self._task.stop()

    def wait(self, seconds: float) -> None:
        """Wait for its end, so many seconds at most."""
        self._task.wait(seconds)

    def report(self, folder: Path) -> DoctorReport | None:
        """The last report on this folder, of this server or one before."""
        try:
            return DoctorReport.of(read_json(folder / CACHE_FOLDER / KEPT, digest=False))
        except (OSError, ValueError, RecursionError):
            return None

    def _keep(self, state: TaskState) -> None:
        kept = {"when": time.time(), "report": state.reported.get("report")}
        if state.failed or state.stopped or DoctorReport.of(kept) is None:
            return
        try:
            path = Path(state.arguments[0]) / CACHE_FOLDER / KEPT
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, kept)
        except OSError as error:
            print(error, file=sys.stderr)  # a full disk: the report is lost, the page goes on

"""One step, measured: `sdlora probe` as a process in the background, its answer kept by what it depends on."""

import hashlib
import json
import math
import platform
import sys
from pathlib import Path
from typing import Any

from sdlora.errors import Problem
from sdlora.files.intact import read_json, write_json
from sdlora.messages import packed
from sdlora.settings import Settings, all_settings, dump_settings
from ui import text, translate
from ui.background.task import Task, TaskState, problem_in
from ui.tabs.settings import presets
from ui.tabs.settings.drafts import FOLDER

PATIENCE = 1800.0  # seconds; a step that takes longer is not worth a run
KEPT = 200  # answers
NUMBERS = ("step_seconds", "start_seconds", "peak_bytes", "free_bytes")


def key_of(settings: Settings) -> str:
    """A key that is equal for all settings whose steps cost the same on this computer."""
    values = settings.model_dump(mode="json")
    parts: list[list] = []
    for info in all_settings():
        section, name = info.key.split(".")
        if info.cost:
            parts.append([info.key, values[section][name]])
    parts.append([platform.node(), platform.machine(), presets.gpu()])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "replace")).hexdigest()[:24]


class Probes:
    """The measurements of one runs folder, and the one that is being made. Thread-safe; shared by all pages."""

    def __init__(self, runs: Path):
        self.path = runs / FOLDER / "probes.json"
        self._task = Task("probe", runs / FOLDER, PATIENCE)

    @property
    def running(self) -> bool:
        """Is a measurement in progress?"""
        return self._task.running

    def start(self, settings: Settings) -> bool:
        """Measure resolved settings in the background; False if a measurement is in progress."""
        key, files = key_of(settings), {"settings.toml": dump_settings(settings)}
        return self._task.start(files=files, ended=lambda state: self._keep(key, state))

    def wait(self, seconds: float) -> None:
        """Wait for the measurement's end, so many seconds at most."""
        self._task.wait(seconds)

    def get(self, settings: Settings) -> tuple[dict[str, Any] | None, bool]:
        """(the measurement of these settings, False), (the last one of others, True) or (None, False)."""
        kept, key = self._read(), key_of(settings)
        if key in kept:
            return kept[key], False
        good = [answer for answer in kept.values() if not answer.get("failed")]
        return (good[-1], True) if good else (None, False)

    def _keep(self, key: str, state: TaskState) -> None:
        good = not state.failed and _sound(state.reported)
        answer = state.reported
        if not good:
            answer = {"failed": True, "problem": str(state.problem), "said": packed(state.problem)}
        kept = {k: v for k, v in self._read().items() if k != key} | {key: answer}
        try:
            write_json(self.path, dict(list(kept.items())[-KEPT:]))
        except OSError as error:
            print(error, file=sys.stderr)  # a full disk: the measurement is lost, the page goes on

    def _read(self) -> dict[str, dict]:
        try:
            kept = read_json(self.path, digest=False)  # 0.1.0 wrote none
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(kept, dict):
            return {}
        return {k: v for k, v in kept.items() if isinstance(v, dict) and (v.get("failed") or _sound(v))}


def _sound(answer: dict) -> bool:
    numbers = [answer.get(key) for key in NUMBERS]
    return all(isinstance(n, (int, float)) and math.isfinite(n) and n >= 0 for n in numbers)


# ---- in words


def time_words(answer: dict[str, Any], stale: bool, steps: int) -> str:
    """How long so many steps take, and how much memory, or that this was measured with other settings."""
    if answer.get("failed"):
        return text.PROBE_FAILED.format(reason=translate.message(problem_in(answer)) or text.PROBE_SILENT)
    seconds = answer["start_seconds"] + answer["step_seconds"] * steps
    where = [str(answer.get(key) or "")[:60] for key in ("device", "precision")]
    facts = {
        "time": text.duration(seconds),
        "pace": text.pace(answer["step_seconds"]),
        "peak": text.size(answer["peak_bytes"]),
        "free": text.size(answer["free_bytes"]),
        "device": ", ".join(filter(None, where)),
    }
    return (text.PROBE_STALE if stale else text.PROBE_SAYS).format(**facts)


def short_words(answer: dict[str, Any], steps: int) -> str:
    """How long so many steps take; "" where that could not be measured."""
    if answer.get("failed"):
        return ""
    return text.BRIEF_TIME.format(time=text.duration(answer["start_seconds"] + answer["step_seconds"] * steps))


def memory_problems(answer: dict[str, Any] | None, stale: bool) -> list[Problem]:
    """A warning where a step of these very settings did not fit."""
    if answer is None or stale or not answer.get("problem"):
        return []
    return [Problem(problem_in(answer), "", "train.batch_size", fatal=False)]

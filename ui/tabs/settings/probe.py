"""One step, measured: `sdlora probe` as a process in the background, its answer kept by what it depends on."""

import hashlib
import json
import math
import platform
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from sdlora.errors import Problem
from sdlora.files.intact import read_json, write_json
from sdlora.settings import Settings, all_settings, dump_settings
from ui import text, translate
from ui.shell.process import child_environment
from ui.tabs.settings import presets
from ui.tabs.settings.drafts import FOLDER

PATIENCE = 1800.0  # seconds; a step that takes longer is not worth a run
KEPT = 200  # answers
NUMBERS = ("step_seconds", "start_seconds", "peak_bytes", "free_bytes")


def probe_command(settings: Path) -> list[str]:
    """Measures a step of these settings and prints a JSON object."""
    return [sys.executable, "-m", "sdlora", "probe", str(settings), "--json"]


def key_of(settings: Settings) -> str:
    """The same for all settings whose steps cost the same on this computer."""
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
        self.folder = runs / FOLDER
        self.path = self.folder / "probes.json"
        self._lock = threading.Lock()
        self._running = ""  # the key
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> str:
        """The key of the measurement in progress; "" if there is none."""
        return self._running

    def start(self, settings: Settings) -> bool:
        """Measure resolved settings in the background; False if a measurement is in progress."""
        with self._lock:
            if self._running:
                return False
            self._running = key_of(settings)
            self._thread = threading.Thread(target=self._measure, args=(settings, self._running), daemon=True)
            self._thread.start()
            return True

    def wait(self, seconds: float) -> None:
        if self._thread:
            self._thread.join(seconds)

    def get(self, settings: Settings) -> tuple[dict[str, Any] | None, bool]:
        """(the measurement of these settings, False), (the last one of others, True) or (None, False)."""
        kept, key = self._read(), key_of(settings)
        if key in kept:
            return kept[key], False
        good = [answer for answer in kept.values() if not answer.get("failed")]
        return (good[-1], True) if good else (None, False)

    # ---- the process

    def _measure(self, settings: Settings, key: str) -> None:
        try:
            answer = self._ask(settings)
            kept = {k: v for k, v in self._read().items() if k != key}
            kept[key] = answer
            write_json(self.path, dict(list(kept.items())[-KEPT:]))
        except OSError as error:
            print(error, file=sys.stderr)  # a full disk: the measurement is lost, the page goes on
        finally:
            self._running = ""

    def _ask(self, settings: Settings) -> dict[str, Any]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="probe-") as folder:
            file = Path(folder) / "settings.toml"
            file.write_text(dump_settings(settings), encoding="utf-8")
            quiet = {"stdin": subprocess.DEVNULL, "capture_output": True}
            try:
                done = subprocess.run(probe_command(file), env=child_environment(), timeout=PATIENCE, **quiet)
            except subprocess.TimeoutExpired:
                return {"failed": True, "problem": ""}
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()
        answer = _numbers(said[-1]) if done.returncode == 0 and said else None
        if answer is not None:
            return answer
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        wrong = [line for line in lines if line.strip() and not line.startswith("Details: ")]
        return {"failed": True, "problem": wrong[-1].strip()[:500] if wrong else ""}

    def _read(self) -> dict[str, dict]:
        try:
            kept = read_json(self.path, digest=False)  # 0.1.0 wrote none
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(kept, dict):
            return {}
        return {k: v for k, v in kept.items() if isinstance(v, dict) and (v.get("failed") or _sound(v))}


def _numbers(line: str) -> dict[str, Any] | None:
    """The probe's answer, if that is what it is."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and _sound(answer) else None


def _sound(answer: dict) -> bool:
    numbers = [answer.get(key) for key in NUMBERS]
    return all(isinstance(n, (int, float)) and math.isfinite(n) and n >= 0 for n in numbers)


# ---- in words


def time_words(answer: dict[str, Any], stale: bool, steps: int) -> str:
    """How long so many steps take, and how much memory, or that this was measured with other settings."""
    if answer.get("failed"):
        return text.PROBE_FAILED.format(reason=translate.said(str(answer.get("problem") or "")) or text.PROBE_SILENT)
    seconds = answer["start_seconds"] + answer["step_seconds"] * steps
    facts = {
        "time": text.duration(seconds),
        "pace": text.pace(answer["step_seconds"]),
        "peak": text.size(answer["peak_bytes"]),
        "free": text.size(answer["free_bytes"]),
        "device": str(answer.get("device", ""))[:60],
    }
    return (text.PROBE_STALE if stale else text.PROBE_SAYS).format(**facts)


def problems(answer: dict[str, Any] | None, stale: bool) -> list[Problem]:
    """A warning where a step of these very settings did not fit."""
    if answer is None or stale or not answer.get("problem"):
        return []
    return [Problem(str(answer["problem"])[:500], "", "train.batch_size", fatal=False)]

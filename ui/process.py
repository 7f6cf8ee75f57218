"""Start trainers as processes of their own: they outlive the page, its server and the browser."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from sdlora.config import Settings, dump_settings
from sdlora.errors import UserError
from sdlora.run import Run, safe_name
from ui import OFFLINE_BY_PAGE, text
from ui.view import strip_time

ROOT = Path(__file__).resolve().parent.parent


def train_command(folder: Path) -> list[str]:
    """Trains the run folder, whose settings.toml is already there."""
    return [sys.executable, "-m", "sdlora", "train", "--run", str(folder)]


def resume_command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "sdlora", "train", "--resume", str(folder)]


def export_command(folder: Path, step: int, target: Path) -> list[str]:
    """Writes the LoRA file of the checkpoint of ``step``."""
    return [sys.executable, "-m", "sdlora", "export", str(folder), "--step", str(step), "--out", str(target)]


class Trainers:
    """Starts trainers and keeps the handles of those it started (to reap them; the run folder has the truth).

    train, resume, export: the command lines, as the functions above give them. Tests put in a trainer of their own.
    """

    def __init__(
        self,
        train: Callable[[Path], list[str]] = train_command,
        resume: Callable[[Path], list[str]] = resume_command,
        export: Callable[[Path, int, Path], list[str]] = export_command,
    ):
        self._train, self._resume, self._export = train, resume, export
        self._exports: dict[str, subprocess.Popen] = {}
        self._started: dict[str, subprocess.Popen] = {}
        self._one_at_a_time = threading.Lock()

    def start(self, settings: Settings, busy: Callable[[], str | None]) -> Run:
        """A new run folder with these settings, and its trainer. ``busy`` names a run that is in the way, if any."""
        with self._one_at_a_time:
            self._refuse_if(busy())
            run = Run.create(settings.run.folder, settings.run.name, dump_settings(settings))
            self._started[run.name] = self._spawn(self._train(run.folder.resolve()), run)
            return run

    def resume(self, run: Run, busy: Callable[[], str | None]) -> None:
        """Go on with a run that was stopped or died; an old request to stop or pause is taken back first."""
        with self._one_at_a_time:
            self._refuse_if(busy())
            for what in ("stop", "pause"):
                run.request(what, on=False)
            self._started[run.name] = self._spawn(self._resume(run.folder.resolve()), run)

    def export(self, run: Run, step: int) -> None:
        """Have the LoRA file of a checkpoint written to the run's ``exports`` folder; one at a time for a run."""
        with self._one_at_a_time:
            if self.exporting(run.name):
                return
            folder = run.folder.resolve()
            (folder / "exports").mkdir(exist_ok=True)
            target = folder / "exports" / f"{safe_name(strip_time(run.name))}-{step:06d}.safetensors"
            self._exports[run.name] = self._spawn(self._export(folder, step, target), run)

    def starting(self, name: str) -> bool:
        """Did this page start that run's trainer, and does the process still live?"""
        return _lives(self._started.get(name))

    def exporting(self, name: str) -> bool:
        """Is a checkpoint of that run being written as a LoRA file?"""
        return _lives(self._exports.get(name))

    def _refuse_if(self, busy: str | None) -> None:
        if busy:
            raise UserError(text.IS_TRAINING.format(name=busy), fix=text.IS_TRAINING_FIX)

    def _spawn(self, command: list[str], run: Run) -> subprocess.Popen:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            "TERM": "dumb",  # no cursor movements in log.txt
        }
        environment.pop("SDLORA_PASSWORD", None)
        if OFFLINE_BY_PAGE:
            environment.pop("HF_HUB_OFFLINE", None)
        detached = {"start_new_session": True}
        if os.name == "nt":
            detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        with open(run.folder / "log.txt", "ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, **detached
            )


def _lives(process: subprocess.Popen | None) -> bool:
    return process is not None and process.poll() is None

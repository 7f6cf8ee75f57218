"""Start trainers as processes of their own: they outlive the page, its server and the browser."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from sdlora.runs.run import Run, safe_name
from ui import OFFLINE_BY_PAGE
from ui.shell.view import strip_time

ROOT = Path(__file__).resolve().parents[2]


def child_environment() -> dict[str, str]:
    """For a process of the trainer: it finds the project, may use the network, and never sees the page's password."""
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
    return environment


def train_command(folder: Path) -> list[str]:
    """Trains the run folder, whose settings.toml is already there."""
    return [sys.executable, "-m", "sdlora", "train", "--run", str(folder)]


def resume_command(folder: Path) -> list[str]:
    """Goes on with the run in the folder."""
    return [sys.executable, "-m", "sdlora", "train", "--resume", str(folder)]


def export_command(folder: Path, options: list[str]) -> list[str]:
    """Writes a LoRA file of the run; options as ``sdlora export`` has them."""
    return [sys.executable, "-m", "sdlora", "export", str(folder), *options]


def draw_command(folder: Path) -> list[str]:
    """Draws the pictures that the folder's job.json asks for."""
    return [sys.executable, "-m", "sdlora", "draw", str(folder)]


class Trainers:
    """Starts processes that outlive the page's server. When, is for the queue to say; the folders have the truth.

    train, resume, export, draw: the command lines, as the functions above give them. Tests put in ones of their own.
    """

    def __init__(
        self,
        train: Callable[[Path], list[str]] = train_command,
        resume: Callable[[Path], list[str]] = resume_command,
        export: Callable[[Path, list[str]], list[str]] = export_command,
        draw: Callable[[Path], list[str]] = draw_command,
    ):
        self._train, self._resume, self._export, self._draw = train, resume, export, draw
        self._exports: dict[str, subprocess.Popen] = {}
        self._children: list[subprocess.Popen] = []
        self._one_at_a_time = threading.Lock()

    def train(self, folder: Path) -> subprocess.Popen:
        """Start to train the run folder."""
        return self._spawn(self._train(folder.resolve()), folder / "log.txt")

    def resume(self, folder: Path) -> subprocess.Popen:
        """Go on with the run folder."""
        return self._spawn(self._resume(folder.resolve()), folder / "log.txt")

    def draw(self, folder: Path) -> subprocess.Popen:
        """Draw what the folder's job.json asks for."""
        return self._spawn(self._draw(folder.resolve()), folder / "log.txt")

    def export(self, run: Run, step: int | None, container: str = "", dtype: str = "") -> None:
        """Have the LoRA file of a checkpoint written to the run's ``exports`` folder; one at a time for a run.

        step: None for a file of each checkpoint. Beside a training, since it takes the CPU alone, and not for long.
        """
        with self._one_at_a_time:
            if self.exporting(run.name):
                return
            folder = run.folder.resolve()
            (folder / "exports").mkdir(exist_ok=True)
            kind = "".join(f"-{word}" for word in (container, dtype) if word)
            named = f"{safe_name(strip_time(run.name))}-{step or 0:06d}{kind}.safetensors"
            target = None if step is None else folder / "exports" / named
            options = ["--all"] if target is None else ["--step", str(step), "--out", str(target)]
            options += [*(["--container", container] if container else []), *(["--dtype", dtype] if dtype else [])]
            log = folder / "exports" / "log.txt"
            log.unlink(missing_ok=True)
            self._exports[run.name] = self._spawn(self._export(folder, options), log)

    def exporting(self, name: str) -> bool:
        """Is a checkpoint of that run being written as a LoRA file?"""
        process = self._exports.get(name)
        return process is not None and process.poll() is None

    def export_failed(self, name: str) -> bool:
        """Did the last such file of that run come to nothing? Why stands in exports/log.txt."""
        process = self._exports.get(name)
        return process is not None and bool(process.poll())

    def reap(self) -> None:
        """Take leave of the processes that have ended."""
        self._children = [child for child in self._children if child.poll() is None]

    def _spawn(self, command: list[str], log_file: Path) -> subprocess.Popen:
        detached = {"start_new_session": True}
        if os.name == "nt":
            detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        with open(log_file, "ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=child_environment(), **detached
            )
        self._children.append(child)
        return child

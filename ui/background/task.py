"""A job in the background: a process of its own, shared by all pages.

A task's process writes to files in a folder of the task's own: JSON objects, one a line, for how far it is and what it
came to, and its last words where it fails. Whoever wants to know reads the files; the folder goes when the task ends.
Training and drawing are no tasks: they wait in the queue and outlive the page's server (``ui.shell.process``).
"""

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdlora.errors import explain
from sdlora.messages import unpacked
from ui.background.table import JOBS
from ui.shell.process import child_environment

OUTPUT, ERRORS = "output.txt", "errors.txt"


@dataclass(frozen=True)
class TaskState:
    """How a task stands.

    arguments: what it was started with. reported: the keys of all JSON objects that it has written, each with its
    latest value. problem: the sentence that it failed with, "" if it ended without one. stopped: by a person.
    """

    arguments: tuple[str, ...] = ()
    runs: bool = False
    failed: bool = False
    reported: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    stopped: bool = False


class Task:
    """One command, one process at a time, shared by all pages. Thread-safe."""

    def __init__(self, name: str, parent: Path | None = None, patience: float | None = None):
        """name: of ``table.JOBS``. parent: where its folder lies while it runs; the system's place for temporary files
        if not given. patience: seconds after which the process is ended."""
        self.name, self.parent, self.patience = name, parent, patience
        self._lock = threading.Lock()
        self._state: TaskState | None = None
        self._output: Path | None = None
        self._read = 0  # bytes of the output
        self._thread: threading.Thread | None = None
        self._child: subprocess.Popen | None = None

    @property
    def running(self) -> bool:
        """Is the command running?"""
        return bool(self._state and self._state.runs)

    def start(
        self, *arguments: str, files: Mapping[str, str] | None = None, ended: Callable[[TaskState], None] | None = None
    ) -> bool:
        """Begin; False if it runs already.

        files: name -> text, written to its folder first. ended: called in the task's own thread with what it came to.
        """
        with self._lock:
            if self.running:
                return False
            self._state, self._output, self._read = TaskState(arguments, runs=True), None, 0
        self._thread = threading.Thread(target=self._run, args=(arguments, files or {}, ended), daemon=True)
        self._thread.start()
        return True

    def state(self) -> TaskState | None:
        """How it stands, read from its output; None if it never ran."""
        with self._lock:
            self._look()
            return self._state

    def stop(self) -> None:
        """End the process, if it runs; its state says that it was stopped."""
        with self._lock:
            if self.running:
                self._state = replace(self._state, stopped=True)
                if self._child:
                    self._child.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for its end, so many seconds at most."""
        if self._thread:
            self._thread.join(seconds)

    # ---- the process

    def _run(self, arguments: tuple, files: Mapping[str, str], ended: Callable[[TaskState], None] | None) -> None:
        failed, problem = True, ""
        try:
            if self.parent:
                self.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.parent, prefix=f"{self.name}-") as name:
                folder = Path(name)
                for file, text in files.items():
                    (folder / file).write_text(text, encoding="utf-8")
                failed = self._process(folder, arguments) != 0
                problem = (problem_in(self._state.reported) or _last_words(folder / ERRORS)) if failed else ""
        except OSError as error:  # no process to be had, no disk
            problem = explain(error).message
        finally:
            over = replace(self._state, failed=failed, problem=problem)
            try:
                if ended:
                    ended(over)
            finally:
                with self._lock:
                    self._state, self._output = replace(over, runs=False), None

    def _process(self, folder: Path, arguments: tuple) -> int:
        """The exit code. A process that takes too long is ended, and has no last words."""
        command = JOBS[self.name](folder, *arguments)
        with open(folder / OUTPUT, "wb") as output, open(folder / ERRORS, "wb") as errors:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=child_environment()
            )
            with self._lock:
                self._output, self._child = folder / OUTPUT, child
                if self._state.stopped:  # before there was a process to end
                    child.terminate()
            try:
                code = child.wait(self.patience)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                errors.truncate(0)
                code = -1
        with self._lock:
            self._look(whole=True)
            self._output = self._child = None
        return code

    def _look(self, whole: bool = False) -> None:
        """Take up what the process has written since. whole: the last line has come, even without its end."""
        if self._output is None:
            return
        try:
            with open(self._output, "rb") as file:
                file.seek(self._read)
                new = file.read()
        except OSError:
            return
        end = len(new) if whole else new.rfind(b"\n") + 1
        self._read += end
        reported = dict(self._state.reported)
        for line in new[:end].splitlines():
            reported |= _object(line)
        self._state = replace(self._state, reported=reported)


def problem_in(reported: Mapping[str, Any]) -> str:
    """What is wrong, by the JSON that a command wrote; "" if nothing is."""
    return unpacked(reported.get("said"), str(reported.get("problem") or "")[:500])


def _object(line: bytes) -> dict[str, Any]:
    """The JSON object of a line; {} if it is something else, such as a library's words."""
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _last_words(errors: Path) -> str:
    """The sentence that a command ended with."""
    lines = [line.strip() for line in errors.read_bytes().decode("utf-8", "replace").splitlines()]
    return next((line[:500] for line in reversed(lines) if line and not line.startswith("Details: ")), "")

"""The run folder: the only thing a trainer and those who watch it share.

runs/2026-11-21_1532_cat-toy/
  settings.toml   all settings, resolved; written before the start, never changed
  events.jsonl    one event per line, append-only
  log.txt         what the trainer printed
  lock            held by the kernel for the trainer's whole life
  control/        requests as empty files: stop, save, sample, pause
  images.json     digests of the images and captions that it was last started with
  origin.json     the run and step that it starts from, if it was begun with --from
  samples/  checkpoints/000500/  cat-toy.safetensors
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from sdlora.runs.checkpoints import checkpoints_in, is_good
from sdlora.settings import Settings, make_settings, read_toml
from sdlora.errors import UserError
from sdlora.events import Event, Finished, from_line, to_line
from sdlora.files.intact import seal_of, sealed_text, write_atomically

REQUESTS = ("stop", "save", "sample", "pause")
SWEPT = ("", "samples", "checkpoints", "control", "exports")  # folders of a run in which files are written
# Hidden names of what is being written: by a process of that number, or by the trainer alone.
HALF_WRITTEN = re.compile(r"\..*\.(?P<pid>[0-9]+)(\.[0-9]+\.tmp|\.new\.safetensors)|\.[0-9]+\.tmp|\.trial\.safetensors")


def safe_name(text: str) -> str:
    """A file name from anything a person types: letters, digits, ``-_.``, at most 60 characters, never empty."""
    name = re.sub(r"[^\w.-]+", "-", text, flags=re.UNICODE).strip("-. ")[:60].strip("-. ")
    reserved = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, flags=re.IGNORECASE)
    return "lora" if not name or reserved else name


def is_folder(path: Path | str) -> bool:
    """Is there such a folder? False, too, for a name that no disk could have."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


class Run:
    """One run folder, for the trainer (``open_lock``, ``write``) and for readers (the rest)."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self._lock = FileLock(self.folder / "lock", blocking=False)

    @classmethod
    def create(cls, root: Path | str, name: str, settings_toml: str) -> "Run":
        """A new folder under root, named by time and ``name``; UserError if it can't be written."""
        say = {"fix": "Choose another run.folder.", "where": "run.folder"}
        if Path(root).exists() and not Path(root).is_dir():
            raise UserError(f"{root} is a file, not a folder.", **say)
        stem = f"{datetime.now():%Y-%m-%d_%H%M}_{safe_name(name)}"
        for attempt in range(1, 1000):
            folder = Path(root) / (stem if attempt == 1 else f"{stem}-{attempt}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise UserError(f"The output folder {root} can't be written ({error.strerror}).", **say) from error
            break
        for part in ("control", "samples", "checkpoints"):
            (folder / part).mkdir()
        write_atomically(folder / "settings.toml", sealed_text(settings_toml))
        return cls(folder)

    @classmethod
    def open(cls, folder: Path | str) -> "Run":
        """The run in a folder that is there; UserError if it is none, whatever its name is."""
        try:
            found = (Path(folder) / "settings.toml").is_file()
        except (OSError, ValueError):  # no name that a disk could have
            found = False
        if not found:
            shown = str(folder) if len(str(folder)) <= 200 else str(folder)[:197] + "..."
            raise UserError(f"{shown} is not a run folder (no settings.toml in it).", fix="`sdlora runs` lists them.")
        return cls(folder)

    def settings(self) -> Settings:
        """The settings that the run was begun with.

        UserError for a file that is cut, damaged or edited: a run goes on with what it began with. Who edits on purpose
        deletes the last line, which holds the digest; then all that counts is that the end of the file is there. So it
        is with runs of version 0.1.0, which wrote no such line.
        """
        path = self.folder / "settings.toml"
        values = read_toml(path)
        intact = seal_of(path.read_text(encoding="utf-8-sig"))
        if intact is False:
            raise UserError(
                f"The settings of {self.name} are not those it began with: settings.toml was edited or damaged.",
                fix="If you edited it on purpose, delete its last line; else put back a copy, or begin a new run.",
                where=str(path),
            )
        last = values.get("run")
        if intact is None and not (isinstance(last, dict) and "folder" in last):
            raise UserError(
                f"The settings of {self.name} are not whole: the end of settings.toml is missing.",
                fix="Put back a copy, or begin a new run.",
                where=str(path),
            )
        return make_settings(values, path.name)

    @property
    def name(self) -> str:
        return self.folder.name

    # ---- the trainer's side

    def open_lock(self) -> None:
        """Hold the lock until this process ends; UserError if another trainer holds it."""
        try:
            self._lock.acquire(timeout=2, blocking=True)  # a reader's ``alive`` may hold it for a moment
        except Timeout:
            raise UserError(
                f"{self.name} is being trained by another process.", fix="Wait for it, or stop it first."
            ) from None

    def close_lock(self) -> None:
        self._lock.release()

    def sweep(self) -> None:
        """Remove what killed processes left half-written; for the trainer, at its start, with the lock held."""
        for part in SWEPT:
            folder = self.folder / part
            for path in folder.glob(".*") if folder.is_dir() else ():
                name = HALF_WRITTEN.fullmatch(path.name)
                if name and not _writes_still(name["pid"]):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    def write(self, event: Event) -> None:
        """Append the event; a torn last line (power loss) is closed off first. UserError if the folder is gone."""
        path = self.folder / "events.jsonl"
        if not self.folder.is_dir():
            raise UserError(f"The run folder {self.folder} is gone: deleted or renamed while it trained.")
        with open(path, "a+b") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(to_line(event, time.time()).encode("utf-8") + b"\n")

    def requested(self, what: str) -> bool:
        """Is there such a request? It stays until ``answered``."""
        return (self.folder / "control" / what).exists()

    def answered(self, what: str) -> None:
        (self.folder / "control" / what).unlink(missing_ok=True)

    # ---- everybody's side

    def request(self, what: str, on: bool = True) -> None:
        """Ask the trainer for "stop", "save", "sample" or "pause" (``on=False`` ends the pause)."""
        if what not in REQUESTS:
            raise ValueError(f"unknown request {what!r}: one of {REQUESTS}")
        control = self.folder / "control"
        control.mkdir(exist_ok=True)
        (control / what).touch() if on else self.answered(what)

    def alive(self) -> bool:
        """Does a trainer hold the lock? True whatever the last event says; false after any kind of death."""
        if not (self.folder / "lock").is_file():
            return False
        probe = FileLock(self.folder / "lock", blocking=False)
        try:
            probe.acquire()
        except Timeout:
            return True
        probe.release()
        return False

    def events(self) -> Iterator[tuple[float, Event]]:
        """(unix time, event) in order; lines that can't be read are passed over."""
        path = self.folder / "events.jsonl"
        if not path.is_file():
            return
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                parsed = from_line(line)
                if parsed:
                    yield parsed

    def state(self) -> str:
        """ "running", "done", "stopped", "failed", "interrupted" (died without a word) or "new"."""
        if self.alive():
            return "running"
        last, any_event = None, False
        for _, event in self.events():
            any_event = True
            last = event if isinstance(event, Finished) else None
        if last:
            return last.why
        return "interrupted" if any_event else "new"

    def checkpoints(self) -> list[tuple[int, Path]]:
        """(step, folder) of every checkpoint, oldest first; whether one is whole, ``checkpoints.verified`` says."""
        return checkpoints_in(self.folder / "checkpoints")

    def drop_old_checkpoints(self, keep: int) -> None:
        """Delete all but the newest ``keep`` (0 keeps all) and, if none of those is good, the newest that is."""
        if not keep:
            return
        newest_first = [folder for _, folder in reversed(self.checkpoints())]
        spared = next((folder for folder in newest_first if is_good(folder)), None)
        for folder in newest_first[keep:]:
            if folder != spared:
                shutil.rmtree(folder)


def _writes_still(pid: str | None) -> bool:
    """Does another process of that number live? One may export a file while the run is started."""
    import psutil

    return pid is not None and len(pid) < 10 and int(pid) != os.getpid() and psutil.pid_exists(int(pid))


def list_runs(root: Path | str) -> list[Run]:
    """Every run under root, newest first; empty if there is no such folder."""
    root = Path(root)
    if not root.is_dir():
        return []
    return [Run(path.parent) for path in sorted(root.glob("*/settings.toml"), key=_age, reverse=True)]


def _age(settings: Path) -> tuple:
    """Sorts by the minute in the folder's name; within one, by when the settings were written, which is once."""
    try:
        return settings.parent.name[:15], settings.stat().st_mtime_ns, settings.parent.name
    except OSError:  # gone meanwhile
        return settings.parent.name[:15], 0, settings.parent.name

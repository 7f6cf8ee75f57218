"""The run folder: the only thing a trainer and those who watch it share.

runs/2026-11-21_1532_cat-toy/
  settings.toml   all settings, resolved; written before the start, never changed
  events.jsonl    one event per line, append-only
  log.txt         what the trainer printed
  lock            held by the kernel for the trainer's whole life
  control/        requests as empty files: stop, save, sample, pause
  images.json     digests of the images and captions that it was last started with
  arithmetic.json the precision, where it was measured which is the fastest
  memory.json     what is done to need less memory, if it ran out
  origin.json     the run and step that it starts from, if it was begun with --from
  samples/  checkpoints/000500/  cat-toy.safetensors
"""

from sdlora.messages import reason_of, say
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from sdlora.runs.checkpoints import checkpoints_in, is_good, is_measured
from sdlora.settings import Settings, dump_settings, make_settings, read_toml
from sdlora.errors import Problem, UserError
from sdlora.events import Event, Finished, from_line, to_line
from sdlora.files.intact import seal_of, sealed_text, write_atomically

REQUESTS = ("stop", "save", "sample", "pause")
PARTS = ("control", "samples", "checkpoints")  # folders that each run has, or makes anew
SWEPT = ("", *PARTS, "exports")  # folders of a run in which files are written
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
        self._mark: tuple[int, int] | None = None

    @classmethod
    def create(cls, root: Path | str, name: str, settings_toml: str) -> "Run":
        """A new folder under root, named by time and ``name``; UserError if it can't be written."""
        told = {"fix": say("runs.choose_another_folder"), "where": "run.folder"}
        root = Path(os.path.expanduser(root))
        if root.exists() and not root.is_dir():
            raise UserError(say("images.folder_is_file", path=root), **told)
        stem = f"{datetime.now():%Y-%m-%d_%H%M}_{safe_name(name)}"
        for attempt in range(1, 1000):
            folder = root / (stem if attempt == 1 else f"{stem}-{attempt}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise UserError(say("runs.folder_not_writable", path=root, reason=reason_of(error)), **told) from error
            break
        for part in PARTS:
            (folder / part).mkdir()
        write_atomically(folder / "settings.toml", sealed_text(settings_toml))
        return cls(folder)

    @classmethod
    def begin(cls, settings: Settings) -> "Run":
        """A new folder for resolved settings, named and placed as they say; UserError if it can't be written."""
        return cls.create(settings.run.folder, settings.run.name, dump_settings(settings))

    @classmethod
    def open(cls, folder: Path | str) -> "Run":
        """The run in a folder that is there; UserError if it is none, whatever its name is."""
        try:
            found = (Path(folder) / "settings.toml").is_file()
        except (OSError, ValueError):  # no name that a disk could have
            found = False
        if not found:
            shown = str(folder) if len(str(folder)) <= 200 else str(folder)[:197] + "..."
            raise UserError(say("runs.not_a_run", path=shown), fix=say("runs.list_runs"))
        return cls(folder)

    def check_parts(self) -> None:
        """UserError for what lies in the place of a folder that a run writes into."""
        strange = [self.folder / part for part in PARTS]
        strange = [path for path in strange if os.path.lexists(path) and not path.is_dir()]
        if strange:
            fix = say("files.delete_or_move")
            raise UserError(
                *(Problem(say("images.folder_is_file", path=path), fix, str(path)) for path in strange)
            )

    def settings(self) -> Settings:
        """The settings that the run was begun with.

        UserError for a file that is cut, damaged or edited: a run goes on with what it began with. Who edits on purpose
        deletes the last line, which holds the digest; then all that counts is that the end of the file is there. Runs
        of version 0.1.0, which wrote no such line, are read like that.
        """
        path = self.folder / "settings.toml"
        values = read_toml(path)
        intact = seal_of(path.read_text(encoding="utf-8-sig"))
        if intact is False:
            raise UserError(
                say("runs.settings_edited", name=self.name),
                fix=say("runs.unseal_or_restore"),
                where=str(path),
            )
        last = values.get("run")
        if intact is None and not (isinstance(last, dict) and "folder" in last):
            raise UserError(
                say("runs.settings_cut_off", name=self.name),
                fix=say("runs.restore_copy"),
                where=str(path),
            )
        return make_settings(values, path.name)

    @property
    def name(self) -> str:
        """The run's name: that of its folder."""
        return self.folder.name

    # ---- the trainer's side

    def open_lock(self) -> None:
        """Hold the lock until this process ends; UserError if another trainer holds it, or if nothing can be saved."""
        self.check_parts()
        try:
            self._lock.acquire(timeout=2, blocking=True)  # a reader's ``alive`` may hold it for a moment
        except Timeout:
            raise UserError(
                say("runs.in_use", name=self.name), fix=say("runs.wait_or_stop")
            ) from None
        self._mark = _mark_of(self.folder)

    def close_lock(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def sweep(self) -> None:
        """Remove what killed processes left half-written; for the trainer, at its start, with the lock held."""
        for part in SWEPT:
            folder = self.folder / part
            for path in folder.glob(".*") if folder.is_dir() else ():
                name = HALF_WRITTEN.fullmatch(path.name)
                if name and not _writes_still(name["pid"]):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    def stay(self) -> None:
        """Go on in the folder's new name where it was renamed while it trains; UserError if it is gone.

        Before anything is written: what is written under a name that is gone would make a folder that is no run.
        """
        if self.folder.is_dir() and self._mark in (None, _mark_of(self.folder)):
            return
        beside = self.folder.parent.iterdir() if self._mark and self.folder.parent.is_dir() else ()
        renamed = next((path for path in beside if _mark_of(path) == self._mark), None)
        if renamed is None:
            raise UserError(say("runs.folder_gone", path=self.folder))
        self.folder = renamed

    def write(self, event: Event) -> None:
        """Append the event; a torn last line (power loss) is closed off first. UserError if the folder is gone."""
        self.stay()
        path = self.folder / "events.jsonl"
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
        """Take the request away, now that it has been answered."""
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
        except OSError:  # a disk that is read-only, another person's run: the lock can't be taken, but looked at
            return _is_held(self.folder / "lock")
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

    def drop_old_checkpoints(self, keep: int, notable: Collection[int] = ()) -> None:
        """Delete all but the newest ``keep`` (0 keeps all) and, if none of those is good, the newest that is.

        notable: steps whose checkpoints stay in any case. What was saved for being notable alone is not counted, and
        goes when it is so no more.
        """
        newest_first = list(reversed(self.checkpoints()))
        spared = next((folder for _, folder in newest_first if is_good(folder)), None)
        passing = [(step, folder) for step, folder in newest_first if is_measured(folder)]
        others = [entry for entry in newest_first if entry not in passing]
        for step, folder in (*passing, *(others[keep:] if keep else ())):
            if folder != spared and step not in notable:
                hidden = folder.with_name(f".{folder.name}.tmp")  # as a whole or not at all; ``sweep`` knows the name
                os.replace(folder, hidden)
                shutil.rmtree(hidden)


def _is_held(lock: Path) -> bool:
    """Does another process hold the lock of a file that may only be read? False where there is no way to tell."""
    try:
        import fcntl

        with open(lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):  # Windows, and disks without locks
        return False
    return False


def _mark_of(folder: Path) -> tuple[int, int] | None:
    """What a folder keeps when it is renamed: its disk's number and its own there."""
    try:
        facts = folder.stat(follow_symlinks=False)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


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

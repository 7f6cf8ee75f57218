"""What waits for the GPU: runs to train, runs to go on with, pictures to draw. One at a time, in order, kept on disk.

runs/.queue/
  queue.json   the entries in order, and the one whose process runs ("current"); replaced atomically
  lock         held for every change, so that two servers on one folder never start two
  removed.json what was taken out last

A server may die at any line. Before a process is started, "current" names it with the server's own process; afterwards
with the new process. Whoever reads it next can tell whether that lives, and puts back what never began.
"""

import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from sdlora.errors import UserError
from sdlora.files.intact import read_json, write_json
from sdlora.runs import bin as runs_bin
from sdlora.runs import remarks
from sdlora.runs.run import Run, list_runs, safe_name
from sdlora.settings import Settings, dump_settings
from ui import text
from ui.shell.process import Trainers
from ui.shell.removed import LastRemoval, Removal

KINDS = ("train", "resume", "draw")
DRAWINGS = ".draw"  # the folder of drawings, below the runs
PACE = 1.0  # seconds between two looks of ``keep_going``
PATIENCE = 10.0  # seconds for the lock, which is held for milliseconds
UNTOUCHED = {"settings.toml", "control", "samples", "checkpoints", "lock", "log.txt", "origin.json", remarks.FILE}


@dataclass(frozen=True)
class QueueEntry:
    """An entry. kind: of ``KINDS``. name: the run's folder name, or the drawing's (``ui.shell.drawings``)."""

    kind: str
    name: str

    @property
    def trains(self) -> bool:
        """Is it a run, not a drawing?"""
        return self.kind != "draw"


@dataclass(frozen=True)
class Process:
    """A process that can be told from a later one with its number. pid 0: none yet."""

    pid: int = 0
    born: float = 0.0

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has this number now."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return cls(pid, 0.0)

    def lives(self) -> bool:
        """Does that very process still run?"""
        try:
            process = psutil.Process(self.pid) if self.pid else None
            if process is None or abs(process.create_time() - self.born) >= 1:
                return False
            return process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True)
class Current:
    """The entry that was taken last, by which server, and its process once there is one."""

    entry: QueueEntry
    server: Process
    process: Process = Process()


class Queue:
    """The queue of one runs folder. Everything is read from disk at each call; any number of servers may share it."""

    def __init__(self, root: Path | str, trainers: Trainers | None = None):
        self.root = Path(root).resolve()
        self.trainers = trainers or Trainers()
        self.folder = self.root / ".queue"
        self._file = self.folder / "queue.json"
        self._lock = FileLock(self.folder / "lock", thread_local=False)
        self._threads = threading.RLock()
        self._known: tuple[object, tuple[list[QueueEntry], Current | None]] = (None, ([], None))
        self._in_the_way: Run | None = None
        self._removed = LastRemoval(self.folder)

    # ---- what is there

    def waiting(self) -> list[QueueEntry]:
        """The entries that have not begun, in order."""
        return list(self._read()[0])

    def place(self, name: str) -> int | None:
        """1 for the run that trains next; None for one that does not wait."""
        names = [entry.name for entry in self._read()[0] if entry.trains]
        return names.index(name) + 1 if name in names else None

    def current(self) -> Current | None:
        """What was started last, while its process lives or is being made."""
        current = self._read()[1]
        return current if current and (current.process.lives() or self._being_started(current)) else None

    # ---- changes

    def add(self, settings: Settings, make: Callable[[Settings], Run] | None = None) -> Run:
        """A new run folder with these settings (resolved), last in the queue; it starts at once if nothing trains.

        make: makes the folder where more than the settings belongs in it. UserError if it can't be written.
        """
        run = make(settings) if make else Run.create(self.root, settings.run.name, dump_settings(settings))
        self._append(QueueEntry("train", run.name))
        return run

    def add_resume(self, run: Run) -> None:
        """Go on with a run that has ended early. UserError while it trains or waits already."""
        now = self.current()
        if run.alive() or self.place(run.name) or (now and now.entry.name == run.name):
            raise UserError(text.IS_TRAINING.format(name=run.name), fix=text.IS_TRAINING_FIX)
        for what in ("stop", "pause"):  # asked of a trainer that is gone: the next one must not obey it
            run.request(what, on=False)
        self._append(QueueEntry("resume", run.name))

    def add_drawing(self, name: str) -> None:
        """Draw ``runs/.draw/<name>``; drawings go before runs, since they are short."""
        self._append(QueueEntry("draw", name))

    def _append(self, entry: QueueEntry) -> None:
        with self._changing() as (entries, current):
            if entry not in entries:
                behind = next((i for i, e in enumerate(entries) if e.trains), len(entries))
                entries.insert(len(entries) if entry.trains else behind, entry)
                self._write(entries, current)
        self.start_next()

    def move(self, name: str, by: int) -> None:
        """Let a waiting run change places with the one before (-1) or after it (+1); nothing if there is none."""
        with self._changing() as (entries, current):
            places = [i for i, entry in enumerate(entries) if entry.trains]
            at = next((k for k, i in enumerate(places) if entries[i].name == name), None)
            if at is not None and 0 <= at + by < len(places):
                a, b = places[at], places[at + by]
                entries[a], entries[b] = entries[b], entries[a]
                self._write(entries, current)

    def remove(self, name: str) -> None:
        """Take an entry out; the folder of a run that never began goes into the bin. ``put_back`` undoes it."""
        with self._changing() as (entries, current):
            runs = [entry.name for entry in entries if entry.trains]
            gone = [entry for entry in entries if entry.name == name]
            if not gone:
                return
            self._write([entry for entry in entries if entry.name != name], current)
            if gone[0].trains:
                binned = self._into_bin(name) if gone[0].kind == "train" else ""
                self._removed.keep(gone[0].kind, name, runs.index(name), binned)

    def removed(self) -> Removal | None:
        """The run that was taken out last, if it can still be put back."""
        found = self._removed.read()
        if found is None or not is_name(found.name) or found.kind not in KINDS:
            return None
        folder = self.root / (f"{runs_bin.BIN}/{found.binned}" if found.binned else found.name)
        return found if folder.is_dir() and self.place(found.name) is None else None

    def put_back(self) -> Run | None:
        """The run that was taken out last waits again where it did; None if there is none. UserError if it can't."""
        found = self.removed()
        if found is None:
            return None
        run = runs_bin.take_out(self.root, found.binned) if found.binned else Run(self.root / found.name)
        with self._changing() as (entries, current):
            places = [i for i, entry in enumerate(entries) if entry.trains]
            at = places[found.at] if 0 <= found.at < len(places) else len(entries)
            entries.insert(at, QueueEntry(found.kind, run.name))
            self._write(entries, current)
            self._removed.forget()
        self.start_next()
        return run

    def replace(self, name: str, settings: Settings, make: Callable[[Settings], Run] | None = None) -> Run:
        """A new run folder in the place of one that waits, which goes into the bin; otherwise as ``add``.

        UserError if that one does not wait any more; nothing is made then.
        """
        if self.place(name) is None:
            raise UserError(text.NOT_WAITING)
        run = make(settings) if make else Run.create(self.root, settings.run.name, dump_settings(settings))
        old = QueueEntry("train", name)
        with self._changing() as (entries, current):
            waits = old in entries
            if waits:
                self._write([QueueEntry("train", run.name) if e == old else e for e in entries], current)
        if not waits:  # it has begun meanwhile
            shutil.rmtree(run.folder, ignore_errors=True)
            raise UserError(text.NOT_WAITING)
        said = remarks.remarks_of(self.root / safe_path(name))
        remarks.remark(run.folder, said.name, said.rating, said.note)
        self._into_bin(name)
        return run

    def _into_bin(self, name: str) -> str:
        """Its name there; "" for a run that has begun, or that can't be moved."""
        folder = self.root / safe_path(name)
        if not folder.is_dir() or not {path.name for path in folder.iterdir()} <= UNTOUCHED:
            return ""
        with suppress(UserError):
            return runs_bin.delete(Run(folder)).name
        return ""

    # ---- starting

    def keep_going(self) -> None:
        """Start what waits, whenever nothing runs: for as long as this process lives, in a thread of its own."""

        def go_on() -> None:
            while True:
                try:
                    self.start_next()
                except (OSError, UserError, Timeout) as error:
                    print(error, flush=True)  # a full disk: said in the terminal, tried again
                time.sleep(PACE)

        threading.Thread(target=go_on, name="queue", daemon=True).start()

    def start_next(self) -> QueueEntry | None:
        """Start the first entry if nothing runs, and return it. OSError if no process can be made; it then waits on."""
        self.trainers.reap()
        entries, current = self._read()
        if not entries and (current is None or current.process.pid):
            return None
        with self._changing() as (entries, current):
            if current and (current.process.lives() or self._being_started(current)):
                return None
            self._put_back(entries, current)
            if not entries or self._is_training():
                return None
            me, entry = Process.of(os.getpid()), entries.pop(0)
            self._write(entries, Current(entry, me))
            try:
                pid = self._start(entry)
            except BaseException:
                self._write([entry, *entries], None)
                raise
            self._write(entries, Current(entry, me, Process.of(pid)) if pid else None)
            return entry

    def _start(self, entry: QueueEntry) -> int:
        """The number of the new process; 0 if its folder is gone."""
        folder = self.place_of(entry)
        if not folder.is_dir():
            return 0
        start = {"train": self.trainers.train, "resume": self.trainers.resume, "draw": self.trainers.draw}
        return start[entry.kind](folder).pid

    def place_of(self, entry: QueueEntry) -> Path:
        """The folder of an entry."""
        return self.root / (DRAWINGS if entry.kind == "draw" else "") / safe_path(entry.name)

    def _being_started(self, current: Current) -> bool:
        """Has a server taken the entry and not yet said which process it is? Not if that server is dead."""
        return not current.process.pid and current.server.lives() and current.server.pid != os.getpid()

    def _put_back(self, entries: list[QueueEntry], current: Current | None) -> None:
        """An entry whose server died before it could start the process goes to the front again."""
        if current is None or current.process.pid or current.entry in entries:
            return
        folder = str(self.place_of(current.entry))
        if not any(folder in (p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])):
            entries.insert(0, current.entry)

    def _is_training(self) -> bool:
        """Does any trainer hold a run's lock, also one that was started in a terminal?"""
        if self._in_the_way and self._in_the_way.alive():
            return True
        self._in_the_way = next((run for run in list_runs(self.root) if run.alive()), None)
        return self._in_the_way is not None

    # ---- the file

    def _read(self) -> tuple[list[QueueEntry], Current | None]:
        """(entries, current); a file that can't be read counts as empty."""
        try:
            stat = self._file.stat()
        except OSError:
            return [], None
        mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._known[0] != mark:
            self._known = (mark, self._parse())
        return self._known[1]

    def _parse(self) -> tuple[list[QueueEntry], Current | None]:
        try:
            told = read_json(self._file, digest=False)  # 0.1.0 wrote none
            entries = [QueueEntry(**entry) for entry in told["entries"]]
            now = told["current"]
            current = now and Current(QueueEntry(**now["entry"]), Process(**now["server"]), Process(**now["process"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return [], None
        return [entry for entry in entries if entry.kind in KINDS and is_name(entry.name)], current

    @contextmanager
    def _changing(self) -> Iterator[tuple[list[QueueEntry], Current | None]]:
        """Under the lock: (the entries, the current one). What is to stay has to be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._threads, self._lock.acquire(timeout=PATIENCE):
            self._known = (None, ([], None))  # the lock's holder reads what is there, whatever the clock says
            entries, current = self._read()
            yield list(entries), current

    def _write(self, entries: list[QueueEntry], current: Current | None) -> None:
        told = {"entries": [asdict(entry) for entry in entries], "current": current and asdict(current)}
        write_json(self._file, told)
        self._known = (None, ([], None))


def new_name(what: str) -> str:
    """A name for a drawing that no other has; sorted by age."""
    return f"{time.strftime('%Y-%m-%d_%H%M%S')}_{safe_name(what)}_{uuid.uuid4().hex[:6]}"


def is_name(name: object) -> bool:
    """Is this a plain folder name, one that leads nowhere else?"""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\\0:") and len(name) < 200


def safe_path(name: str) -> str:
    """The name; ValueError if it is not one."""
    if not is_name(name):
        raise ValueError(f"not a name of a run: {name[:80]!r}")
    return name

"""Runs that were deleted: they lie in a folder beside the others until it is emptied. No torch.

runs/.bin/2026-11-21_1532_cat-toy/   the run folder as it was

Only what is a run is ever listed, put back or deleted for good: a folder with a settings.toml, by the name it has there.
"""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sdlora.errors import UserError, explain
from sdlora.messages import say
from sdlora.runs.run import Run, list_runs

BIN = ".bin"
_GONE = ".gone-"  # begins the name of what is being deleted for good


def delete(run: Run) -> Path:
    """Move a run into the bin beside it; its place there. UserError while it trains, or if the system refuses."""
    folder = Path(os.path.abspath(run.folder))  # its own name, where it is a link as well
    if folder.parent.name == BIN:
        raise UserError(say("runs.in_bin_already", name=folder.name), fix=say("runs.empty_bin"))
    lock = FileLock(folder / "lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(say("runs.in_use", name=run.name), fix=say("runs.stop_before_deleting")) from None
    except OSError:  # a disk that is read-only says so below
        if run.alive():
            raise UserError(say("runs.in_use", name=run.name), fix=say("runs.stop_before_deleting")) from None
    try:
        if os.name == "nt":
            lock.release()  # there, a folder with an open file in it can't be moved
        return _moved(folder, folder.parent / BIN)
    except OSError as error:
        raise explain(error) from error
    finally:
        lock.release()


def binned(root: Path | str) -> list[Run]:
    """The runs in the bin of a runs folder, newest first."""
    return [run for run in list_runs(Path(root) / BIN) if not run.name.startswith(".")]


def take_out(root: Path | str, name: str) -> Run:
    """Take a run out of the bin; under another name where its own is taken. UserError if there is none by that name."""
    found = next((run for run in binned(root) if run.name == name), None)
    if found is None:
        shown = name if len(name) <= 100 else name[:97] + "..."
        raise UserError(say("runs.not_in_bin", name=shown), fix=say("runs.list_bin"))
    try:
        return Run(_moved(found.folder, Path(root)))
    except OSError as error:
        raise explain(error) from error


def empty(root: Path | str) -> tuple[int, int]:
    """Delete for good what lies in the bin; (runs, bytes) that went. UserError if the system refuses; the rest stays."""
    count = freed = 0
    folder = Path(root) / BIN
    try:
        for run in binned(root):
            size = bytes_in(run.folder)
            gone = run.folder.with_name(f"{_GONE}{run.name[:80]}.{os.getpid()}.{time.monotonic_ns()}")
            os.replace(run.folder, gone)  # what is half deleted must not look like a run
            _remove(gone)
            count, freed = count + 1, freed + size
        for rest in folder.glob(f"{_GONE}*"):  # of a process that was killed here
            _remove(rest)
        with suppress(OSError):
            folder.rmdir()
    except OSError as error:
        raise explain(error) from error
    return count, freed


def bytes_in(folder: Path | str) -> int:
    """Bytes of all files in a folder; links are not followed, what can't be read is not counted."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(here, name)).st_size
    return total


def _moved(folder: Path, into: Path) -> Path:
    """Rename a folder into another one, under its own name or, where that is taken, one with a number. OSError."""
    into.mkdir(exist_ok=True)
    for attempt in range(1, 1000):
        target = into / (folder.name if attempt == 1 else f"{folder.name}-{attempt}")
        if not os.path.lexists(target):
            os.rename(folder, target)
            return target
    raise FileExistsError(17, os.strerror(17), str(into / folder.name))


def _remove(path: Path) -> None:
    path.unlink() if path.is_symlink() else shutil.rmtree(path)

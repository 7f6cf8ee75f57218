"""Who runs from .venv: each such process holds a lock in it, so that nobody takes it away from under a training.

The system lets go of a lock when its process ends, killed or not. sdlora/inuse.py does the same for what runs without
launch.py. POSIX: one shared lock. Windows has exclusive locks alone, of ranges of bytes: each process takes one byte.
"""

import contextlib
import os
from pathlib import Path
from typing import IO

from launcher import Stop

NAME = "in-use.lock"
BYTES = 4096  # Windows: so many processes at once


def hold(venv: Path) -> IO | None:
    """Keep the answer for as long as .venv is needed; None where it can't be locked."""
    try:
        file = open(venv / NAME, "a+b")  # noqa: SIM115 (open for as long as the process lives)
        if lock_share(file):
            return file
        file.close()
    except OSError:
        return None  # a read-only disk, or one without locks
    return None


def refuse_if_in_use(venv: Path) -> None:
    """Stop while a process runs from there."""
    if not (venv / NAME).exists():
        return
    with open(venv / NAME, "a+b") as file:
        if not lock_whole(file):
            raise Stop(
                f"sdlora is running from {venv} (the page, a training, tests), which has to be changed: let that end "
                "or close it, then start again."
            )


def lock_share(file: IO) -> bool:
    if os.name == "nt":
        import msvcrt

        for byte in range(BYTES):
            with contextlib.suppress(OSError):
                file.seek((os.getpid() + byte) % BYTES)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                return True
        return False
    import fcntl

    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return True


def lock_whole(file: IO) -> bool:
    """False if another process has a share; True too where the file system knows no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, BYTES)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True

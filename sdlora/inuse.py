"""Says to launch.py that its .venv is needed, for as long as this process lives (see tools/launcher/inuse.py)."""

import contextlib
import os
import sys
from pathlib import Path
from typing import IO

NAME, BYTES = "in-use.lock", 4096  # as launch.py has them
_held: list[IO] = []


def hold(environment: Path | None = None) -> bool:
    """Lock the environment of this Python, if launch.py made it; False for any other, or where it can't be locked."""
    environment = environment or Path(sys.prefix)
    if not (environment / "install.log").is_file():
        return False
    if _held:
        return True
    try:
        file = open(environment / NAME, "a+b")  # noqa: SIM115 (open for as long as the process lives)
    except OSError:
        return False  # a read-only disk
    with contextlib.suppress(OSError):
        if os.name == "nt":
            import msvcrt

            for byte in range(BYTES):
                file.seek((os.getpid() + byte) % BYTES)
                with contextlib.suppress(OSError):
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows has it
                    _held.append(file)
                    return True
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            _held.append(file)
            return True
    file.close()
    return False

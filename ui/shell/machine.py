"""What this computer has left: its GPUs' memory and power, where there are any, and its own memory.

The driver's own program is asked (``nvidia-smi``), never torch, which would take memory of the GPU itself. It may be
missing, slow or say nothing of a value: nobody waits for it, and what it does not say is not shown.
"""

import csv
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass

import psutil

FRESH = 4.0  # seconds that a reading is good
PATIENCE = 5.0  # seconds for the driver's program
REST = 60.0  # seconds without asking again after it failed
ASKED = ("name", "memory.used", "memory.total", "power.draw", "power.limit", "utilization.gpu", "temperature.gpu")
MIB = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """One GPU. used, total: bytes. watts, limit: of power. load: percent of time it worked. None: not said."""

    name: str
    used: int | None = None
    total: int | None = None
    watts: float | None = None
    limit: float | None = None
    load: float | None = None
    degrees: float | None = None


@dataclass(frozen=True)
class Machine:
    """A reading. free, total: bytes of the computer's memory."""

    gpus: tuple[Gpu, ...] = ()
    free: int = 0
    total: int = 0


class Meter:
    """Readings for all pages. ``look`` gives the last one at once; a thread of its own takes the next."""

    def __init__(self, program: str = "nvidia-smi"):
        self._program = program
        self._lock = threading.Lock()
        self._gpus: tuple[Gpu, ...] = ()
        self._next = 0.0  # when the driver may be asked again
        self._reads = False

    def look(self) -> Machine:
        """What is known now; begins another reading if that is old."""
        with self._lock:
            if not self._reads and time.monotonic() >= self._next:
                self._reads = True
                threading.Thread(target=self._read, name="meter", daemon=True).start()
            gpus = self._gpus
        memory = psutil.virtual_memory()
        return Machine(gpus, memory.available, memory.total)

    def _read(self) -> None:
        gpus: tuple[Gpu, ...] = ()
        pause = REST
        try:
            gpus = gpus_of(self._program)
            pause = FRESH if gpus else REST
        finally:
            with self._lock:
                self._gpus, self._reads, self._next = gpus, False, time.monotonic() + pause


def gpus_of(program: str, patience: float = PATIENCE) -> tuple[Gpu, ...]:
    """What the driver's program says of the GPUs; () if there is none, or if it fails or takes too long."""
    found = shutil.which(program)
    if not found:
        return ()
    command = [found, f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, timeout=patience, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.SubprocessError):
        return ()
    if told.returncode:
        return ()
    rows = csv.reader(told.stdout.decode("utf-8", "replace").splitlines()[:64], skipinitialspace=True)
    return tuple(_gpu(row) for row in rows if len(row) == len(ASKED))


def _gpu(row: list[str]) -> Gpu:
    name, *rest = row
    used, total, watts, limit, load, degrees = map(_number, rest)
    return Gpu(
        name.strip()[:80],
        None if used is None else int(used * MIB),
        None if total is None else int(total * MIB),
        watts,
        limit,
        load,
        degrees,
    )


def _number(said: str) -> float | None:
    """None for "[N/A]", "[Not Supported]" and the like."""
    try:
        value = float(said)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None

"""What an engine is: one file's worth of how a job is written for it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdlora.launch.job import RemoteJob


@dataclass(frozen=True)
class Engine:
    """One engine.

    file: the name of what is written. text: (job, the Python environment that runs here) -> its content; UserError for
    an option that is missing or odd. hand_in: the program's arguments that come before the file's path.
    shared_disk: the other machines see the paths of this one.
    """

    file: str
    text: Callable[[RemoteJob, Path], str]
    hand_in: tuple[str, ...]
    shared_disk: bool = False

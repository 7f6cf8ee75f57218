"""The folders that a run writes into: can they be written, and do they lie apart?"""

import os
import tempfile
from pathlib import Path

from sdlora.check.case import Case
from sdlora.check.images import cache_folder
from sdlora.errors import Problem


def runs_folder(case: Case) -> list[Problem]:
    """A runs folder that can't be written, or lies among the images."""
    settings = case.settings
    target = Path(os.path.abspath(os.path.expanduser(settings.run.folder)))
    problems = _writable(target, "run.folder", "The output folder")
    data = Path(os.path.abspath(os.path.expanduser(settings.data.folder)))
    if settings.data.folder and target.is_relative_to(data):
        what = f"The output folder {target} lies inside data.folder, so test pictures would become training images."
        problems.append(Problem(what, "Choose a run.folder outside of it.", "run.folder"))
    return problems


def cache(case: Case) -> list[Problem]:
    """A cache folder that can't be written."""
    return _writable(cache_folder(case.settings), "data.cache", "The cache folder")


def _writable(folder: Path, key: str, what: str) -> list[Problem]:
    """Tried out with a file that is gone at once: rights alone don't tell of read-only disks."""
    try:
        with tempfile.TemporaryFile(dir=existing(folder)):
            return []
    except OSError as error:
        return [Problem(f"{what} {folder} can't be written ({error.strerror}).", f"Choose another {key}.", key)]


def existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that is there."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder

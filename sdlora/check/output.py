"""The folders that a run writes into: can they be written, and do they lie apart?"""

import os
import tempfile
from pathlib import Path

from sdlora.check.case import Case
from sdlora.check.images import cache_folder
from sdlora.errors import Problem
from sdlora.messages import reason_of, say


def runs_folder(case: Case) -> list[Problem]:
    """A runs folder that can't be written, or lies among the images."""
    settings = case.settings
    target = Path(os.path.abspath(os.path.expanduser(settings.run.folder)))
    problems = _writable(target, "run.folder", say("settings.folder_output"))
    data = Path(os.path.abspath(os.path.expanduser(settings.data.folder)))
    if settings.data.folder and target.is_relative_to(data):
        what = say("settings.output_among_images", path=target)
        problems.append(Problem(what, say("settings.choose_folder_outside"), "run.folder"))
    return problems


def cache(case: Case) -> list[Problem]:
    """A cache folder that can't be written."""
    return _writable(cache_folder(case.settings), "data.cache", say("settings.folder_cache"))


def _writable(folder: Path, key: str, what: str) -> list[Problem]:
    """Tried out with a file that is gone at once: rights alone don't tell of read-only disks."""
    try:
        with tempfile.TemporaryFile(dir=existing(folder)):
            return []
    except OSError as error:
        return [
            Problem(
                say("settings.folder_not_writable", which_folder=what, path=folder, reason=reason_of(error)),
                say("settings.choose_another", key=key),
                key,
            )
        ]


def existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that is there."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder

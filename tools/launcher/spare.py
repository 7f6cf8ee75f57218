"""A spare of an environment: what can be put back when a change of it comes to nothing.

By hard links, which take no room and seconds; by copying where the disk knows none. That is enough: pip never writes
into a file that is there, it takes it away and makes another.
"""

import os
import shutil
from pathlib import Path

MARGIN = 1.2  # what a copy may take more than the files' sizes: blocks, folders


def make_spare(folder: Path, target: Path, leave_out: tuple[str, ...], needed: float) -> bool:
    """target becomes folder without the names in leave_out; False, and no target, where there is no room for it.

    needed: gigabytes of the disk that are wanted for something else.
    """
    if copy(folder, target, leave_out, os.link):
        return True
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    room = shutil.disk_usage(folder).free - needed * 1e9
    return room > size * MARGIN and copy(folder, target, leave_out, shutil.copy2)


def copy(folder: Path, target: Path, leave_out: tuple[str, ...], copy_file) -> bool:
    """All of it or nothing."""
    ignore = shutil.ignore_patterns(*leave_out)
    try:
        shutil.copytree(folder, target, symlinks=True, ignore=ignore, copy_function=copy_file)
    except OSError:  # which shutil.Error is
        shutil.rmtree(target, ignore_errors=True)
        return False
    return True

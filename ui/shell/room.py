"""How much may be uploaded: what lies in the upload folder has a limit, and the disk keeps something for training."""

import os
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from gradio.utils import get_upload_folder

MOST = 32 << 30  # bytes of uploads that are there at once; what is added to a dataset goes from here
SPARE = 1 << 30  # bytes of the disk that stay free
TORN = 86_400.0  # seconds after which the rest of an upload that broke off is removed


class Room:
    """The room for uploads of one page. Thread-safe. most, spare: bytes. folder: Gradio's own, unless a test says."""

    def __init__(self, folder: Path | None = None, most: int = MOST, spare: int = SPARE):
        self.folder, self.most, self.spare = folder, most, spare
        self._lock = threading.Lock()
        self._coming = 0  # bytes of the uploads that are on their way, as they have said themselves

    def reserve(self, size: int) -> bool:
        """Keep room for an upload of ``size`` bytes; False if there is none."""
        folder = self.folder or Path(get_upload_folder())
        with self._lock:
            with suppress(OSError):  # what can't be measured is not held against an upload
                left = min(self.most - _lies_in(folder), _free(folder) - self.spare)
                if size + self._coming > left:
                    return False
            self._coming += size
            return True

    def release(self, size: int) -> None:
        """The upload has ended: what came of it lies in the folder now."""
        with self._lock:
            self._coming -= size


def _free(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _lies_in(folder: Path) -> int:
    """Bytes of all uploads. Those that broke off lie in the folder itself, under a name of Python's own."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                path = Path(here, name)
                stat = path.stat()
                if Path(here) == folder and name.startswith("tmp") and time.time() - stat.st_mtime > TORN:
                    path.unlink()
                else:
                    total += stat.st_size
    return total

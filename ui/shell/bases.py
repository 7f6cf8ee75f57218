"""The base models on this computer, looked for when somebody asks, and shared by all pages for a while."""

import threading
import time

from sdlora.models.found import FoundBases, find_bases
from sdlora.models.places import ModelFolder, model_folders
from ui.shell.place import Place

FRESH = 120.0  # seconds that a look is good, unless a person asks for another one


class Bases:
    """The look of one page server. Thread-safe; one look at a time, the others wait for it."""

    def __init__(self, place: Place):
        self.place = place
        self._lock = threading.Lock()
        self._found: tuple[float, FoundBases] = (-1e9, FoundBases())

    def look(self, again: bool = False) -> FoundBases:
        """What there is; with ``--data``, inside of the folders that may be typed and nowhere else."""
        with self._lock:
            when, found = self._found
            if again or time.monotonic() - when >= FRESH:
                found = find_bases(self.folders())
                found.bases = [one for one in found.bases if self.place.allows("model.base", one.base)]
                self._found = (time.monotonic(), found)
            return found

    def folders(self) -> list[ModelFolder]:
        """Where the page may look."""
        own = [path for path in (self.place.models, self.place.data_root) if path]
        mine = [ModelFolder(path, path.name) for path in own]
        return mine if self.place.data_root else [*model_folders(), *mine]

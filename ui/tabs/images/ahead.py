"""Thumbnails of the page that is likely to be looked at next, drawn while the visitor looks at this one."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ui.shell.place import Place
from ui.tabs.images.album import Album, ImageEntry

LATER = 1.0  # seconds until it begins: the page that is shown is on its way to the browser


class Ahead:
    """One page at a time, in the background; a wish that has not begun gives way to a newer one."""

    def __init__(self, place: Place):
        self.place = place
        self._pool = ThreadPoolExecutor(1)
        self._wish: Future | None = None

    def draw(self, album: Album, entries: Sequence[ImageEntry]) -> None:
        """Draw these entries' thumbnails in the background, in place of what was wished before and has not begun."""
        if self._wish:
            self._wish.cancel()
        self._wish = self._pool.submit(self._draw, album, entries)

    def _draw(self, album: Album, entries: Sequence[ImageEntry]) -> None:
        time.sleep(LATER)
        album.draw(self.place, entries)

"""A folder of captioned images as the Images tab shows it: what each image has, filters, pages, changes on disk."""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sdlora.data import CACHE_FOLDER, tokens
from sdlora.data.captions import read_captions, sidecars
from sdlora.data.edit import Edit, changes, tag_counts
from sdlora.data.history import History
from sdlora.data.index import Seen, inspect_files
from sdlora.data.listing import find_images
from sdlora.data.tags import clean_lines, has_word, split_tags
from sdlora.errors import Problem, UserError
from ui import text
from ui.shell.place import Place
from ui.shell.render import THUMB

PAGE = 60
SHORT = 90  # characters of a caption under its thumbnail
FILTERS = ("all", "bare", "named", "problem")
ASIDE = ".aside"  # hidden, so that no scan finds it
PROBLEMS = ("unreadable", "small", "shared", "long")  # those that are worth a look, apart from a missing caption


@dataclass
class ImageEntry:
    """One image. caption: as a step would see it without the trigger word. size: (0, 0) until it was looked at."""

    path: Path
    name: str  # relative to the folder, with forward slashes: what the page calls it by
    caption: str
    source: str  # of the caption, as ``Caption.source``
    shared: bool = False  # another image has the same name but for its ending, and so the same caption file
    tokens: int = 0
    size: tuple[int, int] = (0, 0)
    broken: str = ""  # the sentence, where it can't be read

    @property
    def bare(self) -> bool:
        """Is there no caption at all?"""
        return not self.caption

    @property
    def named(self) -> bool:
        """Is the caption made from the file's name, since nobody has written one?"""
        return self.source == "name" and bool(self.caption)

    def words(self, limits: "Limits") -> str:
        """The caption as it is read: with the trigger word."""
        if not limits.trigger or has_word(self.caption, limits.trigger):
            return self.caption
        return f"{limits.trigger}, {self.caption}" if self.caption else limits.trigger

    def length(self, limits: "Limits") -> int:
        """Tokens of what is read."""
        words = self.words(limits)
        return self.tokens if words == self.caption else self.tokens + _length(words[: len(words) - len(self.caption)])

    def problems(self, limits: "Limits") -> list[str]:
        """Keys of ``PROBLEMS``. small: less than half as wide and high (by area) as the training size."""
        applies = {
            "unreadable": self.broken,
            "small": self.size != (0, 0) and self.size[0] * self.size[1] * 4 < limits.resolution**2,
            "shared": self.shared,
            "long": not tokens.is_read_whole(self.words(limits), limits.tokens, limits.weighted),
        }
        return [kind for kind in PROBLEMS if applies[kind]]


@lru_cache(maxsize=64)
def _length(words: str) -> int:
    return tokens.token_counts([words])[0]


@dataclass(frozen=True)
class Limits:
    """The settings that decide whether an image has a problem.

    resolution: pixels. tokens: of a caption, at most; trigger: the word that comes in front of it; weighted: are
    brackets read as weights?
    """

    resolution: int
    tokens: int = 225
    trigger: str = ""
    weighted: bool = False


class Changed(Exception):
    """The caption is no longer what the person who writes had before them: somebody has changed it meanwhile."""

    def __init__(self, now: str):
        super().__init__(now)
        self.now = now


@dataclass(frozen=True)
class Filter:
    """What of the album is shown: of FILTERS, with every one of the tags, with ``search`` in caption or name."""

    show: str = "all"
    search: str = ""
    tags: tuple[str, ...] = ()


class Album:
    """The images of one folder (``Place.folder`` has allowed it). Thread-safe; shared by all pages that show it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.history = History(folder)
        self.notes: list[Problem] = []
        self.looked = 0  # images whose file was opened
        self._entries: dict[str, ImageEntry] = {}
        self._lock = threading.RLock()
        self._looking: threading.Thread | None = None
        self._by: dict[str, tuple[str, str]] = {}  # image -> (page that wrote its caption last, what it wrote)
        self._typing: tuple[str, str, int] | None = None  # (page, image, change) of a caption that is being typed

    # ---- reading

    def read(self) -> None:
        """Names and captions of every image, from the disk. ``look`` opens the files."""
        images = find_images(self.folder)
        captions, notes = read_captions(images, self.folder)
        stems: dict[Path, int] = {}
        for image in images:
            stems[image.with_suffix("")] = stems.get(image.with_suffix(""), 0) + 1
        counts = tokens.token_counts(captions[image].text for image in images)
        with self._lock:
            old, self._entries, self.notes, self.looked = self._entries, {}, notes, 0
            for image, amount in zip(images, counts, strict=True):
                name, caption = image.relative_to(self.folder).as_posix(), captions[image]
                known = old.get(name)
                size, broken = (known.size, known.broken) if known else ((0, 0), "")
                shared = stems[image.with_suffix("")] > 1
                self._entries[name] = ImageEntry(
                    image, name, caption.text, caption.source, shared, amount, size, broken
                )
            self._looking = None

    def look(self) -> None:
        """Begin to open the files of what was read, if that has not begun."""
        with self._lock:
            if self._looking is None:
                self._look()

    def _look(self) -> None:
        names = {entry.path: name for name, entry in self._entries.items()}
        done = [0]

        def tell(name: str, seen: Seen) -> None:
            done[0] += 1
            with self._lock:
                entry = self._entries.get(name)
                if entry and self._looking is thread:
                    entry.size, entry.broken = seen.size, seen.problem
                    self.looked = done[0]

        thread = threading.Thread(
            target=inspect_files, args=(names, self.folder / CACHE_FOLDER / "index.json", tell), daemon=True
        )
        self._looking = thread
        thread.start()

    def wait(self, seconds: float) -> bool:
        """Have all files been looked at, after at most this time?"""
        thread = self._looking
        if thread:
            thread.join(seconds)
        return thread is not None and not thread.is_alive()

    def refresh(self, images: list[Path]) -> None:
        """Read the captions of these images again."""
        with self._lock:
            known = {image: self._entries.get(image.relative_to(self.folder).as_posix()) for image in images}
            captions = read_captions([image for image, entry in known.items() if entry], self.folder)[0]
            counts = tokens.token_counts(caption.text for caption in captions.values())
            for (image, caption), amount in zip(captions.items(), counts, strict=True):
                entry = known[image]
                entry.caption, entry.source, entry.tokens = caption.text, caption.source, amount

    # ---- what is shown

    def entry(self, name: str) -> ImageEntry | None:
        """The image of that name; None if there is none."""
        return self._entries.get(name)

    def entries(self, wanted: Filter, limits: Limits) -> list[ImageEntry]:
        """What the filter lets through, in natural order of the names."""
        search, tags = wanted.search.casefold().strip(), {tag.casefold() for tag in wanted.tags}
        with self._lock:
            shown = list(self._entries.values())
        if wanted.show == "bare":
            shown = [e for e in shown if e.bare]
        elif wanted.show == "named":
            shown = [e for e in shown if e.named]
        elif wanted.show == "problem":
            shown = [e for e in shown if e.problems(limits)]
        if tags:
            shown = [e for e in shown if tags <= {tag.casefold() for tag in split_tags(e.caption)}]
        if search:
            shown = [e for e in shown if search in e.caption.casefold() or search in e.name.casefold()]
        return shown

    def counts(self, limits: Limits) -> dict[str, int]:
        """How many images there are, how many each filter shows, how many have each problem."""
        entries = self.entries(Filter(), limits)
        kinds = [kind for entry in entries for kind in entry.problems(limits)]
        return {
            "all": len(entries),
            "bare": sum(e.bare for e in entries),
            "named": sum(e.named for e in entries),
            "problem": sum(bool(e.problems(limits)) for e in entries),
            **{kind: kinds.count(kind) for kind in PROBLEMS},
        }

    def tags(self, wanted: Filter, limits: Limits) -> list[tuple[str, int]]:
        """(tag, count) among what is shown, for captions that people wrote; only tags that several captions have."""
        shown = self.entries(wanted, limits)
        return [(tag, n) for tag, n in tag_counts(e.caption for e in shown if not e.named) if n > 1]

    def thumbnails(self, place: Place, entries: list[ImageEntry], limits: Limits) -> list[tuple[str, str]]:
        """(thumbnail, short caption) of these; a grey square for those that can't be read."""
        pairs = zip(entries, self.draw(place, entries), strict=True)
        return [(str(picture or place.blank()), _short(entry, limits)) for entry, picture in pairs]

    def draw(self, place: Place, entries: list[ImageEntry]) -> list[Path | None]:
        """The thumbnails. Side by side: decoding leaves the interpreter's lock."""
        with ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda entry: place.picture(entry.path, THUMB), entries))
        for entry, picture in zip(entries, drawn, strict=True):
            if picture is None and not entry.broken:
                entry.broken = text.unreadable([entry.name])
        return drawn

    # ---- changes, on disk at once

    def save(self, name: str, caption: str, seen: str | None = None, page: str = "", goes_on: bool = False) -> bool:
        """Write an image's caption; False if it is that already. UserError if it can't be written.

        seen: what the person who writes had before them. Changed if that is not the caption any more and this very
        page has not written it. goes_on: they are still typing, so that what follows is part of the same change.
        """
        with self._lock:
            return self._save(name, caption, seen, page, goes_on)

    def _save(self, name: str, caption: str, seen: str | None, page: str, goes_on: bool) -> bool:
        entry = self._entries.get(name)
        if entry is None:
            return False
        if not entry.path.exists():
            raise UserError(text.GONE)
        self.refresh([entry.path])  # a file may have been changed by another program
        now, typing, self._typing = entry.caption, self._typing, None
        if clean_lines(caption) in (now, None if seen is None else clean_lines(seen)):
            return False  # only looked at; a name, too, goes on being the caption
        if seen is not None and clean_lines(seen) != now and self._by.get(name) != (page, now):
            raise Changed(now)
        if not (typing and typing[:2] == (page, name) and self.history.add_to(typing[2], entry.path, caption)):
            self.history.write({entry.path: caption}, "one", entry.name)
        self.refresh([entry.path])
        self._by[name] = (page, entry.caption)
        last = self.history.last()
        self._typing = (page, name, last.number) if goes_on and last else None
        return True

    def preview(self, wanted: Filter, limits: Limits, edit: Edit) -> dict[Path, tuple[str, str]]:
        """(before, after) of each shown caption that the edit changes."""
        return changes({e.path: e.caption for e in self.entries(wanted, limits)}, edit)

    def apply(self, wanted: Filter, limits: Limits, edit: Edit) -> int:
        """Do the edit to every image that the filter shows; how many captions changed."""
        edits = self.preview(wanted, limits, edit)
        if edits:
            words = f"{edit.what} → {edit.by}" if edit.kind == "replace" else edit.what
            self.write({image: after for image, (_, after) in edits.items()}, edit.kind, words)
        return len(edits)

    def write(self, captions: Mapping[Path, str], kind: str, words: str) -> None:
        """Write captions as one change that can be undone."""
        try:
            self.history.write(captions, kind, words)
        finally:
            self.refresh(list(captions))

    def undo(self) -> tuple[int, int]:
        """Take the last change back: (captions or images restored, those that changed again since and stay)."""
        restored, changed = self.history.undo()
        if any(self.entry(image.relative_to(self.folder).as_posix()) is None for image in restored):
            self.read()  # images are back in the set
            self.look()
        self.refresh(restored)
        return len(restored), changed

    def put_aside(self, names: list[str]) -> list[str]:
        """Move images and their captions into the hidden folder ``.aside`` as one change that can be undone.

        The names of those that moved. UserError if one can't be moved.
        """
        with self._lock:
            entries = [entry for name in dict.fromkeys(names) if (entry := self._entries.get(name))]
            taken: set[Path] = set()
            ways = {entry.path: self._way_aside(entry, taken) for entry in entries}
            if not ways:
                return []
            try:
                self.history.move(ways, text.names_listed([entry.name for entry in entries], 2))
            finally:
                moved = [entry.name for entry in entries if not os.path.lexists(entry.path)]
                for name in moved:
                    del self._entries[name]
        return moved

    def _way_aside(self, entry: ImageEntry, taken: set[Path]) -> dict[Path, Path]:
        """Where each of the image's files is, and where it goes; ``taken``: where others go, which grows."""
        target = _free(self.folder / ASIDE / entry.name, taken)
        way = {entry.path: target}
        for side in [] if entry.shared else sidecars(entry.path):
            whole = side.stem.casefold() == entry.path.name.casefold()  # cat.png.txt
            way[side] = target.with_name((target.name if whole else target.stem) + side.suffix)
        taken |= set(way.values())
        return way


def _free(path: Path, taken: set[Path]) -> Path:
    attempt, target = 1, path
    while os.path.lexists(target) or target in taken:
        attempt += 1
        target = path.with_name(f"{path.stem}-{attempt}{path.suffix}")
    return target


def _short(entry: ImageEntry, limits: Limits) -> str:
    caption = text.NO_CAPTION if entry.bare else entry.caption.replace("\n", " ")
    kinds = entry.problems(limits)
    if kinds:
        caption = f"▲ {text.PROBLEM_SHORT[kinds[0]]} · {caption}"
    elif entry.named:
        caption = f"{text.FROM_NAME} · {caption}"
    return caption if len(caption) <= SHORT else caption[: SHORT - 1] + "…"


class Albums:
    """Albums by folder: kept while pages come and go, the least used dropped, read anew when asked or old."""

    def __init__(self, size: int = 8, fresh: float = 300):
        self._size, self._fresh = size, fresh
        self._albums: OrderedDict[Path, tuple[Album, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, folder: Path, anew: bool = False) -> Album:
        """The album of a folder that ``Place.folder`` has allowed."""
        with self._lock:
            album, read = self._albums.get(folder) or (Album(folder), -1e9)
            if anew or time.monotonic() - read > self._fresh:
                album.read()
                read = time.monotonic()
            self._albums[folder] = (album, read)
            self._albums.move_to_end(folder)
            while len(self._albums) > self._size:
                self._albums.popitem(last=False)
            return album

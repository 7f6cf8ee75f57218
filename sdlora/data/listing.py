"""What lies in a folder of images: every file is an image, a caption, a mask, ours, or one that is named. No torch."""

import errno
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from sdlora.data.images import SUFFIXES, looks_like_image
from sdlora.files.regular import irregular_kind, open_regular
from sdlora.messages import say

OF_SYSTEMS = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"})  # nobody misses them
MASK = re.compile(r"(.+)[-_. ](masklabel|condlabel|mask)", flags=re.IGNORECASE)  # OneTrainer: x-masklabel.png
MASK_FOLDER = re.compile(r"(.*[-_ ])?(masks?|masklabels?)([-_ ].*)?", flags=re.IGNORECASE)
ENDING = re.compile(r"\.[a-z][a-z0-9]*", flags=re.IGNORECASE)
GROWN = re.compile(r"\.(jpe?g|png|webp)\W?[_:!].*|\.(jpg|png)large", flags=re.IGNORECASE)  # x.jpg_large, x.jpg!d
HEAD = 64  # bytes that tell a format


@dataclass
class Listing:
    """The files below a folder, links to folders followed, hidden ones and those of systems left out."""

    root: Path
    images: list[Path] = field(default_factory=list)  # in natural order
    masks: list[Path] = field(default_factory=list)
    others: dict[Path, list[str]] = field(default_factory=lambda: defaultdict(list))  # names by folder
    odd: dict[Path, str] = field(default_factory=dict)  # no regular files: what they are

    def name(self, path: Path) -> str:
        """A path as people see it: below the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()


def list_folder(folder: Path | str, onerror: Callable[[OSError], None] | None = None) -> Listing:
    """Everything in ``folder`` and below, told apart by names; only files without a telling one are opened.

    ``onerror`` gets the OSError of a folder that can't be listed; without it such folders are empty.
    """
    found, pictures = Listing(Path(folder)), []
    for here, entries in _walk(found.root, onerror or (lambda error: None)):
        for entry in entries:
            path = here / entry.name
            kind = "" if _is_file(entry) else _kind(path)
            if kind:
                found.odd[path] = kind
            elif is_image_name(entry.name) or (_says_nothing(entry.name) and _holds_image(path)):
                pictures.append(path)
            else:
                found.others[here].append(entry.name)
    masks = _masks(pictures, found.root)
    found.images, found.masks = ([p for p in pictures if (p in masks) == wanted] for wanted in (False, True))
    found.images.sort(key=lambda path: natural_key(found.name(path)))
    return found


def find_images(folder: Path | str, onerror: Callable[[OSError], None] | None = None) -> list[Path]:
    """The images alone, in natural order (2.png before 10.png)."""
    return list_folder(folder, onerror).images


def is_image_name(name: str) -> bool:
    """Does a file of this name count as an image?"""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def natural_key(text: str) -> tuple:
    """Sorting key with numbers by value; the text itself comes last, so that the order is total."""
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", text.casefold())), text


def name_key(name: str) -> str:
    """A key, equal for names that people take for the same: other case, accents composed or not (macOS, Windows)."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _walk(root: Path, onerror: Callable[[OSError], None]) -> Iterator[tuple[Path, list[os.DirEntry]]]:
    """(folder, its entries that are no folders), parents first, each real folder once."""
    waiting, seen = [root], set()
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(str(here)) as entries:
                shown = sorted((e for e in entries if _shown(e.name)), key=lambda entry: entry.name)
        except OSError as error:
            onerror(error)
            continue
        waiting += [here / e.name for e in reversed(shown) if _is_folder(e)]
        yield here, [e for e in shown if not _is_folder(e)]


def _shown(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in OF_SYSTEMS


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _kind(path: Path) -> str:
    """What is no regular file; "" if it is one after all, or can't be asked (then opening it will tell)."""
    try:
        return irregular_kind(os.stat(path))
    except FileNotFoundError:
        return say("files.thing_dangling_link")
    except OSError as error:
        return say("files.thing_circular_link") if error.errno == errno.ELOOP else ""


# ---- images without a telling name


def _says_nothing(name: str) -> bool:
    """No ending, or one that is none: "photo", "photo 1.5", "photo.jpg_large"."""
    ending = os.path.splitext(name)[1]
    return not ENDING.fullmatch(ending) or GROWN.fullmatch(ending) is not None


def _holds_image(path: Path) -> bool:
    try:
        status = os.stat(path)
        return _known_by_its_head(str(path), status.st_size, status.st_mtime_ns)
    except OSError:
        return False


@lru_cache(maxsize=100_000)
def _known_by_its_head(path: str, size: int, time: int) -> bool:
    """Remembered as long as the file has this size and time."""
    with open_regular(path) as file:
        return looks_like_image(file.read(HEAD))


# ---- masks


def _masks(pictures: list[Path], root: Path) -> set[Path]:
    """Pictures that say of others what to learn: ``x-masklabel.png`` beside x, and folders of masks.

    A folder named for masks, below the root, is one if most of its pictures are called as pictures elsewhere are.
    """
    stems: dict[Path, set[str]] = defaultdict(set)
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in pictures:
        stems[path.parent].add(name_key(path.stem))
        by_folder[path.parent].append(path)
    masks = set()
    for folder, inside in by_folder.items():
        named = MASK_FOLDER.fullmatch(folder.name) and not folder.name[:1].isdigit()  # 10_mask is a subject
        if named and folder != root:
            elsewhere = set().union(*(s for f, s in stems.items() if f != folder))
            if 2 * sum(_pair(path.stem) in elsewhere for path in inside) > len(inside):
                masks.update(inside)
                continue
        for path in inside:
            mask = MASK.fullmatch(path.stem)
            if mask and (mask[2].casefold() != "mask" or name_key(mask[1]) in stems[folder]):
                masks.add(path)
    return masks


def masked_name(stem: str) -> str:
    """Of a mask's name without its ending, what the image is called: "cat" of "cat-masklabel" and of "cat"."""
    mask = MASK.fullmatch(stem)
    return mask[1] if mask else stem


def _pair(stem: str) -> str:
    return name_key(masked_name(stem))

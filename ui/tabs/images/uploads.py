"""Files that a browser sent, into a dataset folder: pictures, captions and zips of them. All of it is hostile.

A name keeps its letters and loses what a system could take for anything but a name. A file is written under a hidden
name, read whole as a picture, and only then gets its own. What is refused gets one sentence.
"""

import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from gradio.utils import get_upload_folder

from sdlora.data.captions import MAX_BYTES as CAPTION_BYTES
from sdlora.data.captions import SIDECARS, cannot_be_read, caption_bytes, what_was_guessed
from sdlora.data.encodings import decode, guess_codec_beside, why_no_text
from sdlora.data.images import SUFFIXES, check_image, content_hash
from sdlora.data.tables import tables_among
from sdlora.data.tags import clean_lines
from sdlora.errors import Problem, UserError
from ui import text, translate

NAME_LENGTH = 80  # characters of a name without its ending
NAME_BYTES = 180  # of it in UTF-8; file systems take 255, and an ending and a counter follow
DEPTH = 6  # folders in a zip, or in a folder that was dropped
WITHIN = "\u2215"  # stands for the slash in the name of a file that came in a folder: what browsers send has no path
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
SPARE = 256 << 20  # bytes of the disk that stay free


@dataclass(frozen=True)
class UploadLimits:
    """What a delivery may be. ratio: of a zip's content to the zip; pictures hardly shrink, so 1 is usual."""

    file_bytes: int = 512 << 20
    zip_files: int = 20_000
    zip_bytes: int = 64 << 30
    ratio: int = 20


@dataclass
class Added:
    """What became of a delivery. images: the new files. renamed: (name it had, name it got), for taken names."""

    images: list[Path] = field(default_factory=list)
    captions: dict[Path, str] = field(default_factory=dict)  # for images that are there: image -> text
    same: int = 0
    renamed: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    guessed: list[Problem] = field(default_factory=list)  # encodings of captions


class _Refused(Exception):
    """A sentence about one file or one zip."""


def safe_file_name(name: str) -> str:
    """A file name that is only that on every system: no path, no control or direction characters, no device."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join("-" if c in '<>:"|?*' else c for c in name if unicodedata.category(c)[0] != "C")
    name = " ".join(name.split())
    stem, ending = os.path.splitext(name.lstrip(". "))
    ending = ending if ending.lower() in SUFFIXES | {*SIDECARS, ".zip", ".jsonl"} else ending[:16]
    stem = stem[:NAME_LENGTH]
    while len(stem.encode("utf-8", "replace")) > NAME_BYTES:
        stem = stem[:-1]
    stem = stem.strip(". ") or "image"
    if unicodedata.normalize("NFKC", stem).split(".")[0].strip().casefold() in RESERVED:
        stem = f"image-{stem}"
    return (stem + ending).rstrip(". ")


def new_folder(root: Path, wish: str) -> Path:
    """A folder of its own under ``root`` with about that name; UserError if it can't be made."""
    stem = safe_file_name(wish)
    for attempt in range(1, 10_000):
        folder = root / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(text.NO_NEW_FOLDER.format(path=root, reason=translate.reason(error))) from error
    raise UserError(text.NO_NEW_FOLDER.format(path=root, reason=stem))


def add(files: Iterable[tuple[str, Path]], folder: Path, limits: UploadLimits | None = None) -> Added:
    """Put (name as sent, file on this disk) into ``folder``; the files stay where they are.

    Captions come with the picture of the same name; those for a picture that is in the folder already are given back
    in ``captions``, for the caller to write in a way that can be undone. Never raises for what is in the files.
    """
    limits, added, incoming = limits or UploadLimits(), Added(), _Incoming(folder)
    delivery = [(_sent_as(name), path) for name, path in files]
    top = _common_top(name for name, _ in delivery)
    for name, path in delivery:
        if "/" in name and _of_a_system(name):
            continue
        with _sentence(added, name):
            if safe_file_name(name).lower().endswith(".zip"):
                _unpack(name, path, incoming, limits, added)
            else:
                with open(path, "rb") as source:
                    incoming.take(_target(name, top), name, source, limits.file_bytes)
    incoming.settle(added)
    return added


def _sent_as(name: str) -> str:
    """A file's name with the folders it came in, if it came in any; slashes of its own are no folders."""
    return "/".join(part.replace("\\", "/").rsplit("/", 1)[-1] for part in name.split(WITHIN))


def _target(path: str, top: str) -> PurePosixPath:
    """Where a file goes that came as ``path``: below ``top`` alone, every part a safe name, not too deep."""
    parts = path.removeprefix(top).split("/")
    if len(parts) > DEPTH:
        parts = parts[:1] + parts[-DEPTH + 1 :]
    return PurePosixPath(*(safe_file_name(part) for part in parts if part not in ("", ".")))


@contextmanager
def _sentence(added: Added, name: str) -> Iterator[None]:
    try:
        yield
    except _Refused as refused:
        added.refused.append(str(refused))
    except OSError as error:
        added.refused.append(text.NOT_ADDED.format(name=_shown(name), reason=translate.reason(error)))


def _shown(name: str) -> str:
    """A name as a sentence may have it: printable and not endless."""
    name = "".join(c for c in name if c.isprintable())
    return name if len(name) <= 80 else name[:79] + "…"


# ---- zips


def _unpack(name: str, path: Path, incoming: "_Incoming", limits: UploadLimits, added: Added) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _of_a_system(m.filename)]
            total = sum(member.file_size for member in members)
            if len(members) > limits.zip_files or total > limits.zip_bytes:
                raise _Refused(text.ZIP_TOO_LARGE.format(name=_shown(name), count=text.number(limits.zip_files)))
            if total > max(limits.ratio * path.stat().st_size, 64 << 20):
                raise _Refused(text.ZIP_BOMB.format(name=_shown(name), size=text.size(total)))
            if total + SPARE > shutil.disk_usage(incoming.folder).free:
                raise _Refused(text.ZIP_NO_ROOM.format(name=_shown(name), size=text.size(total)))
            top = _common_top(member.filename for member in members)
            for member in members:
                with _sentence(added, member.filename):
                    _member(archive, member, top, incoming, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise _Refused(text.ZIP_DAMAGED.format(name=_shown(name))) from error


def _of_a_system(name: str) -> bool:
    """What macOS and Windows leave behind; nobody misses it."""
    parts = name.replace("\\", "/").split("/")
    return parts[-1] in ("Thumbs.db", "desktop.ini") or any(
        part == "__MACOSX" or (part.startswith(".") and part.strip(".")) for part in parts
    )


def _common_top(names: Iterable[str]) -> str:
    """The one folder that everything is in, if so: it would only be a folder in the folder."""
    tops = {name.split("/", 1)[0] if "/" in name else "" for name in names}
    top = tops.pop() if len(tops) == 1 else ""
    return f"{top}/" if top not in ("", "..") and not top[0].isdigit() else ""  # 10_cat says how often it repeats


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, top: str, incoming: "_Incoming", limits: UploadLimits
) -> None:
    name = member.filename
    raw = name.replace("\\", "/")
    if raw.startswith("/") or ":" in raw.split("/")[0] or ".." in raw.split("/"):
        raise _Refused(text.ZIP_LEADS_OUT.format(name=_shown(name)))
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _Refused(text.ZIP_LINK.format(name=_shown(name)))
    if member.flag_bits & 1:
        raise _Refused(text.ZIP_LOCKED.format(name=_shown(name)))
    if member.file_size > limits.file_bytes:
        raise _Refused(text.TOO_LARGE.format(name=_shown(name), size=text.size(limits.file_bytes)))
    try:
        with archive.open(member) as source:
            incoming.take(_target(raw, top), name, source, limits.file_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise _Refused(text.NOT_READABLE_FILE.format(name=_shown(name))) from error


# ---- one delivery


class _Incoming:
    """Files under hidden names in the dataset folder until all of a delivery is known: captions follow pictures."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.images: list[tuple[PurePosixPath, str, Path]] = []  # target, name as sent, temporary file
        self.captions: dict[str, bytes] = {}  # folded target without its ending -> text, in whatever encoding
        self.files = 0

    def take(self, target: PurePosixPath, name: str, source: IO[bytes], limit: int) -> None:
        """Store a picture, remember a caption, refuse the rest."""
        ending = target.suffix.lower()
        if ending in SIDECARS:
            data = source.read(CAPTION_BYTES + 1)
            if len(data) > CAPTION_BYTES:
                raise _Refused(text.TOO_LARGE.format(name=_shown(name), size=text.size(CAPTION_BYTES)))
            if why := why_no_text(data):
                raise _Refused(translate.problem(cannot_be_read(_shown(name), why)))
            whole = target.with_suffix("")
            key = _key(whole if whole.suffix.lower() in SUFFIXES else target)  # x.png.txt belongs to x.png
            if ending == SIDECARS[0] or key not in self.captions:
                self.captions[key] = data
        elif tables_among([target.name]):
            self._store(target, source, limit, name)
        elif ending in SUFFIXES:
            temporary = self._write(source, limit, name)
            try:
                check_image(temporary, target.name)
            except UserError as error:
                temporary.unlink(missing_ok=True)
                raise _Refused(text.NO_PICTURE.format(name=_shown(name))) from error
            self.images.append((target, name, temporary))
        else:
            raise _Refused(text.NO_PICTURE.format(name=_shown(name)))

    def _write(self, source: IO[bytes], limit: int, name: str) -> Path:
        self.files += 1
        temporary = self.folder / f".incoming-{os.getpid()}-{id(self)}-{self.files}.tmp"
        left = limit + 1
        try:
            with open(temporary, "xb") as file:
                while left > 0 and (block := source.read(min(1 << 20, left))):
                    file.write(block)
                    left -= len(block)
            if left <= 0:
                raise _Refused(text.TOO_LARGE.format(name=_shown(name), size=text.size(limit)))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    def _store(self, target: PurePosixPath, source: IO[bytes], limit: int, name: str) -> None:
        place = self.folder / target
        if place.exists():
            raise _Refused(text.NAME_TAKEN.format(name=_shown(name)))
        temporary = self._write(source, min(limit, 64 << 20), name)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, place)

    def settle(self, added: Added) -> None:
        """Give every picture its name, and its caption with it."""
        taken, captions = _Taken(self.folder), self._texts(added)
        for target, name, temporary in self.images:
            with _sentence(added, name):
                caption = captions.get(_key(target))
                if taken.holds(target, temporary):
                    added.same += 1
                    if caption is not None:
                        added.captions[self.folder / target] = caption
                    continue
                final = taken.free(target)
                place = self.folder / final
                place.parent.mkdir(parents=True, exist_ok=True)
                if caption is not None:  # first: a picture without its caption would show for a moment
                    place.with_suffix(".txt").write_bytes(caption_bytes(caption))
                os.replace(temporary, place)
                taken.add(final)
                added.images.append(place)
                if final.name != PurePosixPath(name.replace("\\", "/")).name:
                    added.renamed.append((_shown(name), final.as_posix()))
            temporary.unlink(missing_ok=True)
        for _, _, temporary in self.images:
            temporary.unlink(missing_ok=True)
        self._left_over(taken, added, captions, {_key(target) for target, _, _ in self.images})

    def _texts(self, added: Added) -> dict[str, str]:
        """The captions read; what is not UTF-8 is of one hand, and its encoding guessed from all of it, and told."""
        codec, guessed = guess_codec_beside(self.captions.values()), defaultdict(list)
        read = {key: decode(data, codec) for key, data in self.captions.items()}
        for key, (words, by_guess) in read.items():
            if by_guess:
                guessed[by_guess].append((f"{_shown(key)}{SIDECARS[0]}", clean_lines(words)))
        added.guessed += [what_was_guessed(codec, files) for codec, files in guessed.items()]
        return {key: words for key, (words, _) in read.items()}

    def _left_over(self, taken: "_Taken", added: Added, captions: dict[str, str], used: set[str]) -> None:
        """Captions that came without their picture: for one that is there, else refused."""
        for key, caption in captions.items():
            if key in used:
                continue
            images = taken.images.get(key, [])
            added.captions |= dict.fromkeys(images, caption)
            if not images:
                added.refused.append(text.CAPTION_ALONE.format(name=_shown(key)))


def _key(target: PurePosixPath) -> str:
    """Names that some system would take for the same, or that would share one caption file, have the same key."""
    return unicodedata.normalize("NFC", target.with_suffix("").as_posix()).casefold()


class _Taken:
    """The names that a dataset folder has, regardless of case and ending."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.images: dict[str, list[Path]] = {}
        self.keys: set[str] = set()
        for here, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                path = Path(here, name)
                if not name.startswith(".") and path.suffix.lower() in SUFFIXES | set(SIDECARS):
                    self.add(PurePosixPath(path.relative_to(folder).as_posix()))

    def add(self, target: PurePosixPath) -> None:
        self.keys.add(_key(target))
        if target.suffix.lower() in SUFFIXES:
            path = self.folder / target
            self.images.setdefault(_key(target), []).append(path)

    def holds(self, target: PurePosixPath, file: Path) -> bool:
        """Is this very picture there under this very name?"""
        here = self.folder / target
        try:
            return here.stat().st_size == file.stat().st_size and content_hash(here) == content_hash(file)
        except OSError:
            return False

    def free(self, target: PurePosixPath) -> PurePosixPath:
        """The name, or the first of name-2, name-3 … that is not taken."""
        attempt, candidate = 1, target
        while _key(candidate) in self.keys:
            attempt += 1
            candidate = target.with_name(f"{target.stem}-{attempt}{target.suffix}")
        return candidate


def default_name(names: Iterable[str]) -> str:
    """A name for the folder of a first delivery: that of the folder or of the zip that came."""
    names = [_sent_as(name) for name in names]
    top = _common_top(names)
    if top:
        return safe_file_name(top.rstrip("/"))
    for name in names:
        stem, ending = os.path.splitext(safe_file_name(name))
        if ending.lower() == ".zip":
            return stem
    return "pictures"


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that has nothing in it; any other stays."""
    try:
        folder.rmdir()
    except OSError:
        return  # it has something in it, or is gone


def forget(path: Path) -> None:
    """Removes an upload that is done with: Gradio keeps each upload in a folder of its own, in its temporary folder."""
    if not path.is_relative_to(get_upload_folder()):
        return
    path.unlink(missing_ok=True)
    remove_if_empty(path.parent)

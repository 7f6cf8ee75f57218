"""Changes of captions, and images put aside, to be taken back: each is kept on disk before it is made. No torch."""

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sdlora.data import CACHE_FOLDER
from sdlora.data.captions import write_caption
from sdlora.data.tags import clean_lines
from sdlora.errors import UserError
from sdlora.files.intact import read_json, write_atomically, write_json
from sdlora.messages import reason_of, say

# What changes are called: one caption, edits of many (``edit.Edit``), files that were dropped on the page, letters that
# were mended, captions that a model has written, images that were put aside.
KINDS = ("one", "front", "end", "replace", "remove", "dropped", "mended", "captioned", "aside")
KEPT = 100  # changes
WRITERS = 8  # files at a time: a disk takes milliseconds to confirm each, whatever the processor does
PATIENCE = 30  # seconds that a change of another process may take
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class CaptionChange:
    """One change: its kind (of ``KINDS``), its words, how many captions it wrote or images it moved."""

    number: int
    kind: str
    words: str
    count: int


class History:
    """The changes of one dataset folder.

    A change is a file ``.sdlora_cache/undo/000001.json``: for each image the caption file's bytes before (null: there
    was none) and the text after; for each image that was moved where every file of it was and is. It is written first,
    so a crash between the two leaves nothing that can't be undone. A job that goes on for hours ``grow``s its one
    change; another process may make changes meanwhile.
    """

    def __init__(self, folder: Path):
        self.root, self.folder = folder, folder / CACHE_FOLDER / "undo"

    def last(self) -> CaptionChange | None:
        """The change that ``undo`` would take back."""
        for path in reversed(self._files()):
            content = self._read(path)
            if content:
                count = len(content["files"]) + len(content.get("moved", ()))
                return CaptionChange(int(path.stem), str(content["kind"]), str(content["words"]), count)
        return None

    def write(self, captions: Mapping[Path, str], kind: str, words: str) -> list[Path]:
        """Write the captions (image -> text); the images whose caption was written. UserError if nothing could be.

        One that fails stops those that were not begun; what was written by then can be undone as a whole.
        """
        with self._alone():
            files = {self._name(image): [_bytes_of(image), clean_lines(new)] for image, new in captions.items()}
            self._keep({"kind": kind, "words": words, "files": files})
            _all_of(lambda pair: write_caption(*pair), captions.items())
            return list(captions)

    def grow(self, number: int, captions: Mapping[Path, str], words: str, job: str) -> int:
        """Write captions as part of the job's one change; its number, for the next ones. UserError as ``write``.

        number: what the call before has given, 0 for the first. job: tells it apart from others, see ``unfinished``.
        """
        with self._alone():
            path = self.folder / f"{number:06d}.json"
            content = (self._read(path) if number else None) or {"kind": "captioned", "words": words, "files": {}}
            for image, new in captions.items():
                before = content["files"].get(self._name(image), [_bytes_of(image)])[0]
                content["files"][self._name(image)] = [before, clean_lines(new)]
            if number and path.exists():
                self._put(path, content)
            else:  # the first part, or somebody has undone what there was
                number = self._keep({**content, "job": job})
            _all_of(lambda pair: write_caption(*pair), captions.items())
            return number

    def finish(self, number: int) -> None:
        """The job has come to its end: ``unfinished`` knows it no more."""
        with self._alone():
            path = self.folder / f"{number:06d}.json"
            content = self._read(path)
            if content:
                content.pop("job", None)
                self._put(path, content)

    def unfinished(self, job: str) -> tuple[int, set[Path]]:
        """(number, images) of the change of a job that was cut off: those whose caption it has written; (0, none)."""
        for path in reversed(self._files()):
            content = self._read(path)
            if content and content.get("job") == job:
                images = {self.root / name: pair for name, pair in content["files"].items()}
                return int(path.stem), {
                    i for i, (before, after) in images.items() if _bytes_of(i) != before or before == after
                }
        return 0, set()

    def move(self, images: Mapping[Path, Mapping[Path, Path]], words: str) -> None:
        """Move every file of these images (image -> where each is, and where it goes) as one change.

        UserError if one can't be moved; what was moved by then can be brought back.
        """
        with self._alone():
            moved = {
                self._name(image): {self._name(old): self._name(new) for old, new in files.items()}
                for image, files in images.items()
            }
            self._keep({"kind": "aside", "words": words, "files": {}, "moved": moved})
            for image, files in images.items():
                for old, new in files.items():
                    try:
                        new.parent.mkdir(parents=True, exist_ok=True)
                        shutil.move(old, new)
                    except OSError as error:
                        raise _not_moved(self._name(image), error) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other thread, nor another process, makes a change or takes one back."""
        with _one_at_a_time:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock = FileLock(self.folder / ".lock", timeout=PATIENCE)
                lock.acquire()
            except Timeout as error:
                raise UserError(say("images.captions_busy"), fix=say("images.wait_for_captions")) from error
            except OSError as error:
                raise _no_undo(error) from error
            try:
                yield
            finally:
                lock.release()

    def _keep(self, change: dict[str, Any]) -> int:
        number = max((int(path.stem) for path in self._files()), default=0) + 1
        self._put(self.folder / f"{number:06d}.json", change)
        for old in self._files()[:-KEPT]:
            old.unlink(missing_ok=True)
        return number

    def _put(self, path: Path, change: dict[str, Any]) -> None:
        try:
            write_json(path, change)
        except OSError as error:
            raise _no_undo(error) from error

    def add_to(self, number: int, image: Path, new: str) -> bool:
        """Write the caption as part of that change, if it is the last one and of this image alone.

        False if it is not, or if the caption is not what that change has written. UserError as ``write``.
        """
        with self._alone():
            path = (self._files() or [Path("0")])[-1]
            content, name = self._read(path), self._name(image)
            if int(path.stem) != number or not content or list(content["files"]) != [name]:
                return False
            if _bytes_of(image) != content["files"][name][1]:
                return False
            content["files"][name][1] = clean_lines(new)
            self._put(path, content)
            write_caption(image, new)
            return True

    def undo(self) -> tuple[list[Path], int]:
        """Take the last change back: (images that are as they were, how many stay since they changed again)."""
        if not self._files():
            return [], 0
        with self._alone():
            for path in reversed(self._files()):
                content = self._read(path)
                if content:
                    restored, changed = self._restore(content["files"])
                    back, stayed = self._bring_back(content.get("moved", {}))
                    path.unlink(missing_ok=True)
                    return restored + back, changed + stayed
                path.unlink(missing_ok=True)
        return [], 0

    def _restore(self, files: dict[str, list]) -> tuple[list[Path], int]:
        done = _all_of(lambda item: self._restore_one(item[0], *item[1]), files.items())
        restored = [self.root / name for name, what in zip(files, done, strict=True) if what == "restored"]
        return restored, done.count("changed")

    def _bring_back(self, moved: Mapping[str, Mapping[str, str]]) -> tuple[list[Path], int]:
        """Images go where they were, unless something else lies there now or they are gone from where they went."""
        back, stayed = [], 0
        for name, files in moved.items():
            pairs = [(self.root / old, self.root / new) for old, new in files.items()]
            there = [(old, new) for old, new in pairs if os.path.lexists(new)]
            if not there:  # never moved, or moved on by hand
                stayed += not (self.root / name).exists()
            elif any(os.path.lexists(old) for old, _ in there):
                stayed += 1
            else:
                try:
                    for old, new in there:
                        old.parent.mkdir(parents=True, exist_ok=True)
                        shutil.move(new, old)
                except OSError as error:
                    raise _not_moved(name, error) from error
                back.append(self.root / name)
        return back, stayed

    def _restore_one(self, name: str, before: str | None, after: str) -> str:
        """ "restored"; "changed", where it changed again since and stays; "" where there is nothing to do."""
        image = self.root / name
        now = _bytes_of(image)
        if now == before or not image.exists():
            return ""
        if now != after:
            return "changed"
        caption = image.with_suffix(".txt")
        try:
            if before is None:
                caption.unlink(missing_ok=True)
            else:
                write_atomically(caption, before.encode("utf-8", "surrogateescape"))
        except OSError as error:
            what = say("images.caption_not_saved", file=caption.name, reason=reason_of(error))
            raise UserError(what, where=caption.name) from error
        return "restored"

    def _name(self, image: Path) -> str:
        return image.relative_to(self.root).as_posix()

    def _files(self) -> list[Path]:
        try:
            names = sorted(name for name in os.listdir(self.folder) if name.endswith(".json") and name[:-5].isdigit())
        except OSError:
            return []
        return [self.folder / name for name in names]

    def _read(self, path: Path) -> dict | None:
        """The change, or None where the file is damaged or names anything but images of this folder."""
        try:
            content = read_json(path, digest=False)  # 0.1.0 wrote none
            moved = content.get("moved", {})
            names = [
                *content["files"],
                *moved,
                *(end for ways in moved.values() for way in ways.items() for end in way),
            ]
            sound = all(not os.path.isabs(name) and ".." not in name.split("/") for name in names)
            sound = sound and all(len(pair) == 2 for pair in content["files"].values())
            return content if sound and content["kind"] in KINDS and "words" in content else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _not_moved(name: str, error: OSError) -> UserError:
    return UserError(say("images.file_not_moved", name=name, reason=reason_of(error)))


def _no_undo(error: OSError) -> UserError:
    return UserError(say("images.no_undo", reason=reason_of(error)))


def _all_of(do: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """``do`` of each, several at a time; the first failure is raised when those that were begun have ended."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(do, items))


def _bytes_of(image: Path) -> str | None:
    """The caption file's bytes as JSON can hold them; None if there is no such file."""
    try:
        return image.with_suffix(".txt").read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return None

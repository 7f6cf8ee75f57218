"""The base models in some folders, told from their headers and configuration files alone. No torch, no pickle opened.

A look has an end, whatever lies there: at most so many seconds, entries and levels; links are followed, each folder
once; what can't be read or is no base model is passed over.
"""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sdlora.errors import UserError
from sdlora.families.base import BaseInfo, inspect_base
from sdlora.families.shared.header import PICKLED
from sdlora.models.places import ModelFolder

SECONDS = 12.0  # for one look
ENTRIES = 60_000  # files and folders that are looked at
DEEPEST = 5  # levels below a folder
MOST = 500  # base models


@dataclass(frozen=True)
class FoundBase:
    """A base model. base: what ``model.base`` takes, a path or a hub id. size: bytes of its weights."""

    base: str
    info: BaseInfo
    size: int
    program: str


@dataclass
class FoundBases:
    """What a look has found. pickled: files whose kind can run code when opened, and that nobody opened.

    cut: did it end before everything was seen?
    """

    bases: list[FoundBase] = field(default_factory=list)
    folders: list[ModelFolder] = field(default_factory=list)
    pickled: int = 0
    cut: bool = False


def find_bases(folders: Iterable[ModelFolder], seconds: float = SECONDS, most: int = MOST) -> FoundBases:
    """Look into the folders, in order; a model that lies in several, or is linked, is listed once."""
    found, seen = FoundBases(), set()
    look = _Look(time.monotonic() + seconds)
    for folder in folders:
        found.folders.append(folder)
        candidates = look.hub(folder.path) if folder.hub else look.below(folder.path)
        for base, path in candidates:
            mark = os.path.realpath(path)
            if mark in seen:
                continue
            seen.add(mark)
            told = _told(base, path, folder.program)
            if told:
                found.bases.append(told)
            if len(found.bases) >= most or look.over():
                look.cut = True
                break
        if look.cut:
            break
    found.pickled, found.cut = look.pickled, look.cut
    return found


def embedded() -> BaseInfo:
    """The base model that comes along."""
    return inspect_base("tiny")


def _told(base: str, path: Path, program: str) -> FoundBase | None:
    try:
        info = inspect_base(str(path))
        files = {file for part in info.spec.parts for file in info.files(part.root)}
        return FoundBase(base, info, sum(file.stat().st_size for file in files), program)
    except (UserError, OSError):
        return None  # a LoRA, a VAE, another kind of model, a torn download


class _Look:
    """One look: what it has spent, and the folders that it has been in."""

    def __init__(self, end: float):
        self.end, self.entries, self.pickled, self.cut = end, 0, 0, False
        self._been: set[tuple[int, int] | str] = set()

    def over(self) -> bool:
        """Is the time or the number of entries spent?"""
        return self.entries >= ENTRIES or time.monotonic() >= self.end

    def below(self, folder: Path, depth: int = 0) -> Iterator[tuple[str, Path]]:
        """(what ``model.base`` takes, path) of each file and folder that may be a base model."""
        if not self._enter(folder):
            return
        if os.path.isfile(folder / "model_index.json"):
            yield str(folder), folder
            return
        files, folders = self._listed(folder)
        yield from ((str(path), path) for path in files)
        for path in folders if depth < DEEPEST else ():
            if self.over():
                self.cut = True
                return
            yield from self.below(path, depth + 1)

    def hub(self, cache: Path) -> Iterator[tuple[str, Path]]:
        """The same of the hub's cache: of each repository the newest snapshot, by its hub id."""
        for repository in self._listed(cache)[1]:
            kind, _, name = repository.name.partition("--")
            if kind != "models" or name.count("--") != 1:
                continue
            snapshots = self._listed(repository / "snapshots")[1]
            try:
                main = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
            except (OSError, ValueError):
                main = ""
            for snapshot in [path for path in snapshots if path.name == main] or snapshots[-1:]:
                if os.path.isfile(snapshot / "model_index.json"):
                    yield name.replace("--", "/"), snapshot
                yield from ((str(path), path) for path in self._listed(snapshot)[0])

    def _enter(self, folder: Path) -> bool:
        """May it be looked into? Not a second time, also by a link."""
        try:
            facts = os.stat(folder)
        except (OSError, ValueError):
            return False
        mark = (facts.st_dev, facts.st_ino) if facts.st_ino else os.path.realpath(folder)
        new = mark not in self._been
        self._been.add(mark)
        return new

    def _listed(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """(safetensors files, folders) in a folder, by name; hidden ones left out; nothing where it can't be read."""
        files, folders = [], []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self.entries += 1
                    if self.over():
                        self.cut = True
                        break
                    if entry.name.startswith("."):
                        continue
                    if os.path.isdir(entry.path):  # unlike the entry's own is_dir, no error for a link to itself
                        folders.append(Path(entry.path))
                    elif entry.name.lower().endswith(".safetensors") and os.path.isfile(entry.path):
                        files.append(Path(entry.path))
                    elif entry.name.lower().endswith(PICKLED):
                        self.pickled += 1
        except OSError:
            return sorted(files), sorted(folders)
        return sorted(files), sorted(folders)

"""What is known of image files, remembered between scans so that only new and changed ones are opened. No torch."""

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sdlora.data.images import MAX_PIXELS, check_image, content_hash
from sdlora.errors import Problem, UserError
from sdlora.files.intact import read_json, write_json
from sdlora.messages import packed, reason_of, say, unpacked

VERSION = 2  # raised when the same bytes are judged otherwise
SETTLED = 2_000_000_000  # ns; a file changed this shortly before a scan may change again within the clock's tick


@dataclass(frozen=True)
class Seen:
    """What is known of a file: its stat, its hash, and its size or what is wrong with it."""

    stat: tuple[int, int, int]  # bytes, mtime_ns, ctime_ns (an edit that puts the mtime back still moves the ctime)
    hash: str = ""
    size: tuple[int, int] = (0, 0)
    problem: str = ""


def inspect_files(
    names: dict[Path, str], index: Path, on_file: Callable[[str, "Seen"], None] | None = None
) -> tuple[dict[str, "Seen"], list[Problem]]:
    """What each file is, by name, and what is wrong with the index itself.

    names: the names to report and remember, by path. index: the JSON file that remembers. A file is opened only if it
    is not in the index with the stat it has now; files changed in the last two seconds are never remembered.
    on_file: hears of every file as soon as it is known, those that are remembered first.
    """
    began = time.time_ns()
    known = _load_index(index)
    stats = {name: _stat(path) for path, name in names.items()}
    new = [path for path, name in names.items() if name not in known or known[name].stat != stats[name]]
    tell = on_file or (lambda name, seen: None)
    fresh: dict[str, Seen] = {}
    for name in set(names.values()) - {names[path] for path in new}:
        tell(name, known[name])
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # Pillow and hashlib work outside Python's lock
        inspected = pool.map(lambda path: _inspect(path, names[path], stats[names[path]]), new)
        for path, found in zip(new, inspected, strict=True):
            fresh[names[path]] = found
            tell(names[path], found)
    seen = {name: fresh.get(name) or known[name] for name in names.values()}
    # kept: files that have rested for a while, and those that could be looked into at all (a missing right may come)
    keep = {name: s for name, s in seen.items() if began - max(s.stat[1:]) > SETTLED and s.hash}
    return seen, [] if keep == known else _save_index(index, keep)


def _stat(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (-1, 0, 0)
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _inspect(path: Path, name: str, stat: tuple[int, int, int]) -> Seen:
    try:
        digest = content_hash(path)
    except OSError as error:
        return Seen(stat, problem=say("images.unreadable_left_out", name=name, reason=reason_of(error)))
    try:
        return Seen(stat, digest, check_image(path, name))
    except UserError as error:
        return Seen(stat, digest, problem=error.problems[0].what)


def _load_index(path: Path) -> dict[str, Seen]:
    """The index; nothing if it is missing, of another version or damaged: then all images are opened again."""
    try:
        content = read_json(path)
        entries = content["files"].items() if content["version"] == VERSION else ()
    except (OSError, ValueError, KeyError, AttributeError):
        return {}
    return {name: seen for name, entry in entries if (seen := _seen(entry))}


def _seen(entry: object) -> Seen | None:
    """What is known of one file, as ``_save_index`` writes it; None for what no scan can have found."""
    kinds = (int, int, int, str, int, int)
    if not isinstance(entry, list) or tuple(map(type, entry[:-1])) != kinds or type(entry[-1]) not in (str, dict):
        return None
    bytes_, modified, changed, digest, width, height, problem = entry
    problem = unpacked(problem)
    if not re.fullmatch("[0-9a-f]{64}", digest):
        return None
    if not (problem or (width > 0 < height and width * height <= MAX_PIXELS)):
        return None
    return Seen((bytes_, modified, changed), digest, (width, height), problem)


def _save_index(index: Path, known: dict[str, Seen]) -> list[Problem]:
    files = {name: [*s.stat, s.hash, *s.size, packed(s.problem)] for name, s in known.items()}
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        write_json(index, {"version": VERSION, "files": files})
    except OSError as error:
        what = say("images.cache_not_writable", path=index.parent, reason=reason_of(error))
        return [Problem(what, say("images.choose_cache_folder"), "cache", fatal=False)]
    return []

"""Captions of many images in one file: metadata.jsonl, metadata.csv, kohya's metadata.json and their kin. No torch."""

import csv
import json
import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from sdlora.data.encodings import decode, why_no_text
from sdlora.data.listing import name_key
from sdlora.errors import Problem
from sdlora.files.regular import read_regular
from sdlora.messages import listed, reason_of, say

# By rank: where two of a folder know an image, the first one's caption is taken.
STEMS = ("metadata", "captions", "caption", "meta_clean", "meta_cap", "meta_lat", "meta")
ENDINGS = (".jsonl", ".jsonl.txt", ".csv", ".json")  # .jsonl.txt: as editors save it that hide endings
TABLES = tuple(stem + ending for stem in STEMS for ending in ENDINGS)
IMAGE_FIELDS = ("file_name", "filename", "file", "image", "image_path", "path", "img")
TEXT_FIELDS = ("text", "caption", "prompt")
MAX_BYTES = 256 << 20
SHOWN = 3  # names in a sentence
LIKE = {
    ".jsonl": say("images.like_jsonl"),
    ".csv": say("images.like_csv"),
    ".json": say("images.like_table_json"),
}


@dataclass
class Table:
    """One table: its rows (image as it says, caption), the numbers of lines that say neither, its codec if guessed."""

    path: Path
    rows: list[tuple[str, str]] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    codec: str = ""


def tables_among(names: Iterable[str]) -> list[str]:
    """The names of tables of captions among these, in any case, the lowest in rank first."""
    ranks = {name: rank for rank, name in enumerate(TABLES)}
    known = [name for name in names if name.casefold() in ranks]
    return sorted(known, key=lambda name: (-ranks[name.casefold()], name))


def read_table(path: Path) -> tuple[Table | None, list[Problem]]:
    """A table and what is wrong with it; None if it can't be read at all. Never raises for what is in it."""
    name = path.name
    try:
        data = read_regular(path, MAX_BYTES + 1)
    except OSError as error:
        return None, [_problem(say("files.unreadable", file=name, reason=reason_of(error)), name)]
    if len(data) > MAX_BYTES:
        return None, [_problem(say("files.unreadable", file=name, reason=say("files.because_over_256_mib")), name)]
    if why := why_no_text(data):
        return None, [_problem(say("files.unreadable", file=name, reason=why), name)]
    text, codec = decode(data)
    table = Table(path, codec=codec)
    kind = path.suffix.lower() if path.suffix.lower() in LIKE else ".jsonl"
    for number, row in _rows(kind, text):
        if row is None:
            table.bad.append(number)
        else:
            table.rows.append(row)
    if not table.bad:
        return table, []
    if kind != ".jsonl":
        what = say("images.table_partly_unclear", file=name) if table.rows else say("images.table_unclear", file=name)
        return table, [_problem(what, name, LIKE[kind])]
    which = listed(map(str, table.bad))
    return table, [_problem(say("images.table_lines_unreadable", file=name, lines=which), name, LIKE[kind])]


def text_of(row: Any) -> str | None:
    """The caption in a JSON object: of TEXT_FIELDS, and kohya's tags behind it; None if it holds none."""
    if not isinstance(row, dict):
        return None
    text = next((row[name] for name in TEXT_FIELDS if isinstance(row.get(name), str)), None)
    tags = row.get("tags")
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        tags = ", ".join(tags)
    if not isinstance(tags, str) or not tags.strip():
        return text
    return f"{text}, {tags}" if text else tags


class Finder:
    """Finds the images that the rows of tables name."""

    def __init__(self, images: Iterable[Path], root: Path):
        self.root = root
        self.by_path: dict[str, list[Path]] = defaultdict(list)
        self.by_stem: dict[str, list[Path]] = defaultdict(list)
        for image in images:
            key = name_key(image.relative_to(root).as_posix())
            self.by_path[key].append(image)
            self.by_stem[os.path.splitext(key)[0]].append(image)

    def find(self, folder: Path, path: str) -> list[Path]:
        """The images that a row of a table in ``folder`` means.

        Other case, accents and slashes count as the same; a name without ending means every image of that stem; of a
        path from another computer ("C:\\train\\10_cat\\a.png") the longest end that leads to one image counts.
        """
        path = name_key(path.strip()).replace("\\", "/")
        here = folder.relative_to(self.root).as_posix()
        absolute = path.startswith("/") or re.match(r"[a-z]:/", path) is not None
        parts = [part for part in PurePosixPath(path).parts if part != "/"]
        for start in range(len(parts) if absolute else 1):
            key = posixpath.normpath(posixpath.join(name_key(here), *parts[start:])).removeprefix("./")
            images = self.by_path.get(key) or self.by_stem.get(key)
            if images:
                return images
        return []


def captions_of(table: Table, finder: Finder) -> tuple[dict[Path, str], list[Problem]]:
    """Image -> caption, and one problem that names the rows that mean no image."""
    captions: dict[Path, str] = {}
    lost = []
    for written, text in table.rows:
        images = finder.find(table.path.parent, written)
        captions |= dict.fromkeys(images, text)
        if not images:
            lost.append(written)
    if not lost:
        return captions, []
    name = table.path.name
    names = ", ".join(written[:80] for written in lost[:SHOWN]) + (", …" if len(lost) > SHOWN else "")
    what = say("images.table_rows_without_image", file=name, count=len(lost), names=names)
    return captions, [_problem(what, name, say("images.name_images_by_path", file=name))]


def _problem(what: str, name: str, fix: str = "") -> Problem:
    return Problem(what, fix, name, fatal=False)


# ---- rows, by kind of file: (line, (image, caption)), or (line, None) for what is not understood


def _rows(kind: str, text: str) -> Iterator[tuple[int, tuple[str, str] | None]]:
    if kind == ".csv":
        yield from _csv_rows(text)
    elif kind == ".json":
        yield from _json_rows(text)
    else:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield number, _row(parsed(line))


def parsed(text: str) -> Any:
    """What a JSON text holds; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _row(row: Any) -> tuple[str, str] | None:
    text = text_of(row)
    if text is None:
        return None
    image = next((row[name] for name in IMAGE_FIELDS if isinstance(row.get(name), str)), "\0")
    return None if "\0" in image else (image, text)


def _json_rows(text: str) -> Iterator[tuple[int, tuple[str, str] | None]]:
    """kohya's {image: {"caption": …, "tags": …}}, {image: caption}, or a list of rows as in a .jsonl."""
    content = parsed(text)
    if isinstance(content, list):
        yield from ((number, _row(row)) for number, row in enumerate(content, 1))
        return
    if not isinstance(content, dict):
        yield 1, None
        return
    for number, (image, row) in enumerate(content.items(), 1):
        caption = row if isinstance(row, str) else text_of(row)
        yield number, None if caption is None or "\0" in image else (image, caption)


def _csv_rows(text: str) -> Iterator[tuple[int, tuple[str, str] | None]]:
    """A table whose first line names its columns, separated by commas, semicolons or tabs."""
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(StringIO(text, newline=""), delimiter=separator))
    except csv.Error:
        rows = []
    head = [name.strip().casefold() for name in rows[0]] if rows else []
    if not set(head) & set(IMAGE_FIELDS) or not set(head) & {*TEXT_FIELDS, "tags"}:
        yield 1, None
        return
    for number, row in enumerate(rows[1:], 2):
        if any(cell.strip() for cell in row):
            yield number, _row(dict(zip(head, row, strict=False)))

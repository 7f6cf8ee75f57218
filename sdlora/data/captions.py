"""Where an image's caption comes from. What a step makes of it: ``tags.variant``. No torch."""

import codecs
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sdlora.data.encodings import certain, codec_title, decode, guess_codec_beside, why_no_text
from sdlora.data.listing import Listing, name_key
from sdlora.data.tables import Finder, captions_of, parsed, read_table, tables_among, text_of
from sdlora.data.tags import clean_lines, one_line
from sdlora.errors import Problem, UserError
from sdlora.files.intact import write_atomically
from sdlora.files.regular import open_regular
from sdlora.messages import reason_of, say, words_of

SIDECARS = (".txt", ".caption")
JSON = ".json"
ORDER = [(ending, base) for endings in (SIDECARS, (JSON,)) for base in ("stem", "name") for ending in endings]
MAX_BYTES = 1 << 20  # a larger text file is no caption
SHOWN = 40  # characters of a caption in a sentence
KOHYA_FOLDER = re.compile(r"(\d+)_(.+)")

# Names that cameras, phones and programs give; they say nothing about the picture.
CAMERA_WORD = re.compile(
    r"img|imag|images?|dsc[nf]?|dcim|pict?|pictures?|photo|pxl|mvimg|screen|screenshot|shot|scan|untitled|unnamed"
    r"|download|whatsapp|signal|copy",
    flags=re.IGNORECASE,
)


@dataclass(frozen=True)
class Caption:
    """A caption, and where it was found. text: several lines where its file has them.

    file: the name of the file it is from, "" for captions from the names of folders and images.
    """

    text: str
    source: Literal["sidecar", "metadata", "folder", "name"]
    problems: tuple[Problem, ...] = ()
    file: str = ""


@dataclass
class Gathered:
    """The captions of a folder's images. used: the files they are from, and others that belong to an image."""

    of: dict[Path, Caption] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    used: set[Path] = field(default_factory=set)


def read_captions(images: Iterable[Path], root: Path | str) -> tuple[dict[Path, Caption], list[Problem]]:
    """The caption of every image below ``root``, and all that is wrong with captions."""
    gathered = gather_captions(images, root)
    return gathered.of, gathered.problems


def gather_captions(images: Iterable[Path], root: Path | str, listing: Listing | None = None) -> Gathered:
    """The caption of every image below ``root``: the first of these that is there.

    1. a file beside ``cat.png``: ``cat.txt``, ``cat.caption``, ``cat.png.txt``, ``cat.json`` (``_sidecars_of``); an
       empty file is an empty caption;
    2. a table (``tables.TABLES``) in its folder or one above; the nearest wins;
    3. the name of a kohya folder (``10_red apple`` -> "red apple") below ``root``;
    4. the file name (``name_to_caption``).
    Never raises for what is in the files: what can't be read becomes a problem. ``listing``: saves a look at the disk.
    """
    images, root, gathered = list(images), Path(root), Gathered()
    names = listing.others if listing else {f: _names_in(f) for f in _folders_of(images, root)}
    tabled = _from_tables(names, Finder(images, root), gathered)
    by_key = {folder: _by_key(inside) for folder, inside in names.items()}
    files = {image: _sidecars_of(image, by_key.get(image.parent, {})) for image in images}
    raw = {path: _read(path) for path in dict.fromkeys(path for paths in files.values() for path in paths)}
    codec = guess_codec_beside(data for data in raw.values() if isinstance(data, bytes))
    guessed: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for image in images:
        gathered.used.update(files[image])
        caption = _first_of(files[image], raw, codec, guessed) or _without_file(image, tabled, root)
        wrong = tuple(_unreadable(files[image], raw, caption.source))
        gathered.of[image] = replace(caption, problems=wrong)
    gathered.problems += [problem for caption in gathered.of.values() for problem in caption.problems]
    gathered.problems += [what_was_guessed(codec, files) for codec, files in guessed.items()]
    gathered.problems = list(dict.fromkeys(gathered.problems))
    return gathered


def sidecars(image: Path) -> list[Path]:
    """All caption files beside the image, however their names are spelled."""
    return _sidecars_of(image, _by_key(_names_in(image.parent)))


def write_caption(image: Path | str, text: str) -> Path:
    """Write the image's ``.txt`` (UTF-8, empty lines gone), whole or not at all; its path. UserError if it can't be."""
    path = Path(image).with_suffix(".txt")
    try:
        write_atomically(path, caption_bytes(text))
    except (OSError, UnicodeEncodeError) as error:
        raise UserError(say("images.caption_not_saved", file=path.name, reason=_why(error)), where=path.name) from error
    return path


def caption_bytes(text: str) -> bytes:
    """A caption file's content. UnicodeEncodeError for half a surrogate pair.

    A few short texts are in UTF-8 what common ideographs are in GBK ("µá"): those alone get a byte order mark.
    """
    data = clean_lines(text).encode("utf-8")
    return data if certain(data) == clean_lines(text) else codecs.BOM_UTF8 + data


def name_to_caption(name: str) -> str:
    """A file name as a caption: ``red_apple-01.png`` -> "red apple".

    ``_``, ``-``, ``+`` and dots become blanks; counters at the end go (``01``, ``(2)``, ``copy``; ``apple01`` too, but
    not ``area51``); a name of camera words, numbers or a checksum alone (``IMG_1234``, ``PXL_2024…``) gives "".
    """
    stem = os.path.splitext(name)[0]
    words = re.sub(r"[\s_\-+.]+", " ", stem).strip()
    counter = r"(?:\s*\(\d+\)|(?:^|\s+)\d+|(?<=[^\W\d_])0\d+|\s+copy)$"
    while (shorter := re.sub(counter, "", words, flags=re.IGNORECASE)) != words:
        words = shorter
    meaningful = [w for w in words.split() if not CAMERA_WORD.fullmatch(w) and not re.fullmatch(r"[\W\d]+", w)]
    checksum = re.fullmatch(r"[0-9a-f ]{16,}", words.lower()) and re.search(r"\d", words)
    return words if meaningful and not checksum else ""


# ---- files beside images


def _names_in(folder: Path) -> list[str]:
    try:
        return [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    except OSError:
        return []


def _folders_of(images: list[Path], root: Path) -> list[Path]:
    """The folders of images and all between them and the root."""
    parents = {image.parent for image in images}
    return sorted({root, *parents, *(p for parent in parents for p in parent.parents if p.is_relative_to(root))})


def _by_key(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of a folder that may be captions, by ``name_key``."""
    spellings = defaultdict(list)
    for name in names:
        if os.path.splitext(name)[1].lower() in (*SIDECARS, JSON):
            spellings[name_key(name)].append(name)
    return spellings


def _sidecars_of(image: Path, by_key: Mapping[str, list[str]]) -> list[Path]:
    """The caption files of an image, those that count most first; ``there``: ``_by_key`` of its folder.

    ``cat.txt``, ``cat.caption``; the same with the image's whole name (``cat.png.txt``); then JSON. A name in other
    case, or with its accents composed otherwise, is taken where none is spelled as the image's.
    """
    if not by_key:
        return []
    name, stem = image.name, os.path.splitext(image.name)[0]
    names: dict[str, None] = {}
    for ending, base in ORDER:
        wanted = (stem if base == "stem" else name) + ending
        spellings = by_key.get(name_key(wanted))
        if spellings:
            names[wanted if wanted in spellings else spellings[0]] = None
    return [image.with_name(spelled) for spelled in names]


def _read(path: Path) -> bytes | Exception:
    """A caption file's bytes, or why it can't be read."""
    try:
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return error
    if len(data) > MAX_BYTES:
        return ValueError(say("files.because_over_1_mib"))
    why = why_no_text(data)
    return ValueError(why) if why else data


def _first_of(
    files: Iterable[Path], raw: Mapping[Path, bytes | Exception], codec: str, guessed: dict[str, list[tuple[str, str]]]
) -> Caption | None:
    """The caption in the first of the files that holds one. guessed: codec -> (file, text), where one was guessed."""
    for path in files:
        data = raw[path]
        if isinstance(data, Exception):
            continue
        text, by_guess = decode(data, codec)
        if path.suffix.lower() == JSON:
            caption = text_of(parsed(text))
            if caption is None:
                continue
            text = caption
        text = clean_lines(text)
        if by_guess:
            guessed[by_guess].append((path.name, text))
        return Caption(text, "sidecar", file=path.name)
    return None


def _without_file(image: Path, tabled: Mapping[Path, str | Caption], root: Path) -> Caption:
    caption = tabled.get(image)
    if caption is not None:
        return caption if isinstance(caption, Caption) else Caption(clean_lines(caption), "metadata")
    kohya = KOHYA_FOLDER.fullmatch(image.parent.name)
    if kohya and image.parent != root:
        return Caption(one_line(kohya[2]), "folder")
    return Caption(name_to_caption(image.name), "name")


def _from_tables(names: Mapping[Path, Iterable[str]], finder: Finder, gathered: Gathered) -> dict[Path, Caption]:
    """Image -> caption from all tables; those of inner folders last, so that they win."""
    tabled: dict[Path, Caption] = {}
    for folder in sorted(names, key=lambda folder: len(folder.parts)):
        for name in tables_among(names[folder]):
            gathered.used.add(folder / name)
            table, wrong = read_table(folder / name)
            gathered.problems += wrong
            if table:
                captions, lost = captions_of(table, finder)
                gathered.problems += lost
                if table.codec and captions:
                    first = clean_lines(next(iter(captions.values())))
                    gathered.problems.append(what_was_guessed(table.codec, [(name, first)]))
                tabled |= {i: Caption(clean_lines(text), "metadata", file=name) for i, text in captions.items()}
    return tabled


# ---- what is wrong with captions


def _unreadable(files: Iterable[Path], raw: Mapping[Path, bytes | Exception], source: str) -> list[Problem]:
    problems = []
    for path in files:
        data = raw[path]
        if isinstance(data, Exception):
            problems.append(cannot_be_read(path.name, _why(data)))
        elif path.suffix.lower() == JSON and source != "sidecar":
            what, fix = say("images.file_without_caption", file=path.name), say("images.like_caption_json")
            problems.append(Problem(what, fix, path.name, fatal=False))
    return problems


def cannot_be_read(name: str, why: str) -> Problem:
    """Of a caption file that was left aside."""
    return Problem(say("images.caption_unreadable", file=name, reason=why), where=name, fatal=False)


def what_was_guessed(codec: str, files: list[tuple[str, str]]) -> Problem:
    """files: (name, text) of those that are no UTF-8; the longest text shows best whether the guess is right."""
    name, text = max(files, key=lambda pair: len(pair[1][:SHOWN]))
    shown = text.replace("\n", " ")[:SHOWN] + ("…" if len(text) > SHOWN else "")
    what = say("images.not_utf8", count=len(files), encoding=codec_title(codec), file=name, caption=shown)
    return Problem(what, say("images.save_as_utf8"), name, fatal=False)


def _why(error: Exception) -> str:
    return reason_of(error) if isinstance(error, OSError) else words_of(error)

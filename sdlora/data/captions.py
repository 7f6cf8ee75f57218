"""Where an image's caption comes from, and what the trainer makes of it at each step. No torch."""

import codecs
import json
import os
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdlora.errors import Problem, UserError
from sdlora.intact import write_atomically

SIDECARS = (".txt", ".caption")
METADATA = "metadata.jsonl"
TEXT_FIELDS = ("text", "caption", "prompt")
LONG = 1_000  # characters; the text encoder reads 75 tokens, some 300 characters
MAX_BYTES = 1 << 20  # a larger text file is no caption
KOHYA_FOLDER = re.compile(r"(\d+)_(.+)")

# Names that cameras, phones and programs give; they say nothing about the picture.
CAMERA_WORD = re.compile(
    r"img|imag|images?|dsc[nf]?|dcim|pict?|pictures?|photo|pxl|mvimg|screen|screenshot|shot|scan|untitled|unnamed"
    r"|download|whatsapp|signal|copy",
    flags=re.IGNORECASE,
)


@dataclass(frozen=True)
class Caption:
    """A caption on one line, and where it was found."""

    text: str
    source: Literal["sidecar", "metadata", "folder", "name"]
    problems: tuple[Problem, ...] = ()


def read_captions(images: Iterable[Path], root: Path | str) -> tuple[dict[Path, Caption], list[Problem]]:
    """The caption of every image below ``root``, metadata.jsonl files included (the one nearest to an image wins), and
    all that is wrong with captions."""
    images, root = list(images), Path(root)
    metadata: dict[Path, str] = {}
    problems = []
    for folder in sorted({image.parent for image in images} | {root}):  # parents come before what is in them
        found, wrong = read_metadata(folder)
        metadata |= found
        problems += wrong
    captions = {image: read_caption(image, metadata, root) for image in images}
    problems += [problem for caption in captions.values() for problem in caption.problems]
    return captions, problems


def read_caption(
    image: Path | str, metadata: Mapping[Path, str] | None = None, root: Path | str | None = None
) -> Caption:
    """The caption of an image: the first of these that is there.

    1. ``cat.txt`` beside ``cat.png``, then ``cat.caption`` (an empty file is an empty caption);
    2. ``metadata`` as ``read_metadata`` gives it;
    3. the name of a kohya folder (``10_red apple`` -> "red apple"), where the folder lies below ``root``;
    4. the file name (``name_to_caption``).
    Never raises for what is in the files: what can't be read becomes a problem of the caption.
    """
    image = Path(image)
    problems = []
    for suffix in SIDECARS:
        try:
            text = read_text(image.with_suffix(suffix))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            name = image.with_suffix(suffix).name
            problems.append(Problem(f"The caption {name} can't be read ({_why(error)}).", where=name, fatal=False))
            continue
        return Caption(text, "sidecar", (*problems, *_too_long(text, image)))
    if metadata and image in metadata:
        text = one_line(metadata[image])
        return Caption(text, "metadata", (*problems, *_too_long(text, image)))
    kohya = KOHYA_FOLDER.fullmatch(image.parent.name)
    if kohya and (root is None or image.parent != Path(root)):
        return Caption(one_line(kohya[2]), "folder", tuple(problems))
    return Caption(name_to_caption(image.name), "name", tuple(problems))


def read_metadata(folder: Path | str) -> tuple[dict[Path, str], list[Problem]]:
    """Captions of ``folder``'s metadata.jsonl, by image path: one JSON object a line with ``file_name`` and ``text``
    (or ``caption``, or ``prompt``), the layout of the datasets library's ImageFolder. Bad lines become problems.
    """
    folder, found, problems = Path(folder), {}, []
    try:
        lines = decode((folder / METADATA).read_bytes()).splitlines()
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        return {}, [Problem(f"{METADATA} can't be read ({_why(error)}).", where=METADATA, fatal=False)]
    bad = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _row(line)
        if row is None:
            bad.append(number)
        else:
            found[folder / row[0]] = row[1]
    if bad:
        which = ", ".join(map(str, bad[:5])) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        problems.append(
            Problem(
                f"{METADATA} is not readable in line {which}.",
                'Each line must be like {"file_name": "cat.png", "text": "a cat"}.',
                METADATA,
                fatal=False,
            )
        )
    return found, problems


def _row(line: str) -> tuple[str, str] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str) or "\0" in row["file_name"]:
        return None
    text = next((row[field] for field in TEXT_FIELDS if isinstance(row.get(field), str)), None)
    return None if text is None else (row["file_name"], text)


def write_caption(image: Path | str, text: str) -> Path:
    """Write the image's ``.txt`` (UTF-8, one line), whole or not at all; its path. UserError if it can't be written."""
    path = Path(image).with_suffix(".txt")
    try:
        write_atomically(path, one_line(text))
    except (OSError, UnicodeEncodeError) as error:
        raise UserError(f"The caption {path.name} can't be saved ({_why(error)}).", where=path.name) from error
    return path


def read_text(path: Path) -> str:
    """A caption file as one line. Raises OSError, or ValueError for one of more than 1 MiB."""
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("it has more than 1 MiB")
    return one_line(decode(data))


def decode(data: bytes) -> str:
    """Text of unknown encoding: by byte order mark, UTF-16 by its zero bytes, UTF-8, else Windows' Latin-1."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    even, odd = data[0::2].count(0), data[1::2].count(0)  # "a" is 61 00 in little endian; a stray zero byte is nothing
    if not even * odd and (even + odd) * 20 >= max(len(data), 1):
        return data.decode("utf-16-le" if odd else "utf-16-be", errors="replace")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def one_line(text: str) -> str:
    """Line breaks, tabs and runs of blanks become one blank; other control characters go."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace() or c == "\u200d").split())


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


def variant(
    caption: str,
    *,
    trigger: str,
    shuffle: bool,
    keep_tags: int,
    tag_dropout: float,
    caption_dropout: float,
    rng: random.Random,
) -> str:
    """The caption as one step sees it; pure given ``rng``.

    The whole caption is left out ("") with chance ``caption_dropout``. The trigger word comes in front where the
    caption lacks it (as a word, in any case). Then, of the comma-separated tags, the first ``keep_tags`` stay (a
    trigger word in front counts among them and stays in any case); of the others each is left out with chance
    ``tag_dropout``, save those that hold the trigger word, and ``shuffle`` mixes them. Without both the text is not
    touched.
    """
    if rng.random() < caption_dropout:
        return ""
    trigger = one_line(trigger)
    if trigger and not holds(caption, trigger):
        caption = f"{trigger}, {caption}" if caption else trigger
    if not shuffle and not tag_dropout:
        return caption
    tags, lead = split_tags(caption), split_tags(trigger)
    in_front = [t.casefold() for t in tags[: len(lead)]] == [t.casefold() for t in lead]
    kept = max(keep_tags, len(lead) if in_front else 0)
    rest = [t for t in tags[kept:] if rng.random() >= tag_dropout or any(holds(t, part) for part in lead)]
    if shuffle:
        rng.shuffle(rest)
    return ", ".join(tags[:kept] + rest)


def holds(text: str, word: str) -> bool:
    """Is ``word`` in ``text`` as a word of its own, in any case?"""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, flags=re.IGNORECASE) is not None


def split_tags(caption: str) -> list[str]:
    """The comma-separated tags without blanks around them; empty ones are dropped."""
    return [tag.strip() for tag in caption.split(",") if tag.strip()]


def _too_long(text: str, image: Path) -> tuple[Problem, ...]:
    if len(text) <= LONG:
        return ()
    what = f"The caption of {image.name} has {len(text)} characters; the model reads about the first 300 of them."
    return (Problem(what, "Put what matters first.", image.name, fatal=False),)


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)

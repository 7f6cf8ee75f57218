"""What a folder holds beside images and captions, and what images lack: one sentence for each kind. No torch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sdlora.data.captions import SIDECARS, Caption
from sdlora.data.listing import Listing, name_key
from sdlora.errors import Problem

LETTERS = 40  # of a caption in a sentence
ABOUT = frozenset({"readme", "license", "licence", "copying", "notice"})  # of the folder itself, for people
NAMED = 3  # files of a kind that a sentence names
SHOWN = 20  # problems of one kind that get a sentence each

# fmt: off
_PICTURES = (
    ".jxl", ".psd", ".psb", ".xcf", ".kra", ".clip", ".svg", ".svgz", ".eps", ".ai", ".pdf", ".exr", ".hdr", ".qoi",
    ".ico", ".icns", ".dds", ".pcx", ".wdp", ".jxr", ".hdp", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf",
    ".rw2", ".pef", ".srw", ".raw",
)
_FILMS = (
    ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".3gp", ".mts", ".m2ts", ".ts",
    ".gifv", ".ogv",
)
_ARCHIVES = (
    ".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".cbz",
)
_TABLES = (
    ".json", ".jsonl", ".csv", ".tsv", ".xlsx", ".ods", ".parquet", ".arrow",
)
# fmt: on
# ending -> kind; kind -> (what one is, what several are, what to do)
KIND_OF = {
    ending: kind
    for kind, endings in (
        ("pictures", _PICTURES),
        ("films", _FILMS),
        ("archives", _ARCHIVES),
        ("texts", SIDECARS),
        ("tables", _TABLES),
    )
    for ending in endings
}  # fmt: skip
KINDS = {
    "pictures": ("of a kind that can't be read", "of a kind that can't be read", "Save them as PNG or JPEG."),
    "films": ("left out as a film", "left out as films", "Save single frames as PNG or JPEG."),
    "archives": ("left out as an archive", "left out as archives", "Unpack them."),
    "texts": (
        "left out as a caption without an image",
        "left out as captions without an image",
        "Name each caption as its image: cat.txt for cat.png.",
    ),
    "tables": (
        "left out as an unknown table",
        "left out as unknown tables",
        "Captions of many images go into metadata.jsonl, .csv or .json.",
    ),
    "masks": ("left out as a mask", "left out as masks", "Rename those that are pictures to train on."),
    "others": ("neither an image nor a caption", "neither images nor captions", ""),
}


def about_files(listing: Listing, used: Iterable[Path]) -> list[Problem]:
    """Names every file of the folder that is not trained on and no caption or mask that is; used: the captions."""
    used, masked = set(used), {name_key(str(mask.with_suffix(""))) for mask in listing.masks}
    kinds: dict[str, list[str]] = defaultdict(list)
    for folder, names in listing.others.items():
        for name in names:
            path = folder / name
            ending = path.suffix.lower()
            if (
                path.stem.casefold() not in ABOUT
                and path not in used
                and not (ending in SIDECARS and name_key(str(path.with_suffix(""))) in masked)
            ):
                kinds[KIND_OF.get(ending, "others")].append(listing.name(path))
    kinds["masks"] = [listing.name(mask) for mask in listing.masks]
    problems = []
    for kind, (one, several, fix) in KINDS.items():
        if found := kinds[kind]:
            what = f"{_files(found)} {one if len(found) == 1 else several}: {some(found)}."
            problems.append(Problem(what, fix, "data.folder", fatal=False))
    odd = [
        Problem(f"{listing.name(path)} is {kind}, not a file, and is left out.", "", listing.name(path), fatal=False)
        for path, kind in listing.odd.items()
    ]
    return problems + few(odd, "that are no files")


def about_captions(captions: Mapping[str, Caption]) -> list[Problem]:
    """Where captions come from names, are empty, or lacking; by the image's name."""
    named = [name for name, caption in captions.items() if caption.source == "name" and caption.text]
    bare = [name for name, caption in captions.items() if caption.source == "name" and not caption.text]
    empty = [name for name, caption in captions.items() if caption.source != "name" and not caption.text]
    problems = []
    if named:
        example = f"{named[0]} gives “{captions[named[0]].text[:LETTERS]}”"
        what = f"The captions of {_share(named, captions)} are made from file names ({example})."
        problems.append(Problem(what, "Write captions as .txt files beside the images.", "data.folder", fatal=False))
    if bare:
        what = f"There is no caption for {_share(bare, captions)}: {some(bare)}."
        problems.append(Problem(what, "Write captions as .txt files beside the images.", "data.folder", fatal=False))
    if empty:
        what = f"The caption is empty for {_share(empty, captions)}: {some(empty)}."
        problems.append(Problem(what, where="data.folder", fatal=False))
    return problems


def few(problems: Sequence[Problem], of_what: str) -> list[Problem]:
    """The first of many; the rest as one number, which is two at least: one more takes no more room by itself."""
    if len(problems) <= SHOWN + 1:
        return list(problems)
    return [*problems[:SHOWN], Problem(f"… and {len(problems) - SHOWN} more {of_what}.", fatal=False)]


def some(names: Sequence[str]) -> str:
    """The first names, and a sign that there are more."""
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _files(names: Sequence[str]) -> str:
    return "1 file is" if len(names) == 1 else f"{len(names)} files are"


def _share(some_of: Sequence[str], of: Mapping[str, Caption]) -> str:
    return f"{len(some_of)} of {len(of)} images" if len(of) > 1 else "the image"

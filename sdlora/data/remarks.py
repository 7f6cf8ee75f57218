"""What a folder holds beside images and captions, and what images lack: one sentence for each kind. No torch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sdlora.data.captions import SIDECARS, Caption
from sdlora.data.listing import Listing, name_key
from sdlora.errors import Problem
from sdlora.messages import say

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
    "pictures": (
        say("images.kind_unreadable"),
        say("images.kind_unreadable"),
        say("images.save_as_png"),
    ),
    "films": (
        say("images.kind_film"),
        say("images.kind_films"),
        say("images.save_frames"),
    ),
    "archives": (
        say("images.kind_archive"),
        say("images.kind_archives"),
        say("images.unpack"),
    ),
    "texts": (
        say("images.kind_lone_caption"),
        say("images.kind_lone_captions"),
        say("images.name_captions_as_images"),
    ),
    "tables": (
        say("images.kind_unknown_table"),
        say("images.kind_unknown_tables"),
        say("images.use_caption_table"),
    ),
    "masks": (
        say("images.kind_mask"),
        say("images.kind_masks"),
        say("images.rename_pictures"),
    ),
    "others": (say("images.kind_other"), say("images.kind_others"), ""),
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
            kind_of_file = one if len(found) == 1 else several
            what = say("images.other_files", count=len(found), kind_of_file=kind_of_file, names=some(found))
            problems.append(Problem(what, fix, "folder", fatal=False))
    odd = [
        Problem(say("images.not_a_file", name=listing.name(path), thing=kind), "", listing.name(path), fatal=False)
        for path, kind in listing.odd.items()
    ]
    return problems + first_few(odd, say("images.remarks_not_files"))


def about_captions(captions: Mapping[str, Caption]) -> list[Problem]:
    """Where captions come from names, are empty, or lacking; by the image's name."""
    named = [name for name, caption in captions.items() if caption.source == "name" and caption.text]
    bare = [name for name, caption in captions.items() if caption.source == "name" and not caption.text]
    empty = [name for name, caption in captions.items() if caption.source != "name" and not caption.text]
    problems = []
    if named:
        example = say("images.example_from_name", name=named[0], caption=captions[named[0]].text[:LETTERS])
        what = say("images.captions_from_names", share=_share(named, captions), example=example)
        problems.append(Problem(what, say("images.write_txt_captions"), "folder", fatal=False))
    if bare:
        what = say("images.caption_missing", share=_share(bare, captions), names=some(bare))
        problems.append(Problem(what, say("images.write_txt_captions"), "folder", fatal=False))
    if empty:
        what = say("images.caption_empty", share=_share(empty, captions), names=some(empty))
        problems.append(Problem(what, where="folder", fatal=False))
    return problems


def first_few(problems: Sequence[Problem], of_what: str) -> list[Problem]:
    """The first of many problems of one kind, and one that counts the rest: two at least, or it is named itself."""
    if len(problems) <= SHOWN + 1:
        return list(problems)
    return [
        *problems[:SHOWN],
        Problem(say("images.more_remarks", count=len(problems) - SHOWN, remarks=of_what), fatal=False),
    ]


def some(names: Sequence[str]) -> str:
    """The first names, and a sign that there are more."""
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _share(some_of: Sequence[str], of: Mapping[str, Caption]) -> str:
    return say("images.share_of_all", count=len(some_of), all=len(of)) if len(of) > 1 else say("images.share_single")

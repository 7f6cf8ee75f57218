"""The doctor's HTML; like all of the page's, through ``render.escape``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ui import text, translate
from ui.background.task import TaskState
from ui.shell.place import Place
from ui.shell.render import escape, note
from ui.tabs.images.album import ASIDE, Album
from ui.tabs.images.examined import DoctorReport, Found
from ui.tabs.images.html import marked_change

THUMB = 128  # pixels
ROWS = 12  # findings of one kind that are shown
PICTURES = 6  # of one finding
EXAMPLES = 24  # pictures and captions in a preview


def aside(album: Album) -> Path:
    """Where pictures go that are taken out."""
    return album.folder / ASIDE


def progress(reported: Mapping[str, Any]) -> str:
    """How far it is, with a bar."""
    done, of = (reported.get(key) for key in ("done", "of"))
    if not isinstance(done, int) or not isinstance(of, int) or not of > 0:
        return f'<p class="note" role="status">{escape(text.DOCTOR_BEGINS)}</p>'
    words = text.DOCTOR_FAR.format(done=text.number(done), of=text.number(of))
    bar = f'<div class="bar"><i style="width:{100 * min(done, of) / of:.1f}%"></i></div>'
    return f'<p class="note" role="status">{escape(words)}</p>{bar}'


def ended(state: TaskState) -> str:
    """Why there is no new report; "" where there is one."""
    if state.stopped:
        return note(text.DOCTOR_STOPPED)
    if state.failed:
        return note(text.DOCTOR_FAILED.format(reason=translate.message(state.problem) or text.DOCTOR_SILENT))
    return ""


def report(place: Place, album: Album, found: DoctorReport) -> str:
    """Everything that was found and still holds: by kind why and what to do, and each finding with its pictures."""
    still = found.still(album)
    when = text.moment(datetime.fromtimestamp(found.when))
    pictures = text.count("IMAGES", found.pictures)
    count = len(still) + len(found.files)
    head = text.count("DOCTOR_FOUND", count, images=pictures, when=when) if count else (
        text.DOCTOR_NOTHING.format(images=pictures, when=when)
    )  # fmt: skip
    kinds = "".join(
        _kind(place, album, check, [f for f in still if f.check == check])
        for check in dict.fromkeys(f.check for f in still)
    )
    return note(head) + f'<div class="doctor">{kinds}{_files(found)}{_sizes(found)}</div>'


def _kind(place: Place, album: Album, check: str, found: Sequence[Found]) -> str:
    title = text.DOCTOR_CHECKS.get(check, check)
    advice = " ".join(map(translate.message, (found[0].why, found[0].fix)))
    rows = "".join(
        f"<li>{_pictures(place, album, f.names)}<span>{escape(translate.message(f.what))}</span></li>"
        for f in found[:ROWS]
    )
    more = note(text.more_problems(len(found) - ROWS)) if len(found) > ROWS else ""
    return (
        f'<details open data-check="{escape(check)}"><summary>{escape(title)} ({text.number(len(found))})</summary>'
        f"{note(advice)}<ul>{rows}</ul>{more}</details>"
    )


def _pictures(place: Place, album: Album, names: Sequence[str]) -> str:
    shown = []
    for name in names[:PICTURES]:
        entry = album.entry(name)
        drawn = place.picture(entry.path, THUMB) if entry else None
        source = escape(place.url(drawn or place.blank()))
        shown.append(f'<img src="{source}" alt="{escape(name)}" title="{escape(name)}" loading="lazy">')
    return f'<span class="found-pictures">{"".join(shown)}</span>'


def _files(found: DoctorReport) -> str:
    if not found.files:
        return ""
    rows = "".join(f'<li class="warning">{escape(translate.message(words))}</li>' for words in found.files[: 2 * ROWS])
    title = f"{text.DOCTOR_FILES} ({text.number(len(found.files))})"
    return f'<details open><summary>{escape(title)}</summary><ul class="checks">{rows}</ul></details>'


def _sizes(found: DoctorReport) -> str:
    rows = "".join(
        f"<tr><td>{width} × {height}</td><td>{text.number(count)}</td><td>{100 * lost:.0f} %</td></tr>"
        for (width, height), count, lost in found.sizes[: 2 * ROWS]
    )
    heads = "".join(f"<th>{escape(words)}</th>" for words in text.DOCTOR_SIZE_HEADS.values())
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>{escape(text.DOCTOR_SIZES)}</summary>{table}</details>" if rows else ""


def mending(place: Place, album: Album, out: Sequence[str], captions: Mapping[str, str]) -> str:
    """What would be done: the pictures that go, and the captions with what goes and what comes marked."""
    parts = []
    if out:
        pictures = "".join(
            f"<li>{_pictures(place, album, [name])}<small>{escape(name)}</small></li>" for name in out[:EXAMPLES]
        )
        head = text.count("DOCTOR_OUT", len(out), folder=aside(album))
        parts.append(f'{note(head)}<ul class="leaving">{pictures}</ul>{_rest(len(out))}')
    if captions:
        rows = "".join(
            f"<li><small>{escape(name)}</small>{marked_change(entry.caption, new)}</li>"
            for name, new in list(captions.items())[:EXAMPLES]
            if (entry := album.entry(name))
        )
        head = text.count("DOCTOR_CAPTIONS", len(captions))
        parts.append(f'{note(head)}<ul class="changes">{rows}</ul>{_rest(len(captions))}')
    return "".join(parts)


def _rest(count: int) -> str:
    return note(text.more_problems(count - EXAMPLES)) if count > EXAMPLES else ""

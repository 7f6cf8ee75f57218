"""The captioner's HTML; like all of the page's, through ``render.escape``."""

from typing import Any

from sdlora.messages import unpacked
from ui import text, translate
from ui.background.task import TaskState
from ui.shell.render import escape, note


def captions_progress(state: TaskState) -> str:
    """How far it is, with a bar, and the caption that came last."""
    done, of = (state.reported.get(key) for key in ("done", "of"))
    if not isinstance(done, int) or not isinstance(of, int) or not of > 0:
        return f'<p class="note" role="status">{escape(text.CAPTIONER_BEGINS)}</p>'
    words = text.CAPTIONER_FAR.format(done=text.number(done), of=text.number(of))
    bar = f'<div class="bar"><i style="width:{100 * min(done, of) / of:.1f}%"></i></div>'
    name, caption = (str(state.reported.get(key) or "")[:500] for key in ("name", "caption"))
    last = f'<p class="came"><small>{escape(name)}</small> {escape(caption)}</p>' if name else ""
    return f'<p class="note" role="status">{escape(words)}</p>{bar}{last}'


def captions_ended(state: TaskState) -> str:
    """What it came to."""
    report: Any = state.reported.get("report")
    said = report.get("said") if isinstance(report, dict) else None
    if isinstance(said, list) and not state.stopped:
        return "".join(note(translate.message(_unpacked(words))) for words in said[:12])
    if state.stopped:
        return note(text.CAPTIONER_STOPPED)
    return note(text.CAPTIONER_FAILED.format(reason=translate.message(state.problem) or text.DOCTOR_SILENT))


def _unpacked(words: Any) -> str:
    return unpacked(words, None if isinstance(words, dict) else str(words))

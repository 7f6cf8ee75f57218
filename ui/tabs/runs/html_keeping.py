"""The HTML of what keeps order among runs: ratings, notes, what the disk holds, the bin."""

from ui import text
from ui.shell.machine import Machine
from ui.shell.render import escape, note
from ui.shell.sizes import Used
from ui.shell.view import RunView

RING = ("done", "stopped", "failed", "interrupted")  # states in which a run has ended


def stars(rating: int) -> str:
    """The rating as a row of stars with words for a screen reader; "" for none."""
    if not rating:
        return ""
    return f'<span class="stars" role="img" aria-label="{text.count("RATING_ALT", rating)}">{"★" * rating}</span>'


def said(view: RunView) -> str:
    """The note on a run, its line ends kept."""
    words = view.remarks.note
    return f'<p class="said own-note">{escape(words)}</p>' if words else ""


def disk_line(used: Used) -> str:
    """ "12 runs, 3.4 GB · 500 MB in the bin · 80 GB free"."""
    parts = [text.count("DISK_LINE", len(used.runs), size=text.size(used.total))] if used.runs else []
    parts += [text.DISK_LINE_BIN.format(size=text.size(used.in_bin))] if used.binned else []
    parts += [text.DISK_LINE_FREE.format(size=text.size(used.free))] if used.free is not None else []
    return note(" · ".join(parts))


def bin_line(used: Used) -> str:
    """What the bin holds."""
    if not used.binned:
        return note(text.BIN_EMPTY)
    return note(text.count("BIN_HOLDS", len(used.binned), size=text.size(used.in_bin)))


def machine_lines(now: Machine) -> str:
    """A line for each GPU: its memory, power, work and warmth, as far as they are said; one for the memory."""
    lines = []
    for gpu in now.gpus:
        parts = []
        if gpu.used is not None and gpu.total:
            parts.append(text.MACHINE_OF.format(used=text.size(gpu.used), total=text.size(gpu.total)))
        if gpu.watts is not None:
            parts.append(text.MACHINE_WATTS.format(watts=f"{gpu.watts:.0f}"))
        if gpu.load is not None:
            parts.append(text.MACHINE_LOAD.format(load=f"{gpu.load:.0f}"))
        if gpu.degrees is not None:
            parts.append(f"{gpu.degrees:.0f} °C")
        lines.append(" · ".join([gpu.name, *parts]))
    if now.total:
        lines.append(text.MACHINE_MEMORY.format(free=text.size(now.free), total=text.size(now.total)))
    return "".join(note(line) for line in lines)


def ring() -> str:
    """How a run that has ended makes itself known; ``script.js`` of this tab keeps the choice in the browser.

    The sentences that it writes come along as hidden text.
    """
    said = "".join(f'<span data-ring-state="{state}">{escape(text.RING_STATES[state])}</span>' for state in RING)
    return (
        f'<fieldset class="ring"><legend>{text.RING_TITLE}</legend>'
        f'<label><input type="checkbox" data-ring="note"> {text.RING_NOTE}</label>'
        f'<label><input type="checkbox" data-ring="sound"> {text.RING_SOUND}</label>'
        f'<p class="note" data-ring-refused role="status" hidden>{text.RING_REFUSED}</p>'
        f"<div hidden>{said}</div></fieldset>"
    )

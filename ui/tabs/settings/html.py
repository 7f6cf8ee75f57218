"""The Settings tab's HTML. As in ``ui.shell.render``: what a person or a file can have said is escaped."""

import json
import re
from pathlib import Path
from typing import Any

from sdlora.errors import Problem
from ui import text, translate
from ui.shell import render
from ui.shell.place import Place


def form_facts(
    problems: list[Problem], sizes: dict[str, list[int]], family: str, usual: dict[str, Any] | None = None
) -> str:
    """What the browser's part of the form works with: sentences by field, sums for the size, the base's family.

    usual: by key, what a field is set back to; where it has nothing, the program's default.
    """
    by_key: dict[str, list[str]] = {}
    for problem in sorted(problems, key=lambda p: not p.fatal):
        if "." in problem.where:
            by_key.setdefault(problem.where, []).append(("" if problem.fatal else "!") + at_field(problem))
    said = json.dumps({"problems": by_key, "sizes": sizes, "family": family, "usual": usual or {}}, ensure_ascii=True)
    return f'<div id="form-facts" hidden data-facts="{render.escape(said)}"></div>'


def at_field(problem: Problem) -> str:
    """The sentence as it stands at its field: the setting by the label that one sees there, not by its key."""
    label = text.LABELS.get(problem.where, problem.where)
    return re.sub(rf"{re.escape(problem.where)}(?!\w)", lambda _: label, translate.problem(problem))


def trained(place: Place, folder: str, images: list[Path]) -> str:
    """The folder that will be trained on, how many images it has, and three of them."""
    if not folder:
        return ""
    few = dict.fromkeys(images[at] for at in (0, len(images) // 2, -1)) if images else {}
    drawn = [(path, place.picture(path, render.THUMB)) for path in few]
    pictures = "".join(
        f'<img src="{render.escape(place.url(small))}" alt="{render.escape(path.name)}">'
        for path, small in drawn
        if small
    )
    count = text.count("IMAGES", len(images)) if images else text.NO_IMAGES
    return (
        f'<section class="card trained"><h3>{text.TRAINED_ON}</h3><p class="pictures">{pictures}</p>'
        f"<p><b>{render.escape(count)}</b> <code>{render.escape(folder)}</code></p>"
        f'<button type="button" data-tab="1">{text.CHOOSE_OTHERS}</button></section>'
    )


def base_line(words: str) -> str:
    """A line on what the base model is."""
    return f'<p class="described">{render.escape(words)}</p>' if words else ""


def adapter_size(scale: float | None, size: tuple[int, int] | None) -> str:
    """The strength alpha / rank, how many parameters learn, how large the file will be."""
    parts = []
    if scale is not None:
        parts.append((text.STRENGTH, "scale", text.compact(scale)))
    trainable, size_of_file = (text.number(size[0]), text.size(size[1])) if size else ("", "")
    parts.append((text.PARAMETERS, "trainable", trainable))
    parts.append((text.FILE_SIZE, "bytes", size_of_file))
    spans = "".join(
        f"<span{'' if value else ' hidden'}>{label} <b class='{name}'>{value}</b></span>"
        for label, name, value in parts
    )
    return f'<p class="strength">{spans}</p>'


def estimate(sentences: list[str], measured: str = "", running: bool = False) -> str:
    """How far the steps go, and how long they take if a step was measured."""
    lines = [f"<p>{render.escape(s)}</p>" for s in sentences] or [render.note(text.NO_ESTIMATE)]
    if running:
        lines.append(f'<p class="measuring" role="status">{text.MEASURING}</p>')
    else:
        lines.append(f"<p>{render.escape(measured)}</p>" if measured else render.note(text.MEASURE_HELP))
    return f'<section class="card estimate"><h3>{text.ESTIMATE}</h3>{"".join(lines)}</section>'


def brief(fatal: int, passes: str, measured: str) -> str:
    """What stands beside Start: what forbids it, how far the steps go, how long that takes."""
    wrong = text.count("BRIEF_FATAL", fatal) if fatal else ""
    link = f'<button type="button" class="bad pill" data-goto="checks">{render.escape(wrong)}</button>' if wrong else ""
    rest = " ".join(render.escape(words) for words in (passes, measured) if words)
    return f'<p class="brief">{link}<span>{rest}</span></p>'


def answer(words: str, more: list[str] | None = None) -> str:
    """An answer to what was just done, with what deserves a look below."""
    lines = "".join(f"<p>{render.escape(line)}</p>" for line in [words, *(more or [])] if line)
    return f'<div class="answer" role="status">{lines}</div>' if lines else ""

"""The Settings tab: the basic fields, the strength alpha / rank, the checks, Start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from sdlora.config import Settings
from sdlora.errors import Problem, UserError
from sdlora.preflight import check, inspect_base, resolve
from ui import form, render, text
from ui.place import Place

GROUPS = (
    ("GROUP_WHAT", ("run.name", "model.base", "data.trigger")),
    ("GROUP_ADAPTER", ("adapter.rank", "adapter.alpha")),
    ("GROUP_TRAINING", ("train.steps", "train.lr", "data.resolution", "train.seed")),
    ("GROUP_TEST", ("sample.prompts",)),
)


@dataclass
class SettingsTab:
    fields: dict[str, gr.components.Component]
    checks: gr.HTML
    again: gr.Button
    start: gr.Button
    reason: gr.HTML


def build(folder: gr.Textbox) -> SettingsTab:
    """The form; ``folder`` is the Images tab's field, which belongs to it too."""
    known, fields = form.basic(), {form.FOLDER: folder}
    grouped = {key for _, keys in GROUPS for key in keys}
    missing = tuple(key for key in known if key not in grouped and key != form.FOLDER)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            for title, keys in (*GROUPS, *((("", missing),) if missing else ())):
                gr.HTML(f'<h2 class="section">{getattr(text, title) if title else ""}</h2>', apply_default_css=False)
                with gr.Group():
                    for pair in _pairs(keys):
                        with gr.Row(equal_height=False):
                            for key in pair:
                                fields[key] = form.make_field(known[key])
                if "adapter.rank" in keys:
                    strength = gr.HTML(_strength(known), elem_id="strength", apply_default_css=False)
        with gr.Column(scale=3, min_width=320):
            checks = gr.HTML(render.unchecked(), elem_id="checks", apply_default_css=False)
            again = gr.Button(text.CHECK_AGAIN, size="sm", elem_id="check-again")
            with gr.Column(elem_classes="buttons"):
                start = gr.Button(text.START, variant="primary", elem_id="start")
            reason = gr.HTML(render.note(text.CLOSE_ANYTIME), elem_id="reason", apply_default_css=False)
    rank, alpha = fields["adapter.rank"], fields["adapter.alpha"]
    gr.on([rank.change, alpha.change], None, [rank, alpha], strength, js=_STRENGTH_JS, api_visibility="private")
    return SettingsTab(fields, checks, again, start, reason)


def _pairs(keys: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Two fields beside each other; they wrap by themselves where the page is narrow."""
    return [keys[i : i + 2] for i in range(0, len(keys), 2)]


def _strength(known: dict) -> str:
    return render.strength(known["adapter.alpha"].default / known["adapter.rank"].default)


# The same as ``render.strength``, without a way to the server while a slider moves. Numbers only: nothing to escape.
_STRENGTH_JS = (
    "(rank, alpha) => { const s = Number(alpha) / Number(rank);"
    " return Number.isFinite(s) ? `" + render.strength("${+s.toFixed(3)}") + "` : ''; }"
)


def examine(place: Place, values: dict[str, Any]) -> tuple[Settings | None, list[Problem]]:
    """(settings, problems) of the form's values: bounds and names first, then all checks on disk.

    The settings have nothing left open, as a run folder keeps them; None where a problem is fatal.
    """
    problems: list[Problem] = []
    try:
        values = {**values, form.FOLDER: str(place.folder(values[form.FOLDER] or ""))}
    except UserError as error:
        problems += error.problems
    try:
        settings = form.to_settings(values, str(place.runs))
    except UserError as error:
        return None, problems + error.problems
    if problems:  # the folder's own sentence is there already
        problems += [p for p in check(settings) if p.where != form.FOLDER]
    else:
        problems = check(settings)
    problems = _base_not_here(settings.model.base, problems)
    if any(p.fatal for p in problems):
        return None, problems
    return resolve(settings, inspect_base(settings.model.base, settings.model.revision)), problems


def _base_not_here(base: str, problems: list[Problem]) -> list[Problem]:
    """For a hub id that has not been downloaded: how to get it, since the page does not download by itself."""
    if not any(p.where == "model.base" for p in problems) or base.count("/") != 1 or Path(base).expanduser().exists():
        return problems
    say = Problem(text.NOT_HERE_YET.format(base=base), text.NOT_HERE_FIX.format(base=base), "model.base")
    return [say, *(p for p in problems if p.where != "model.base")]

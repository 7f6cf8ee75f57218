"""The Settings tab: presets, the fields in flat groups, what they come to, Start. ``handlers`` answers."""

from dataclasses import dataclass, field
from typing import Any, get_args

import gradio as gr

from sdlora.settings import Group, SettingInfo
from ui import text
from ui.shell import render
from ui.tabs.settings import form, presets

AFTER = {"model.base": "described", "adapter.alpha": "strength"}  # lines below a field, which ``settings_desk`` fills


@dataclass
class SettingsTab:
    """The components of the tab."""

    fields: dict[str, gr.components.Component]
    kind: gr.Radio
    memory: gr.Radio
    preset_note: gr.HTML
    find_bases: gr.Button
    bases: gr.HTML
    look_in: gr.Textbox
    look: gr.Button
    described: gr.HTML
    strength: gr.HTML
    trained: gr.HTML
    checks: gr.HTML
    again: gr.Button
    fetch: gr.Button
    fetched: gr.HTML
    estimate: gr.HTML
    measure: gr.Button
    measuring: gr.Timer
    brief: gr.HTML
    start: gr.Button
    reason: gr.HTML
    load: gr.UploadButton
    save: gr.Button
    pasted: gr.Textbox
    use: gr.Button
    answer: gr.HTML
    written: gr.Textbox
    file_name: gr.Textbox
    known: gr.State
    origin: gr.Textbox
    origin_said: gr.HTML
    afresh: gr.Button
    editing: gr.Textbox
    editing_said: gr.HTML
    as_new: gr.Button
    mirrors: dict[str, gr.components.Component] = field(default_factory=dict)

    @property
    def inputs(self) -> list[gr.components.Component]:
        """What the desk's handlers get."""
        return [self.kind, self.memory, *self.fields.values()]

    def shown(self) -> list[gr.components.Component]:
        """All that a handler may change."""
        own = [v for k, v in vars(self).items() if k not in ("fields", "mirrors")]
        return [*own, *self.fields.values(), *self.mirrors.values()]


def build(folder: gr.Textbox) -> SettingsTab:
    """The form; ``folder`` is the Images tab's field, which belongs to it too."""
    fields: dict[str, gr.components.Component] = {form.FOLDER: folder}
    first = form.field_values(presets.load(presets.preset_name(presets.EMBEDDED)))
    parts: dict[str, Any] = {}
    with gr.Row(equal_height=False, elem_id="settings-form"):
        with gr.Column(scale=5, min_width=320):
            parts |= _preset()
            _finding()
            for group, infos in grouped():
                parts |= _group(group, infos, fields, first)
            gr.HTML('<p id="nothing-found" class="note" role="status"></p>', apply_default_css=False)
        with gr.Column(scale=3, min_width=320, elem_id="settings-side"):
            parts |= _side()
    with gr.Row(elem_id="start-bar", equal_height=False):
        parts["brief"] = gr.HTML("", elem_id="brief", apply_default_css=False)
        parts["reason"] = gr.HTML(render.note(text.CLOSE_ANYTIME), elem_id="reason", apply_default_css=False)
        parts["start"] = gr.Button(text.START, variant="primary", elem_id="start", scale=0, min_width=220)
    return SettingsTab(fields=fields, **parts)


def grouped() -> list[tuple[str, list[SettingInfo]]]:
    """(group, settings) of every group that has some, each where it is declared to stand."""
    infos = sorted((info for key, info in form.shown().items() if key != form.FOLDER), key=lambda info: info.place)
    found = {group: [info for info in infos if info.group == group] for group in get_args(Group)}
    return [(group, members) for group, members in found.items() if members]


def _preset() -> dict[str, Any]:
    kinds, sizes = text.PRESET_KINDS, text.MEMORY_SIZES
    with gr.Column(elem_classes=["group", "card"], elem_id="preset"):
        with gr.Row(equal_height=False):
            kind = gr.Radio(
                [(kinds[k], k) for k in presets.KINDS], value=presets.EMBEDDED, label=text.PRESET,
                elem_id="preset-kind", scale=3, min_width=300,
            )  # fmt: skip
            memory = gr.Radio(
                [(sizes[m], m) for m in presets.MEMORY], label=text.MEMORY, elem_id="preset-memory",
                scale=2, min_width=250, visible=False,
            )  # fmt: skip
        note = gr.HTML(render.note(text.PRESET_CHOOSE), elem_id="preset-note", apply_default_css=False)
    return {"kind": form.as_typed(kind), "memory": form.as_typed(memory), "preset_note": note}


def _finding() -> None:
    with gr.Row(equal_height=True, elem_id="find-settings"):
        gr.Checkbox(
            label=text.ALL_SETTINGS, value=False, elem_id="all-settings", container=False, scale=0, min_width=150
        )  # fmt: skip
        gr.Textbox(
            label=text.SEARCH_SETTINGS, show_label=False, placeholder=text.SEARCH_SETTINGS_HINT, max_lines=1,
            container=False, elem_id="settings-search", scale=1, min_width=200,
        )  # fmt: skip


def _group(group: str, infos: list[SettingInfo], fields: dict, first: dict[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    title = getattr(text, f"GROUP_{group.upper()}") if group else ""
    with gr.Column(elem_classes=["group", "card"]):
        gr.HTML(f'<h3 class="section">{title}</h3>', apply_default_css=False)
        with gr.Column(elem_classes=["fields"]):
            for info in infos:
                classes = [] if info.level == "basic" else ["more"]
                if info.wide or info.type in (list, dict) or len(info.choices) > 3:
                    classes.append("wide")
                fields[info.key] = form.make_field(info, first[info.key], tuple(classes))
                if info.key in AFTER:
                    parts[AFTER[info.key]] = gr.HTML("", elem_id=AFTER[info.key], apply_default_css=False)
                if info.key == "model.base":
                    parts |= _bases()
    return parts


def _bases() -> dict[str, Any]:
    """The way to a base model without typing: a list of what lies on this computer, and a folder more to look in."""
    parts: dict[str, Any] = {}
    parts["find_bases"] = gr.Button(text.FIND_BASES, size="sm", elem_id="find-bases")
    parts["bases"] = gr.HTML("", elem_id="bases", apply_default_css=False)
    with gr.Row(equal_height=True, elem_id="bases-more"):
        parts["look_in"] = gr.Textbox(
            label=text.LOOK_IN, info=text.LOOK_IN_HELP, max_lines=1, elem_id="look-in", scale=4, min_width=180
        )  # fmt: skip
        parts["look"] = gr.Button(text.LOOK_THERE, size="sm", elem_id="look-there", scale=0, min_width=110)
    return parts


def _side() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    parts["origin"] = gr.Textbox(visible=False)
    parts["origin_said"] = gr.HTML("", elem_id="origin", apply_default_css=False)
    parts["afresh"] = gr.Button(text.AFRESH, size="sm", visible=False, elem_id="afresh")
    parts["editing"] = gr.Textbox(visible=False)
    parts["editing_said"] = gr.HTML("", elem_id="editing", apply_default_css=False)
    parts["as_new"] = gr.Button(text.EDIT_AS_NEW, size="sm", visible=False, elem_id="as-new")
    parts["trained"] = gr.HTML("", elem_id="trained", apply_default_css=False)
    parts["checks"] = gr.HTML("", elem_id="checks", apply_default_css=False)
    parts["again"] = gr.Button(text.CHECK_AGAIN, size="sm", elem_id="check-again")
    parts["fetch"] = gr.Button(text.DOWNLOAD_BASE, variant="primary", visible=False, elem_id="fetch-base")
    parts["fetched"] = gr.HTML("", elem_id="fetched", apply_default_css=False)
    parts["estimate"] = gr.HTML("", elem_id="estimate", apply_default_css=False)
    parts["measure"] = gr.Button(text.MEASURE, size="sm", elem_id="measure", interactive=False)
    with gr.Column(elem_classes=["card"], elem_id="load-box"):
        gr.HTML(f'<h3 class="section">{text.SETTINGS_FILE}</h3>', apply_default_css=False)
        gr.HTML(render.note(text.SETTINGS_FILE_HELP), apply_default_css=False)
        with gr.Row(elem_classes="small-buttons"):
            parts["load"] = gr.UploadButton(
                text.LOAD_SETTINGS, file_count="single", type="filepath", size="sm", elem_id="load-settings",
                min_width=100,
            )  # fmt: skip
            parts["save"] = gr.Button(text.SAVE_SETTINGS, size="sm", elem_id="save-settings", min_width=100)
        parts["answer"] = gr.HTML("", elem_id="settings-answer", apply_default_css=False)
        parts["pasted"] = gr.Textbox(
            label=text.PASTE_SETTINGS, lines=3, max_lines=8, placeholder=text.PASTE_HINT, elem_id="paste-settings"
        )  # fmt: skip
        parts["use"] = gr.Button(text.USE_PASTED, size="sm", elem_id="use-pasted")
    parts["written"], parts["file_name"] = gr.Textbox(visible=False), gr.Textbox(visible=False)
    parts["known"] = gr.State(None)
    parts["measuring"] = gr.Timer(1.0, active=False)
    return parts

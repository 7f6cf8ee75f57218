"""The Images tab: its components, what wires them to the handlers, and what the browser does by itself."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from ui import text
from ui.shell import render
from ui.tabs.images import html as render_images
from ui.tabs.images.album import FILTERS
from ui.tabs.images.layout_captioner import CaptionerTab, build_captioner
from ui.tabs.images.visitor import Where
from ui.tabs.settings import form

RECENT = 8  # folders opened before that are offered again


@dataclass
class ImagesTab:
    """The components of the tab."""

    drop: gr.File
    drop_folder: gr.UploadButton
    new_set: gr.Button
    dropped: gr.HTML
    folder: gr.Textbox
    show: gr.Button
    where: gr.State
    remembered: gr.BrowserState
    summary: gr.HTML
    notes: gr.HTML
    undo: gr.Button
    aside_broken: gr.Button
    filter: gr.Radio
    search: gr.Textbox
    tags_box: gr.Accordion
    tags: gr.CheckboxGroup
    bulk_kind: gr.Radio
    bulk_what: gr.Textbox
    bulk_by: gr.Textbox
    bulk_preview: gr.HTML
    bulk_apply: gr.Button
    promised: gr.State
    gallery: gr.Gallery
    shown_names: gr.HTML
    pager: gr.Row
    previous: gr.Button
    page: gr.HTML
    next: gr.Button
    picture: gr.HTML
    editor: gr.Column
    chosen: gr.Textbox
    caption: gr.Textbox
    seen: gr.Textbox
    keep: gr.Button
    saved: gr.HTML
    conflict: gr.Column
    conflict_said: gr.HTML
    held: gr.Textbox
    keep_mine: gr.Button
    take_theirs: gr.Button
    previous_image: gr.Button
    next_image: gr.Button
    close_editor: gr.Button
    open_image: gr.Textbox
    sees: gr.Checkbox
    trigger: gr.Textbox
    aside: gr.Button
    looking: gr.Timer
    doctor_start: gr.Button
    doctor_stop: gr.Button
    doctor_report: gr.HTML
    doctor_mend: gr.CheckboxGroup
    doctor_preview: gr.HTML
    doctor_apply: gr.Button
    doctor_promised: gr.State
    examining: gr.Timer
    captioner: CaptionerTab

    def all(self) -> list[Any]:
        """Every component: what any of the tab's handlers may change."""
        return [*(getattr(self, f.name) for f in fields(self) if f.name != "captioner"), *self.captioner.all()]


def build(folder: str) -> ImagesTab:
    """The components; ``folder`` is filled in at first. ``wire`` makes them work, once the settings' fields exist."""
    parts: dict[str, Any] = {}
    with gr.Row(equal_height=True, elem_id="source"):
        parts |= _source(folder)
    with gr.Row(elem_id="source-buttons", elem_classes="small-buttons"):
        parts |= _source_buttons()
    parts["dropped"] = gr.HTML("", elem_id="dropped", apply_default_css=False)
    parts["summary"] = gr.HTML(render.note(text.NO_FOLDER), elem_id="summary", apply_default_css=False)
    parts["notes"] = gr.HTML("", elem_id="notes", apply_default_css=False)
    with gr.Row(elem_id="image-actions"):
        small = {"visible": False, "scale": 0, "min_width": 230, "size": "sm"}
        parts["aside_broken"] = gr.Button("", elem_id="aside-broken", **small)
        parts["undo"] = gr.Button("", elem_id="undo", **small)
    parts |= _finding()
    with gr.Row(equal_height=False, elem_id="more"):
        for make in (_tags, _bulk, _doctor):
            with gr.Column(scale=1, min_width=0):
                parts |= make()
    with gr.Row(equal_height=False, elem_id="workspace"):
        with gr.Column(scale=5, min_width=0):
            parts |= _grid()
        with gr.Column(scale=3, min_width=0, elem_id="editor"):
            parts |= _editor()
    parts["captioner"] = build_captioner()  # below: the first thumbnails are to be seen without scrolling
    parts["promised"] = gr.State("")
    parts["open_image"] = gr.Textbox(elem_classes="machinery", elem_id="open-image")
    parts["where"], parts["looking"] = gr.State(Where()), gr.Timer(1.0, active=False)
    parts["remembered"] = gr.BrowserState("", storage_key="sdlora-folder", secret="sdlora")
    return ImagesTab(**parts)


def _source(folder: str) -> dict[str, Any]:
    drop = gr.File(
        label=text.DROP, file_count="multiple", type="filepath", height=116, elem_id="drop", interactive=True,
        scale=4, min_width=280,
    )  # fmt: skip
    field = form.make_field(form.basic()[form.FOLDER], folder)
    field.info, field.scale, field.min_width = text.FOLDER_HELP, 4, 280
    trigger = gr.Textbox(
        label=text.LABELS["data.trigger"], info=text.TRIGGER_HELP, max_lines=1, scale=3, min_width=240,
        placeholder=text.HINTS["data.trigger"], elem_id="trigger",
    )  # fmt: skip
    return {"drop": drop, "folder": field, "trigger": trigger}


def _source_buttons() -> dict[str, Any]:
    look = {"size": "sm", "scale": 0, "min_width": 150}
    whole = gr.UploadButton(
        text.DROP_FOLDER, file_count="directory", type="filepath", elem_id="drop-folder", **look
    )  # fmt: skip
    new = gr.Button(text.NEW_SET, elem_id="new-set", **look)
    gr.HTML(render_images.recent(), elem_id="recent-place", apply_default_css=False)
    show = gr.Button(text.SHOW, variant="primary", elem_id="show-images", **look)
    return {"drop_folder": whole, "new_set": new, "show": show}


def _finding() -> dict[str, Any]:
    with gr.Row(equal_height=True, elem_id="finding"):
        kinds = form.as_typed(
            gr.Radio(
                [(text.FILTERS[key], key) for key in FILTERS],
                value="all",
                label=text.FILTER,
                show_label=False,
                container=False,
                elem_id="filter",
                scale=3,
                min_width=300,
            )  # fmt: skip
        )
        search = gr.Textbox(
            label=text.SEARCH, show_label=False, placeholder=text.SEARCH_HINT, max_lines=1, container=False,
            elem_id="search-captions", scale=2, min_width=220,
        )  # fmt: skip
    return {"filter": kinds, "search": search}


def _tags() -> dict[str, Any]:
    with gr.Accordion(text.TAGS, open=False, elem_id="tags-box") as box:
        tags = form.as_typed(gr.CheckboxGroup([], label=text.TAGS_HELP, elem_id="tags"))
    return {"tags_box": box, "tags": tags}


def _bulk() -> dict[str, Any]:
    with gr.Accordion(text.BULK, open=False, elem_id="bulk-box"):
        gr.HTML(render.note(text.BULK_HELP), apply_default_css=False)
        kind = form.as_typed(
            gr.Radio(
                [(text.BULK_KINDS[key], key) for key in ("front", "end", "replace", "remove")],
                value="front",
                label=text.BULK_KIND,
                show_label=False,
                container=False,
                elem_id="bulk-kind",
            )  # fmt: skip
        )
        with gr.Row():
            what = gr.Textbox(label=text.BULK_WHAT, max_lines=1, elem_id="bulk-what", min_width=160)
            by = gr.Textbox(label=text.BULK_BY, max_lines=1, visible=False, elem_id="bulk-by", min_width=160)
        shown = gr.HTML("", elem_id="bulk-preview", apply_default_css=False)
        apply = gr.Button(text.APPLY, variant="primary", interactive=False, elem_id="bulk-apply")
    return {"bulk_kind": kind, "bulk_what": what, "bulk_by": by, "bulk_preview": shown, "bulk_apply": apply}


def _doctor() -> dict[str, Any]:
    with gr.Accordion(text.DOCTOR, open=False, elem_id="doctor-box"):
        gr.HTML(render.note(text.DOCTOR_HELP), apply_default_css=False)
        with gr.Row(elem_classes="small-buttons"):
            look = {"size": "sm", "scale": 0, "min_width": 170}
            start = gr.Button(text.DOCTOR_START, variant="primary", elem_id="doctor-start", **look)
            stop = gr.Button(text.DOCTOR_STOP, visible=False, elem_id="doctor-stop", **look)
        report = gr.HTML("", elem_id="doctor-report", apply_default_css=False)
        kinds = gr.CheckboxGroup(
            [], label=text.DOCTOR_MEND, info=text.DOCTOR_MEND_HELP, visible=False, elem_id="doctor-mend"
        )
        preview = gr.HTML("", elem_id="doctor-preview", apply_default_css=False)
        apply = gr.Button(text.DOCTOR_APPLY, variant="primary", visible=False, elem_id="doctor-apply")
    return {
        "doctor_start": start, "doctor_stop": stop, "doctor_report": report, "doctor_mend": form.as_typed(kinds),
        "doctor_preview": preview, "doctor_apply": apply, "doctor_promised": gr.State(""),
        "examining": gr.Timer(1.0, active=False),
    }  # fmt: skip


def _grid() -> dict[str, Any]:
    gallery = gr.Gallery(
        label=text.GALLERY, show_label=False, interactive=False, allow_preview=False, object_fit="contain", columns=6,
        height="auto", buttons=[], elem_id="gallery",
    )  # fmt: skip
    names = gr.HTML("", elem_id="shown-names", apply_default_css=False)
    with gr.Row(visible=False, elem_classes="buttons", elem_id="pager") as pager:
        previous = gr.Button(text.PREVIOUS, size="sm", elem_id="previous-page")
        page = gr.HTML("", elem_id="page-of", apply_default_css=False)
        following = gr.Button(text.NEXT, size="sm", elem_id="next-page")
    return {
        "gallery": gallery,
        "shown_names": names,
        "pager": pager,
        "previous": previous,
        "page": page,
        "next": following,
    }


def _editor() -> dict[str, Any]:
    with gr.Column(visible=False, elem_id="conflict") as conflict:
        conflict_said = gr.HTML("", apply_default_css=False)
        held = gr.Textbox(visible=False)
        with gr.Row(elem_classes="small-buttons"):
            mine = gr.Button(text.KEEP_MINE, size="sm", elem_id="keep-mine", min_width=130)
            theirs = gr.Button(text.TAKE_THEIRS, size="sm", elem_id="take-theirs", min_width=130)
    picture = gr.HTML(render.note(text.PICK), elem_id="picture", apply_default_css=False)
    with gr.Column(visible=False, elem_id="edit") as editor:
        chosen = gr.Textbox(visible=False)
        caption = gr.Textbox(label=text.CAPTION, info=text.CAPTION_HELP, lines=3, max_lines=8, elem_id="caption")
        seen = gr.Textbox(elem_classes="machinery", elem_id="seen")
        keep = gr.Button(elem_classes="machinery", elem_id="keep-caption")
        saved = gr.HTML("", elem_id="saved", apply_default_css=False)
        with gr.Row(elem_classes="small-buttons"):
            before = gr.Button(text.PREVIOUS_IMAGE, size="sm", elem_id="previous-image", min_width=80)
            after = gr.Button(text.NEXT_IMAGE, size="sm", elem_id="next-image", min_width=80)
            close = gr.Button(text.CLOSE, size="sm", elem_id="close-editor", min_width=56, scale=0)
        with gr.Row(elem_classes="small-buttons"):
            sees = gr.Checkbox(label=text.SEES, value=False, elem_id="sees", container=False, min_width=180)
            aside = gr.Button(text.ASIDE_ONE, size="sm", elem_id="aside", min_width=170, scale=0)
    return {
        "picture": picture, "editor": editor, "chosen": chosen, "caption": caption, "saved": saved,
        "seen": seen, "keep": keep, "conflict": conflict, "conflict_said": conflict_said, "held": held,
        "keep_mine": mine, "take_theirs": theirs, "previous_image": before, "next_image": after,
        "close_editor": close, "sees": sees, "aside": aside,
    }  # fmt: skip

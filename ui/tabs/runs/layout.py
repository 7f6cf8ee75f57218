"""The Runs tab: its components, and what of them a tick sends: only what has changed since the last one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
import pandas as pd

from ui.tabs.settings import form
from ui.shell import render
from ui.tabs.runs import html as render_runs
from ui.tabs.runs import keeping_pane as keeping
from ui import text, translate
from ui.shell.drawings import Drawings
from ui.shell.place import Place
from ui.shell.theme import ACCENT, MUTED, OTHER, OTHER_CHECK, SOFT, STRONG, WARM
from ui.shell.view import RunView, smooth
from ui.shell.watch import LIVE, Watch

COLUMNS = 6  # steps of test pictures, unless all are asked for
SMOOTHING = 0.9


@dataclass
class RunsTab:
    """The components that a tick may change, by the name of their part; what a visitor chose; what they have."""

    runs: gr.Radio
    card: gr.HTML
    stop: gr.Button
    pause: gr.Button
    save: gr.Button
    sample: gr.Button
    resume: gr.Button
    change: gr.Button
    up: gr.Button
    down: gr.Button
    remove: gr.Button
    samples: gr.HTML
    show_all: gr.Checkbox
    strength_box: gr.Column
    strength_pictures: gr.HTML
    beside: gr.Dropdown
    beside_table: gr.HTML
    curve: gr.LinePlot
    curve_help: gr.HTML
    smoothing: gr.Slider
    follow: gr.Button
    files: gr.HTML
    steps: gr.Dropdown
    container: gr.Radio
    dtype: gr.Radio
    export: gr.Button
    export_said: gr.HTML
    log: gr.Textbox
    stop_now: gr.Button
    undo: gr.Button
    disk: gr.HTML
    machine: gr.HTML
    bin_said: gr.HTML
    bin_list: gr.CheckboxGroup
    put_back: gr.Button
    empty_bin: gr.Button
    remarks_box: gr.Accordion
    said_name: gr.Textbox
    said_rating: gr.Radio
    said_note: gr.Textbox
    edit: gr.Button
    duplicate: gr.Button
    delete: gr.Button
    export_all: gr.Button
    branch: gr.Button
    ring: gr.HTML
    empty_now: gr.Button
    keep_said: gr.Button
    strength: gr.Slider
    draw_again: gr.Button
    zoom: gr.State
    seen: gr.State

    def filled(self) -> dict[str, Any]:
        """The components that a tick fills."""
        own = ("ring", "stop_now", "empty_now", "keep_said", "strength", "draw_again", "zoom", "seen")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in own}


# ---- components


def build() -> RunsTab:
    """The components, empty; ``parts`` fills them."""
    made: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=230):
            made["runs"] = form.as_typed(gr.Radio([], label=text.RUN_LIST, elem_id="run-list", visible=False))
            made |= keeping.below_list()
        with gr.Column(scale=4, min_width=320):
            made["card"] = gr.HTML(render.no_runs(), elem_id="run-card", apply_default_css=False)
            with gr.Row(elem_classes="buttons", elem_id="run-buttons"):
                made |= _buttons_made()
            made |= keeping.remarks()
            made["samples"] = gr.HTML("", elem_id="samples", apply_default_css=False)
            made["show_all"] = gr.Checkbox(
                False, label=text.SHOW_ALL, visible=False, container=False, elem_id="show-all"
            )
            with gr.Column(visible=False, elem_id="strength-box") as box:
                made |= _strength_made()
            made["strength_box"] = box
            made["beside"] = form.as_typed(
                gr.Dropdown([], label=text.BESIDE, info=text.BESIDE_HELP, visible=False, elem_id="beside")
            )  # fmt: skip
            made["beside_table"] = gr.HTML("", elem_id="beside-table", apply_default_css=False)
            made |= _curve_made()
            made["files"] = gr.HTML("", elem_id="files", apply_default_css=False)
            made |= _export_made()
            with gr.Accordion(text.LOG, open=False, elem_id="log-box"):
                made["log"] = gr.Textbox(
                    "", label=text.LOG, show_label=False, lines=12, max_lines=12, interactive=False, autoscroll=True,
                    buttons=["copy"], elem_id="log",
                )  # fmt: skip
    return RunsTab(**made, zoom=gr.State(None), seen=gr.State(None))


def _buttons_made() -> dict[str, Any]:
    hidden = {"visible": False, "min_width": 110, "scale": 0}
    return {
        "stop": gr.Button(text.STOP, elem_id="stop", **hidden),
        "stop_now": gr.Button(text.STOP, elem_id="stop-now", visible="hidden"),
        "pause": gr.Button(text.PAUSE, elem_id="pause", **hidden),
        "save": gr.Button(text.SAVE_NOW, elem_id="save", **hidden),
        "sample": gr.Button(text.SAMPLE_NOW, elem_id="sample", **{**hidden, "min_width": 170}),
        "resume": gr.Button(text.RESUME, variant="primary", elem_id="resume", **hidden),
        "change": gr.Button(text.CHANGE_SETTINGS, elem_id="change-settings", **{**hidden, "min_width": 170}),
        "up": gr.Button(text.MOVE_UP, elem_id="move-up", **hidden),
        "down": gr.Button(text.MOVE_DOWN, elem_id="move-down", **hidden),
        "edit": gr.Button(text.EDIT_WAITING, elem_id="edit", **hidden),
        "remove": gr.Button(text.REMOVE, elem_id="remove", **{**hidden, "min_width": 230}),
        "duplicate": gr.Button(text.DUPLICATE, elem_id="duplicate", **hidden),
        "delete": gr.Button(text.DELETE_RUN, elem_id="delete-run", **hidden),
    }


def _strength_made() -> dict[str, Any]:
    gr.HTML(f'<h3 class="section">{text.STRENGTH_TITLE}</h3>', apply_default_css=False)
    with gr.Row(equal_height=True, elem_classes="buttons"):
        strength = form.as_typed(
            gr.Slider(
                0,
                1.5,
                value=0.7,
                step=0.05,
                label=text.STRENGTH_LABEL,
                info=text.STRENGTH_HELP,
                min_width=260,
                elem_id="strength-slider",
                scale=4,
            )  # fmt: skip
        )
        again = gr.Button(text.DRAW_AGAIN, elem_id="draw-again", scale=0, min_width=110)
    pictures = gr.HTML("", elem_id="strength-pictures", apply_default_css=False)
    return {"strength": strength, "draw_again": again, "strength_pictures": pictures}


def _curve_made() -> dict[str, Any]:
    curve = gr.LinePlot(
        None, x="step", y="loss", color="series", label=text.LEARNING_CURVE, color_map=_colours(), x_title="step",
        y_title="loss", color_title=" ", colors_in_legend=[], height=280, buttons=["fullscreen"], visible=False,
        elem_id="curve",
    )  # fmt: skip
    with gr.Row(equal_height=True, elem_classes="buttons", elem_id="curve-row"):
        smoothing = form.as_typed(
            gr.Slider(
                0,
                0.99,
                value=SMOOTHING,
                step=0.01,
                label=text.SMOOTHING,
                visible=False,
                min_width=220,
                elem_id="smoothing",
                scale=2,
            )  # fmt: skip
        )
        follow = gr.Button(text.FOLLOW, visible=False, elem_id="follow", scale=0, min_width=130)
    about = gr.HTML("", visible=False, elem_id="curve-help", apply_default_css=False)
    return {"curve": curve, "smoothing": smoothing, "follow": follow, "curve_help": about}


def _export_made() -> dict[str, Any]:
    with gr.Row(equal_height=True, elem_classes="buttons", elem_id="export-row"):
        hidden = {"visible": False, "min_width": 150}
        steps = form.as_typed(
            gr.Dropdown([], label=text.CHECKPOINTS, allow_custom_value=True, elem_id="steps", scale=1, **hidden)
        )
        containers = [(text.CONTAINERS[key], key) for key in ("", "kohya", "diffusers")]
        dtypes = [(text.DTYPES[key], key) for key in ("", "fp16", "bf16", "fp32")]
        look = {**hidden, "min_width": 260, "scale": 2}
        container = form.as_typed(gr.Radio(containers, value="", label=text.CONTAINER, elem_id="container", **look))
        dtype = form.as_typed(gr.Radio(dtypes, value="", label=text.DTYPE, elem_id="dtype", **look))
        export = gr.Button(text.MAKE_FILE, elem_id="export", scale=0, **hidden)
    with gr.Row(elem_classes="buttons", elem_id="checkpoint-row"):
        small = {"visible": False, "scale": 0, "min_width": 150}
        every = gr.Button(text.EXPORT_ALL, elem_id="export-all", **small)
        branch = gr.Button(text.BRANCH, elem_id="branch", **{**small, "min_width": 190})
    said = gr.HTML("", elem_id="export-said", apply_default_css=False)
    made = {"steps": steps, "container": container, "dtype": dtype, "export": export, "export_said": said}
    return {**made, "export_all": every, "branch": branch}


def _colours() -> dict[str, str]:
    """By name of the series, in every language: the plot is made once for all visitors."""
    told = {
        "SERIES_RAW": MUTED, "SERIES_SMOOTH": ACCENT, "SERIES_CHECK": STRONG, "SERIES_TRAINED": SOFT,
        "SERIES_DRIFT": WARM, "SERIES_OTHER": OTHER, "SERIES_OTHER_CHECK": OTHER_CHECK,
    }  # fmt: skip
    return {name: colour for series, colour in told.items() for name in text.every(series)}

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
from ui import text, translate
from ui.tabs.compare.drawings import Drawings
from ui.shell.place import Place
from ui.shell.theme import ACCENT, MUTED, STRONG
from ui.tabs.runs.view import RunView, smooth
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
    strength: gr.Slider
    draw_again: gr.Button
    zoom: gr.State
    seen: gr.State

    def parts(self) -> dict[str, Any]:
        """Those that a tick fills."""
        own = ("stop_now", "strength", "draw_again", "zoom", "seen")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in own}


@dataclass(frozen=True)
class Look:
    """What a visitor looks at, as the page sends it; whatever was sent."""

    run: str | None = None
    all_steps: bool = False
    smoothing: float = SMOOTHING
    zoom: tuple[float, float] | None = None

    @classmethod
    def of(cls, run: Any, all_steps: Any, smoothing: Any, zoom: Any) -> "Look":
        sound = isinstance(smoothing, (int, float)) and 0 <= smoothing < 1
        pair = isinstance(zoom, (list, tuple)) and len(zoom) == 2 and all(isinstance(z, (int, float)) for z in zoom)
        return cls(
            run if isinstance(run, str) else None,
            all_steps is True,
            round(float(smoothing), 3) if sound else SMOOTHING,
            (float(zoom[0]), float(zoom[1])) if pair and zoom[0] < zoom[1] else None,
        )


# ---- components


def build() -> RunsTab:
    """The components, empty; ``parts`` fills them."""
    made: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=230):
            made["runs"] = form.as_typed(gr.Radio([], label=text.RUN_LIST, elem_id="run-list", visible=False))
        with gr.Column(scale=4, min_width=320):
            made["card"] = gr.HTML(render.no_runs(), elem_id="run-card", apply_default_css=False)
            with gr.Row(elem_classes="buttons", elem_id="run-buttons"):
                made |= _buttons_made()
            made["samples"] = gr.HTML("", elem_id="samples", apply_default_css=False)
            made["show_all"] = gr.Checkbox(
                False, label=text.SHOW_ALL, visible=False, container=False, elem_id="show-all"
            )
            with gr.Column(visible=False, elem_id="strength-box") as box:
                made |= _strength_made()
            made["strength_box"] = box
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
        "remove": gr.Button(text.REMOVE, elem_id="remove", **{**hidden, "min_width": 190}),
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
    said = gr.HTML("", elem_id="export-said", apply_default_css=False)
    return {"steps": steps, "container": container, "dtype": dtype, "export": export, "export_said": said}


def _colours() -> dict[str, str]:
    """By name of the series, in every language: the plot is made once for all visitors."""
    told = {"SERIES_RAW": MUTED, "SERIES_SMOOTH": ACCENT, "SERIES_CHECK": STRONG}
    return {name: colour for series, colour in told.items() for name in text.every(series)}


# ---- what a tick sends


Part = tuple[Any, Callable[[], Any]]  # (a mark that changes when the part does, what makes the part)


def parts(watch: Watch, place: Place, drawings: Drawings, look: Look) -> dict[str, Part]:
    """Every part of the tab with its mark, for the run that is looked at (the live or first one if there is none)."""
    names = watch.names()
    chosen = look.run if look.run in names else next(iter(names), None)
    titles = [(*_title(watch, name), name) for name in names]
    # What is chosen already is not sent again: it could undo a choice that was made meanwhile.
    listed = {"runs": ((titles, chosen), lambda: _list(titles, None if chosen == look.run else chosen))}
    found = watch.get(chosen)
    if found is None:
        return listed | _nothing()
    view, state = found
    return (
        listed
        | _about(watch, view, state, chosen)
        | _pictures(view, place, chosen, look)
        | _strength(watch, place, drawings, view, chosen)
        | _curve_parts(view, chosen, look)
        | _file_parts(watch, place, view, chosen)
        | {"log": ((chosen, _log_mark(view, state)), view.log_tail)}
        | _buttons(watch, view, state, chosen)
    )


def _title(watch: Watch, name: str) -> tuple[str, str, str]:
    view, state = watch.get(name)
    return view.name, view.when, state


def _list(titles: list[tuple[str, str, str, str]], chosen: str | None) -> dict:
    choices = [(text.run_label(name, when, state), folder) for name, when, state, folder in titles]
    return gr.update(choices=choices, visible=bool(choices), **({"value": chosen} if chosen else {}))


HIDDEN = (
    "stop", "pause", "save", "sample", "resume", "change", "up", "down", "remove", "curve", "curve_help", "smoothing",
    "follow", "steps", "container", "dtype", "export", "show_all", "strength_box",
)  # fmt: skip


def _nothing() -> dict[str, Part]:
    hide = {part: ("none", lambda: gr.update(visible=False)) for part in HIDDEN}
    empty = {part: ("none", lambda: "") for part in ("samples", "files", "log", "strength_pictures", "export_said")}
    return hide | empty | {"card": ("none", render.no_runs)}


def _about(watch: Watch, view: RunView, state: str, chosen: str) -> dict[str, Part]:
    place = watch.queue.place(chosen) if state == "waiting" else None
    live = watch.get(watch.live())
    before = live[0].name if live else ""
    return {"card": (None, lambda: render_runs.run_card(view, state, place, before))}


def _pictures(view: RunView, place: Place, chosen: str, look: Look) -> dict[str, Part]:
    columns = 0 if look.all_steps else COLUMNS
    what = (chosen, {step: tuple(files) for step, files in view.samples.items()}, columns, view.unfinished)

    def draw() -> str:
        drawn, complete = render_runs.samples(view, place, columns)
        view.unfinished = 0 if complete else view.unfinished + 1  # another mark: the rest comes with the next tick
        return drawn

    many = len(view.samples) > COLUMNS
    return {"samples": (what, draw), "show_all": ((chosen, many), lambda: gr.update(visible=many))}


def _strength(watch: Watch, place: Place, drawings: Drawings, view: RunView, chosen: str) -> dict[str, Part]:
    can = bool(view.settings.sample.prompts) and bool(view.checkpoints() or view.finished and view.finished.file)
    drawing = drawings.read(next(iter(drawings.listed("strength", chosen)), None))
    live = watch.get(watch.live())
    before = live[0].name if live else ""
    return {
        "strength_box": ((chosen, can), lambda: gr.update(visible=can)),
        "strength_pictures": (
            (chosen, drawing and drawing.mark, before),
            lambda: render_runs.drawing(drawing, place, before) if drawing else "",
        ),
    }


def _buttons(watch: Watch, view: RunView, state: str, name: str) -> dict[str, Part]:
    """Buttons as the run folder wants them: a click changes the folder, the folder changes the buttons."""
    running, paused = state in ("loading", "running", "pausing", "paused"), state in ("pausing", "paused")
    asked = {what: (view.folder / "control" / what).exists() for what in ("save", "sample")}
    ended = state in ("stopped", "failed", "interrupted", "new")
    waits, queue = state == "waiting", watch.waiting()
    has_prompts = bool(view.settings.sample.prompts)
    later = watch.live() is not None
    looks = {
        "stop": ({"visible": state in LIVE, "interactive": running or state == "starting"}, ""),
        "pause": ({"visible": running}, "CONTINUE" if paused else "PAUSE"),
        "save": ({"visible": running, "interactive": not asked["save"]}, ""),
        "sample": ({"visible": running and has_prompts, "interactive": not asked["sample"]}, ""),
        "resume": ({"visible": ended}, "RESUME_LATER" if later else "RESUME"),
        "change": ({"visible": ended or state == "done"}, ""),
        "up": ({"visible": waits, "interactive": waits and name != queue[0]}, ""),
        "down": ({"visible": waits, "interactive": waits and name != queue[-1]}, ""),
        "remove": ({"visible": waits}, ""),
    }

    def update(look: dict, sentence: str) -> dict:
        return gr.update(**look, **({"value": getattr(text, sentence)} if sentence else {}))

    return {part: ((name, look, says), lambda a=look, b=says: update(a, b)) for part, (look, says) in looks.items()}


def _file_parts(watch: Watch, place: Place, view: RunView, chosen: str) -> dict[str, Part]:
    kept, trainers = view.checkpoints(), watch.trainers
    writing, failed = trainers.exporting(chosen), trainers.export_failed(chosen)
    what = (chosen, view.folder_mark(), len(view.saved), bool(view.finished), writing)
    there = bool(kept)
    said = RunView(view.folder / "exports").log_tail(3) if failed else ""
    return {
        "files": (what, lambda: render_runs.files(view.lora_files(), chosen, place)),
        "steps": ((chosen, kept), lambda: _checkpoints(kept)),
        "container": ((chosen, there), lambda: gr.update(visible=there)),
        "dtype": ((chosen, there), lambda: gr.update(visible=there)),
        "export": (
            (chosen, there, writing),
            lambda: gr.update(
                visible=there, interactive=not writing, value=text.MAKING_FILE if writing else text.MAKE_FILE
            ),
        ),
        "export_said": (
            (chosen, failed, said),
            lambda: render.note(text.EXPORT_FAILED.format(text=translate.said(said))) if failed else "",
        ),
    }


def _checkpoints(kept: list[int]) -> dict:
    """The choice of checkpoints, newest first and chosen."""
    choices = [(text.step_title(step), step) for step in reversed(kept)]
    return gr.update(choices=choices, value=kept[-1] if kept else None, visible=bool(kept))


# ---- the curve


def _curve_parts(view: RunView, chosen: str, look: Look) -> dict[str, Part]:
    there, checked = bool(view.losses.points()), bool(view.checks.points())
    # While a run goes on the curve is drawn anew at most every 5 s: each drawing carries all its points.
    due = view.version if view.finished else int(view.last_time // 5) if there else -1
    shown = lambda: gr.update(visible=there)  # noqa: E731
    return {
        "curve": ((chosen, due, there, look.smoothing, look.zoom), lambda: curve(view, look.smoothing, look.zoom)),
        "smoothing": ((chosen, there), shown),
        "follow": ((chosen, bool(look.zoom)), lambda: gr.update(visible=bool(look.zoom))),
        "curve_help": (
            (chosen, there, checked),
            lambda: gr.update(value=render_runs.curve_help(checked), visible=there),
        ),
    }


def curve(view: RunView, smoothing: float = SMOOTHING, zoom: tuple[float, float] | None = None) -> Any:
    """The plot's data in long format; hidden until there is a point. Faint what is noise, on top what counts."""
    points = view.losses.points()
    if not points:
        return gr.update(value=None, visible=False)
    series = {text.SERIES_RAW: points}
    steps, losses = [list(column) for column in zip(*points, strict=True)]
    series[text.SERIES_SMOOTH] = list(zip(steps, smooth(losses, smoothing), strict=True))
    if view.checks.points():
        series[text.SERIES_CHECK] = view.checks.points()
    rows = [(step, round(loss, 5), name) for name, line in series.items() for step, loss in line]
    frame = pd.DataFrame(rows, columns=["step", "loss", "series"])
    return gr.update(value=frame, visible=True, x_lim=list(zoom) if zoom else None)


def _log_mark(view: RunView, state: str) -> tuple:
    """Of a live run every 5 s at most: a progress bar writes all the time."""
    try:
        stat = (view.folder / "log.txt").stat()
    except OSError:
        return ()
    return (int(stat.st_mtime // 5),) if state in LIVE else (stat.st_size, stat.st_mtime_ns)


def news(made: dict[str, Part], seen: dict[str, str] | None) -> tuple[dict[str, Any], dict[str, str]]:
    """(the parts that the visitor does not have yet, what the visitor has then)."""
    marks = {name: _digest(mark) for name, (mark, _) in made.items()}
    old = seen if isinstance(seen, dict) else {}
    return {name: make() for name, (_, make) in made.items() if old.get(name) != marks[name]}, marks


def _digest(mark: Any) -> str:
    return hashlib.blake2s(repr(mark).encode("utf-8", "replace"), digest_size=6).hexdigest()

"""The Runs tab: what every run does, as its folder says; requests to the trainer; files to take away."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
import pandas as pd

from sdlora.errors import UserError
from sdlora.run import Run
from ui import render, text
from ui.place import Place
from ui.theme import ACCENT, MUTED
from ui.view import RunView, smooth
from ui.watch import LIVE, Watch


@dataclass
class RunsTab:
    """The components that a tick may change, by the name of their part, and ``seen``: what this visitor has."""

    runs: gr.Radio
    card: gr.HTML
    samples: gr.HTML
    curve: gr.LinePlot
    curve_help: gr.HTML
    files: gr.HTML
    steps: gr.Dropdown
    export: gr.Button
    log: gr.Textbox
    stop: gr.Button
    pause: gr.Button
    resume: gr.Button
    save: gr.Button
    sample: gr.Button
    seen: gr.State

    def parts(self) -> dict[str, gr.components.Component]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "seen"}


def build() -> RunsTab:
    """The components, empty; ``parts`` fills them."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=230):
            runs = gr.Radio([], label=text.RUN_LIST, elem_id="run-list", visible=False)
            runs.preprocess = lambda payload: payload if isinstance(payload, str) else None
        with gr.Column(scale=4, min_width=320):
            card = gr.HTML(render.no_runs(), elem_id="run-card", apply_default_css=False)
            with gr.Row(elem_classes="buttons", elem_id="run-buttons"):
                hidden = {"visible": False, "min_width": 110, "scale": 0}
                stop = gr.Button(text.STOP, elem_id="stop", **hidden)
                pause = gr.Button(text.PAUSE, elem_id="pause", **hidden)
                save = gr.Button(text.SAVE_NOW, elem_id="save", **hidden)
                sample = gr.Button(text.SAMPLE_NOW, elem_id="sample", **{**hidden, "min_width": 170})
                resume = gr.Button(text.RESUME, variant="primary", elem_id="resume", **hidden)
            samples = gr.HTML("", elem_id="samples", apply_default_css=False)
            curve = gr.LinePlot(
                None, x="step", y="loss", color="series", label=text.LEARNING_CURVE,
                color_map=_colours(), x_title="step", y_title="loss",
                color_title=" ", colors_in_legend=[], height=280, buttons=["fullscreen"], visible=False,
                elem_id="curve",
            )  # fmt: skip
            curve_help = gr.HTML(
                render.note(text.CURVE_HELP), visible=False, elem_id="curve-help", apply_default_css=False
            )
            files = gr.HTML("", elem_id="files", apply_default_css=False)
            with gr.Row(equal_height=False, elem_classes="buttons"):
                steps = gr.Dropdown(
                    [], label=text.CHECKPOINTS, info=text.CHECKPOINTS_HELP, allow_custom_value=True, visible=False,
                    min_width=220, elem_id="steps",
                )  # fmt: skip
                export = gr.Button(text.MAKE_FILE, visible=False, min_width=180, scale=0, elem_id="export")
            with gr.Accordion(text.LOG, open=False, elem_id="log-box"):
                log = gr.Textbox(
                    "", show_label=False, lines=12, max_lines=12, interactive=False, autoscroll=True, elem_id="log"
                )
    return RunsTab(
        runs,
        card,
        samples,
        curve,
        curve_help,
        files,
        steps,
        export,
        log,
        stop,
        pause,
        resume,
        save,
        sample,
        gr.State(None),
    )


def _colours() -> dict[str, str]:
    """By name of the series, in every language: the plot is made once for all visitors."""
    return dict.fromkeys(text.every("SERIES_RAW"), MUTED) | dict.fromkeys(text.every("SERIES_SMOOTH"), ACCENT)


Part = tuple[Any, Callable[[], Any]]  # (a mark that changes when the part does, what makes the part)


def parts(watch: Watch, place: Place, selected: str | None) -> dict[str, Part]:
    """Every part of the tab with its mark, for the selected run (the live or newest one if there is no such run)."""
    names = watch.names()
    chosen = selected if selected in names else watch.live() or next(iter(names), None)
    choices = [(text.run_label(*_title(watch, name)), name) for name in names]
    listed = {"runs": ((choices, chosen), lambda: gr.update(choices=choices, value=chosen, visible=bool(choices)))}
    found = watch.get(chosen)
    if found is None:
        return listed | _nothing()
    view, state = found
    what = (chosen, view.version, state)
    loras, kept = view.lora_files(), [step for step, _ in Run(view.folder).checkpoints()]
    writing = watch.trainers.exporting(chosen)
    return listed | {
        "card": (what, lambda: render.run_card(view, state)),
        "samples": ((chosen, {s: tuple(f) for s, f in view.samples.items()}), lambda: render.samples(view, place)),
        "curve": (_curve_mark(chosen, view), lambda: curve(view)),
        "curve_help": (bool(view.losses.points()), lambda: gr.update(visible=bool(view.losses.points()))),
        "files": ((chosen, loras), lambda: render.files(loras, chosen, place)),
        "steps": ((chosen, kept), lambda: _checkpoints(kept)),
        "export": (
            (chosen, bool(kept), writing),
            lambda: gr.update(
                visible=bool(kept), interactive=not writing, value=text.MAKING_FILE if writing else text.MAKE_FILE
            ),
        ),
        "log": ((chosen, _log_mark(view)), view.log_tail),
        **_buttons(view, state, chosen, watch.live()),
    }


def _title(watch: Watch, name: str) -> tuple[str, str, str]:
    view, state = watch.get(name)
    return view.name, view.when, state


HIDDEN = ("stop", "pause", "save", "sample", "resume", "curve", "curve_help", "steps", "export")


def _checkpoints(kept: list[int]) -> dict:
    """The choice of checkpoints, newest first and chosen."""
    choices = [(text.step_title(step), step) for step in reversed(kept)]
    return gr.update(choices=choices, value=kept[-1] if kept else None, visible=bool(kept))


def _nothing() -> dict[str, Part]:
    hide = {b: ("none", lambda: gr.update(visible=False)) for b in HIDDEN}
    empty = {part: ("none", lambda: "") for part in ("samples", "files", "log")}
    return hide | empty | {"card": ("none", render.no_runs)}


def _buttons(view: RunView, state: str, name: str, live: str | None) -> dict[str, Part]:
    """Buttons as the run folder wants them: a click changes the folder, the folder changes the buttons."""
    running, paused = state in ("running", "pausing", "paused"), state in ("pausing", "paused")
    asked = {what: (view.folder / "control" / what).exists() for what in ("save", "sample")}
    can_resume = state in ("stopped", "failed", "interrupted")
    has_prompts = bool(view.settings.sample.prompts)
    looks = {
        "stop": {"visible": state in LIVE and state != "starting", "interactive": running},
        "pause": {"visible": running, "value": text.CONTINUE if paused else text.PAUSE},
        "save": {"visible": running, "interactive": not asked["save"]},
        "sample": {"visible": running and has_prompts, "interactive": not asked["sample"]},
        "resume": {"visible": can_resume, "interactive": live is None},
    }
    return {part: ((name, look), lambda look=look: gr.update(**look)) for part, look in looks.items()}


def _curve_mark(name: str, view: RunView) -> tuple:
    """While a run goes on the curve is drawn anew at most every 2 s: each drawing carries all its points."""
    due = view.version if view.finished else int(view.last_time // 2) if view.losses.points() else -1
    return name, due, bool(view.losses.points())


def curve(view: RunView) -> Any:
    """The plot's data in long format; hidden until there is a point."""
    points = view.losses.points()
    if not points:
        return gr.update(value=None, visible=False)
    steps, losses = [list(column) for column in zip(*points, strict=False)]
    frame = pd.DataFrame(
        {
            "step": steps * 2,
            "loss": [round(v, 5) for v in losses + smooth(losses)],
            "series": [text.SERIES_RAW] * len(steps) + [text.SERIES_SMOOTH] * len(steps),
        }
    )
    return gr.update(value=frame, visible=True)


def _log_mark(view: RunView) -> tuple:
    try:
        stat = (view.folder / "log.txt").stat()
        return stat.st_size, stat.st_mtime_ns
    except OSError:
        return ()


def news(made: dict[str, Part], seen: dict[str, str] | None) -> tuple[dict[str, Any], dict[str, str]]:
    """(what to send per part: ``gr.skip()`` where the visitor has it already, what the visitor has then)."""
    marks = {name: hashlib.sha1(repr(mark).encode("utf-8", "replace")).hexdigest() for name, (mark, _) in made.items()}
    old = seen or {}
    sent = {name: gr.skip() if old.get(name) == marks[name] else make() for name, (_, make) in made.items()}
    return sent, marks


def ask(watch: Watch, name: str | None, what: str) -> None:
    """Put a request into the run folder; says so in a toast. "pause" is taken back if it was asked before."""
    watch.refresh(force=True)
    found = watch.get(name)
    if found is None:
        gr.Warning(text.UNKNOWN_RUN)
        return
    view, state = found
    if state not in LIVE:
        gr.Warning(text.NOT_RUNNING)
        return
    if what == "pause" and state in ("pausing", "paused"):
        Run(view.folder).request("pause", on=False)
        gr.Info(text.ASKED["continue"], duration=4)
        return
    Run(view.folder).request(what)
    if what == "stop":
        Run(view.folder).request("pause", on=False)
    gr.Info(text.ASKED[what], duration=4)


def resume(watch: Watch, name: str | None) -> None:
    """Start the trainer again on a run that has ended early."""
    found = watch.get(name)
    if found is None:
        gr.Warning(text.UNKNOWN_RUN)
        return
    try:
        watch.trainers.resume(Run(found[0].folder), watch.busy)
    except (UserError, OSError) as error:
        gr.Warning(render.plain(str(error)))
    watch.refresh(force=True)


def export(watch: Watch, name: str | None, step: Any) -> None:
    """Have a checkpoint written as a LoRA file; it then stands among the files."""
    found = watch.get(name)
    if found is None or step not in [kept for kept, _ in Run(found[0].folder).checkpoints()]:
        gr.Warning(text.UNKNOWN_RUN if found is None else text.UNKNOWN_CHECKPOINT)
        return
    watch.trainers.export(Run(found[0].folder), step)

"""What the Runs tab answers to clicks. A click changes the run's folder or the queue; the next tick shows it."""

from typing import Any

import gradio as gr
from filelock import Timeout

from sdlora.errors import UserError
from sdlora.runs.run import Run
from ui.shell import render
from ui import text, translate
from ui.shell.drawings import Drawings, checkpoints_of
from ui.tabs.runs.ticks import Viewed
from ui.shell.watch import LIVE, Watch

REFUSED = (UserError, OSError, Timeout)


def ask(watch: Watch, name: Any, what: str) -> None:
    """Put a request into the run folder; says so in a toast. "pause" is taken back if it was asked before."""
    looked_up = _looked_up(watch, name)
    if looked_up is None:
        return
    view, state = looked_up
    if state not in LIVE:
        gr.Warning(text.NOT_RUNNING)
        return
    try:
        if what == "pause" and state in ("pausing", "paused"):
            Run(view.folder).request("pause", on=False)
            gr.Info(text.ASKED["continue"], duration=4)
            return
        Run(view.folder).request(what)
        if what == "stop":
            Run(view.folder).request("pause", on=False)
    except OSError as error:
        gr.Warning(render.plain(translate.error(error)))
        return
    gr.Info(text.ASKED[what], duration=4)


def resume(watch: Watch, name: Any) -> None:
    """Go on with a run that has ended early: now, or when those before it have ended."""
    looked_up = _looked_up(watch, name)
    if looked_up is None:
        return
    try:
        watch.queue.add_resume(Run(looked_up[0].folder))
        if watch.queue.place(name):
            gr.Info(text.ADDED_TO_QUEUE.format(name=render.plain(looked_up[0].name)), duration=4)
    except REFUSED as error:
        gr.Warning(text.QUEUE_FAILED.format(reason=render.plain(translate.error(error))))
    watch.refresh(force=True)


def move(watch: Watch, name: Any, by: int) -> None:
    """Earlier (-1) or later (+1) in the queue."""
    if _waits(watch, name):
        _change(watch, lambda: watch.queue.move(name, by))


def remove(watch: Watch, name: Any) -> None:
    """Take a run that waits out of the queue."""
    if _waits(watch, name):
        _change(watch, lambda: watch.queue.remove(name))


def export_checkpoint(watch: Watch, name: Any, step: Any, container: Any, dtype: Any) -> None:
    """Have a checkpoint written as a LoRA file; it then stands among the files."""
    looked_up = _looked_up(watch, name)
    if looked_up is None:
        return
    if step not in looked_up[0].checkpoints():
        gr.Warning(text.UNKNOWN_CHECKPOINT)
        return
    try:
        watch.trainers.export(
            Run(looked_up[0].folder),
            step,
            container if container in ("kohya", "diffusers") else "",
            dtype if dtype in ("fp16", "bf16", "fp32") else "",
        )
    except OSError as error:
        gr.Warning(render.plain(translate.error(error)))


def redraw(watch: Watch, drawings: Drawings, name: Any, strength: Any) -> None:
    """Draw the run's test prompts with its newest checkpoint at that strength, in place of what still waits."""
    looked_up = _looked_up(watch, name)
    if looked_up is None:
        return
    view, _ = looked_up
    newest = next(iter(checkpoints_of(view)), None)
    if newest is None or not view.settings.sample.prompts:
        gr.Warning(text.NO_CHECKPOINT)
        return
    if isinstance(strength, bool) or not isinstance(strength, (int, float)) or not -10 <= strength <= 10:
        gr.Warning(text.BAD_STRENGTHS)
        return
    key, path = newest
    loras = [[{"key": key, "path": path, "strength": s}] for s in sorted({0.0, round(float(strength), 2)})]
    _forget_waiting(watch, drawings, view.folder.name)
    job = {"run": view.folder.name, "variants": loras, "prompts": list(view.settings.sample.prompts)}
    try:
        drawings.ask("strength", view.name, job)
    except REFUSED as error:
        gr.Warning(render.plain(translate.error(error)))
    watch.refresh(force=True)


def zoomed(event: gr.SelectData) -> Any:
    """The stretch of steps that was marked in the plot; the curve then no longer follows."""
    marked = event.index
    return tuple(marked) if Viewed.of(None, False, 0.9, marked).zoom else None


def _forget_waiting(watch: Watch, drawings: Drawings, run: str) -> None:
    ours = set(drawings.listed("strength", run))
    for entry in watch.queue.waiting():
        if entry.name in ours:
            watch.queue.remove(entry.name)


def _change(watch: Watch, change: Any) -> None:
    try:
        change()
    except REFUSED as error:
        gr.Warning(render.plain(translate.error(error)))
    watch.refresh(force=True)


def _waits(watch: Watch, name: Any) -> bool:
    watch.refresh(force=True)
    waits = isinstance(name, str) and name in watch.waiting()
    if not waits:
        gr.Warning(text.NOT_WAITING)
    return waits


def _looked_up(watch: Watch, name: Any) -> Any:
    """(view, state), or None and a toast for a run that is not there, whatever was sent as its name."""
    watch.refresh(force=True)
    looked_up = watch.get(name if isinstance(name, str) else None)
    if looked_up is None:
        gr.Warning(text.UNKNOWN_RUN)
    return looked_up

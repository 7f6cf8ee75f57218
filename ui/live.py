"""One timer for everything that lives: it reads the disk once for all pages and sends each only what it lacks."""

from typing import Any

import gradio as gr

from ui import render, render_runs, runs_desk, text
from ui.compare_desk import CompareDesk
from ui.drawings import Drawings
from ui.place import Place
from ui.tabs import runs
from ui.tabs.compare import SLOTS, CompareTab
from ui.tabs.runs import Look, Part, RunsTab
from ui.watch import Watch

PRIVATE = {"api_visibility": "private"}
QUIET = dict(queue=False, show_progress="hidden", **PRIVATE)
INTERVAL = 1.0  # seconds


class Live:
    """The parts of the page that follow the disk. everywhere: components that show on every tab, by part."""

    def __init__(
        self, watch: Watch, place: Place, tab: RunsTab, compare: CompareTab, everywhere: dict[str, gr.components.Component]
    ):  # fmt: skip
        self.watch, self.place, self.tab, self.compare_tab = watch, place, tab, compare
        self.drawings = Drawings(watch.queue)
        self.compare = CompareDesk(watch, place, self.drawings, SLOTS)
        self.outputs = {**everywhere, **tab.parts(), **compare.parts()}
        self.inputs = [
            tab.runs, tab.show_all, tab.smoothing, tab.zoom, compare.shown, compare.checkpoints, compare.wanted,
            tab.seen,
        ]  # fmt: skip

    def refresh(
        self, run: Any, all_steps: Any, smoothing: Any, zoom: Any, grid: Any, chosen: Any, wanted: Any, seen: Any
    ) -> dict:
        """{component: value} of what this visitor does not have yet."""
        self.watch.refresh()
        made = runs.parts(self.watch, self.place, self.drawings, Look.of(run, all_steps, smoothing, zoom))
        made = self._everywhere() | made | self.compare.parts(grid, chosen, wanted)
        sent, marks = runs.news(made, seen)
        if not sent:
            return {self.tab.seen: gr.skip()}
        return {self.outputs[name]: value for name, value in sent.items()} | {self.tab.seen: marks}

    def _everywhere(self) -> dict[str, Part]:
        """What shows on every tab: the status line, what a screen reader says, what Start does."""
        name = self.watch.live()
        view, state = self.watch.get(name) or (None, "")
        now = None if view else self.watch.queue.current()
        drawn = self.drawings.read(now.entry.name) if now and not now.entry.trains else None
        done = (len(drawn.cells), drawn.of) if drawn else None
        busy = view.name if view else ""
        mark = (name, view and view.version, state, done)
        return {
            "strip": (mark, lambda: render_runs.strip(view, state, done)),
            "announce": ((name, state), lambda: render_runs.announcement(view, state)),
            "start": (bool(busy), lambda: gr.update(value=text.ADD_TO_QUEUE if busy else text.START)),
            "reason": (busy, lambda: render.note(text.WILL_WAIT.format(name=busy) if busy else text.CLOSE_ANYTIME)),
        }

    # ---- wiring

    def wire(self, page: gr.Blocks) -> None:
        """Let the timer and the two tabs' buttons work."""
        tab, compare = self.tab, self.compare_tab
        out = [*self.outputs.values(), tab.seen]
        gr.Timer(INTERVAL).tick(self.refresh, self.inputs, out, **QUIET)
        at_once = [tab.runs.input, tab.show_all.input, tab.smoothing.release, compare.shown.input]
        gr.on([*at_once, compare.checkpoints.input], self.refresh, self.inputs, out, **QUIET)
        page.load(lambda *values: self.refresh(None, *values[1:-1], None), self.inputs, out, **QUIET)
        self._wire_runs(tab)
        self._wire_compare(compare)

    def _after(self, event: Any) -> None:
        event.then(self.refresh, self.inputs, [*self.outputs.values(), self.tab.seen], **QUIET)

    def _on_click(self, button: gr.Button, action: Any, inputs: list, outputs: Any = None) -> None:
        # Queued, as toasts need; the look of the page follows from the disk.
        look = dict(show_progress="hidden", concurrency_limit=None, **PRIVATE)
        self._after(button.click(action, inputs, outputs, **look))

    def _wire_runs(self, tab: RunsTab) -> None:
        watch, name = self.watch, [tab.runs]
        for what, button in {"stop": tab.stop_now, "pause": tab.pause, "save": tab.save, "sample": tab.sample}.items():
            self._on_click(button, lambda run, what=what: runs_desk.ask(watch, run, what), name)
        self._on_click(tab.resume, lambda run: runs_desk.resume(watch, run), name)
        self._on_click(tab.up, lambda run: runs_desk.move(watch, run, -1), name)
        self._on_click(tab.down, lambda run: runs_desk.move(watch, run, 1), name)
        self._on_click(tab.remove, lambda run: runs_desk.remove(watch, run), name)
        chosen = [tab.runs, tab.steps, tab.container, tab.dtype]
        self._on_click(tab.export, lambda *values: runs_desk.export(watch, *values), chosen)
        self._on_click(
            tab.draw_again, lambda *values: runs_desk.redraw(watch, self.drawings, *values), [tab.runs, tab.strength]
        )
        self._after(tab.curve.select(runs_desk.zoomed, None, tab.zoom, **QUIET))
        self._after(tab.curve.double_click(lambda: None, None, tab.zoom, **QUIET))
        self._after(tab.follow.click(lambda: None, None, tab.zoom, **QUIET))

    def _wire_compare(self, tab: CompareTab) -> None:
        asked = [tab.checkpoints, tab.strengths, tab.prompts, tab.seed]
        self._on_click(tab.draw, self.compare.draw, asked, [tab.said, tab.shown])
        slots = [*tab.play_loras, *tab.play_strengths]
        played = [tab.play_prompt, tab.play_negative, tab.play_seed, *slots]
        self._on_click(tab.play, lambda *values: self.compare.play(*values)[0], played, [tab.play_said])
        self._on_click(tab.use, self.compare.use, [tab.shown, tab.best], [tab.wanted])

"""One timer for everything that lives: it reads the disk once for all pages and sends each only what it lacks."""

from typing import Any

import gradio as gr
from gradio.components import Component

from ui import text
from ui.shell import render
from ui.shell.assets import PRIVATE
from ui.shell.drawings import Drawings
from ui.shell.fragments import Fragment, digest, news
from ui.shell.machine import Meter
from ui.shell.place import Place
from ui.shell.sizes import Sizes
from ui.shell.watch import Watch
from ui.tabs.compare.handlers import CompareDesk
from ui.tabs.compare.layout import SLOTS, CompareTab
from ui.tabs.runs import handlers as runs_desk
from ui.tabs.runs import html as render_runs
from ui.tabs.runs import keeping_pane, ticks
from ui.tabs.runs import wiring as runs_wiring
from ui.tabs.runs.keeping_desk import KeepingDesk
from ui.tabs.runs.layout import RunsTab
from ui.tabs.runs.ticks import Viewed

QUIET = dict(queue=False, show_progress="hidden", **PRIVATE)
INTERVAL = 1.5  # seconds; with ``watch.FRESH`` what is shown is never older than 2


HOT = ("strip", "card")  # what a live run changes all the time: sent with every tick, as plain values
SLOW = ("curve", "log", "machine")  # what it changes every few seconds, and what is large: each by itself


class Live:
    """The fragments of the page that follow the disk. everywhere: components that show on every tab, by fragment.

    Gradio builds a new component for every output that a call leaves as it is (1 ms each), so a tick has few outputs:
    the hot fragments, and a stamp for each group of others. A stamp that changes makes the browser ask for its group.
    """

    def __init__(
        self, watch: Watch, place: Place, tab: RunsTab, compare: CompareTab, everywhere: dict[str, Component]
    ):  # fmt: skip
        self.watch, self.place, self.tab, self.compare_tab = watch, place, tab, compare
        self.drawings, self.sizes, self.meter = Drawings(watch.queue), Sizes(watch.root), Meter()
        self.compare = CompareDesk(watch, place, self.drawings, SLOTS)
        self.outputs = {**everywhere, **tab.filled(), **compare.filled()}
        self.stamps = {name: gr.Textbox(visible="hidden", elem_id=f"stamp-{name}") for name in ("rest", *SLOW)}
        self._live: str | None = None  # the run that trained when last looked at,
        self._before: str | None = None  # and what trained until then
        self.look = gr.State(None)  # the values of ``inputs`` when they last changed: a tick then has one input
        self.inputs = [
            tab.runs, tab.show_all, tab.smoothing, tab.zoom, tab.beside, compare.shown, compare.checkpoints,
            compare.wanted,
        ]  # fmt: skip

    def looked(self, *looked_at: Any) -> list:
        """``tick``, and what is looked at, for the ticks to come."""
        return [*self.tick(looked_at), looked_at]

    def opened(self, *looked_at: Any) -> list:
        """A page has just come: it looks at the live run, and stays there; otherwise as ``looked``."""
        self.watch.refresh()
        return self.looked(next(iter(self.watch.names()), None), *looked_at[1:])

    def tick(self, look: Any) -> list:
        """The hot fragments and the stamps."""
        looked_at = look if isinstance(look, tuple) and len(look) == len(self.inputs) else (None,) * len(self.inputs)
        made = self._made(*looked_at)
        marks = {name: digest(made[name][0]) for name in SLOW if name in made}
        return [made[name][1]() for name in HOT] + [self._rest(looked_at, made), *(marks.get(n, "") for n in SLOW)]

    def rest(self, *values: Any) -> dict:
        """{component: value} of what this visitor does not have yet, hot and slow fragments left out."""
        *looked_at, seen = values
        made = {name: fragment for name, fragment in self._made(*looked_at).items() if name not in HOT + SLOW}
        sent, marks = news(made, seen)
        return {self.outputs[name]: value for name, value in sent.items()} | {self.tab.seen: marks}

    def slow(self, name: str, *looked_at: Any) -> Any:
        """One of the slow fragments."""
        made = self._made(*looked_at)
        return made[name][1]() if name in made else gr.skip()

    def _rest(self, looked_at: tuple, made: dict[str, Fragment]) -> str:
        """The stamp of fragments that are neither hot nor slow: made once for all pages that look at the same."""
        key = ("stamp", repr(looked_at))
        if key not in self.watch.shared:
            marks = [mark for name, (mark, _) in made.items() if name not in HOT + SLOW]
            self.watch.shared[key] = digest(marks)
        return self.watch.shared[key]

    def _made(
        self, run: Any, all_steps: Any, smoothing: Any, zoom: Any, beside: Any, grid: Any, chosen: Any, wanted: Any
    ) -> dict[str, Fragment]:
        self.watch.refresh()
        viewed = Viewed.of(run, all_steps, smoothing, zoom, beside)
        key = ("fragments", viewed, repr((grid, chosen, wanted)))
        if key not in self.watch.shared:
            made = ticks.fragments(self.watch, self.place, self.drawings, self.sizes, viewed)
            made |= keeping_pane.machine(self.meter)
            self.watch.shared[key] = self._everywhere() | made | self.compare.fragments(grid, chosen, wanted)
        return self.watch.shared[key]

    def _everywhere(self) -> dict[str, Fragment]:
        """What shows on every tab: the status line, what a screen reader says, what Start does."""
        name = self.watch.live()
        view, state = self.watch.get(name) or (None, "")
        now = None if view else self.watch.queue.current()
        drawn = self.drawings.read(now.entry.name) if now and not now.entry.trains else None
        done = (len(drawn.cells), drawn.of) if drawn else None
        busy = view.name if view else ""
        return {
            "strip": (None, lambda: render_runs.status_strip(view, state, done)),
            "announce": self._heard(name),
            "start": (bool(busy), lambda: gr.update(value=text.ADD_TO_QUEUE if busy else text.START)),
            "reason": (busy, lambda: render.note(text.WILL_WAIT.format(name=busy) if busy else text.CLOSE_ANYTIME)),
        }

    def _heard(self, live: str | None) -> Fragment:
        """What a screen reader says by itself: how the run that trains stands, and how the one before it has ended."""
        if live != self._live:
            self._before, self._live = self._live, live
        runs = [run for run in map(self.watch.get, (self._before, live)) if run]
        if live and runs[-1][1] != "starting":
            runs = runs[-1:]
        marks = [(view.folder.name, state) for view, state in runs]
        return marks, lambda: "".join(render_runs.announcement(*run) for run in runs or [(None, "")])

    # ---- wiring

    def wire(self, page: gr.Blocks) -> None:
        """Let the timer and the two tabs' buttons work."""
        tab, compare = self.tab, self.compare_tab
        self.rest_out = [*(self.outputs[name] for name in self.outputs if name not in HOT + SLOW), tab.seen]
        self.ticked = [*(self.outputs[name] for name in HOT), *self.stamps.values()]
        self.looking = [*self.ticked, self.look]
        gr.Timer(INTERVAL).tick(self.tick, self.look, self.ticked, **QUIET)
        page.load(self.opened, self.inputs, self.looking, **QUIET)
        at_once = [tab.runs.change, tab.show_all.input, tab.smoothing.release, tab.beside.input, compare.shown.change]
        gr.on([*at_once, compare.checkpoints.change], self.looked, self.inputs, self.looking, **QUIET)
        self.stamps["rest"].change(self.rest, [*self.inputs, tab.seen], self.rest_out, **QUIET)
        for name in SLOW:
            self.stamps[name].change(
                lambda *values, name=name: self.slow(name, *values), self.inputs, self.outputs[name], **QUIET
            )
        self._wire_runs(tab)
        runs_wiring.wire_keeping(tab, KeepingDesk(self.watch, self.place, self.sizes), self._on_click)
        self._wire_compare(compare)

    def _after(self, event: Any) -> None:
        event.then(self.looked, self.inputs, self.looking, **QUIET)

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
        self._on_click(tab.export, lambda *values: runs_desk.export_checkpoint(watch, *values), chosen)
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

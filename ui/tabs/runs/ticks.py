"""What a tick sends of the Runs tab: only what has changed since the last one."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
import pandas as pd

from ui import text, translate
from ui.shell import render
from ui.shell.drawings import Drawings
from ui.shell.fragments import Fragment
from ui.shell.place import Place
from ui.shell.sizes import Sizes
from ui.shell.view import RunView, smooth
from ui.shell.watch import LIVE, Watch
from ui.shell.zips import zip_url
from ui.tabs.runs import html as render_runs
from ui.tabs.runs import html_offers
from ui.tabs.runs import keeping_pane as keeping
from ui.tabs.runs.layout import SMOOTHING

COLUMNS = 6  # steps of test pictures, unless all are asked for


@dataclass(frozen=True)
class Viewed:
    """What a visitor looks at, as the page sends it; whatever was sent."""

    run: str | None = None
    all_steps: bool = False
    smoothing: float = SMOOTHING
    zoom: tuple[float, float] | None = None
    beside: str | None = None

    @classmethod
    def of(cls, run: Any, all_steps: Any, smoothing: Any, zoom: Any, beside: Any = None) -> "Viewed":
        """From what the page has sent, whatever that is."""
        sound = isinstance(smoothing, (int, float)) and 0 <= smoothing < 1
        pair = isinstance(zoom, (list, tuple)) and len(zoom) == 2 and all(isinstance(z, (int, float)) for z in zoom)
        return cls(
            run if isinstance(run, str) else None,
            all_steps is True,
            round(float(smoothing), 3) if sound else SMOOTHING,
            (float(zoom[0]), float(zoom[1])) if pair and zoom[0] < zoom[1] else None,
            beside if isinstance(beside, str) else None,
        )


def fragments(
    watch: Watch, place: Place, drawings: Drawings, sizes: Sizes, viewed: Viewed
) -> dict[str, Fragment]:
    """Every fragment of the tab, for the run that is looked at (the live or first one if there is none)."""
    names = watch.names()
    chosen = viewed.run if viewed.run in names else next(iter(names), None)
    titles = [_title(watch, name) for name in names]
    # What is chosen already is not sent again: it could undo a choice that was made meanwhile.
    listed: dict[str, Fragment] = {
        "runs": ((titles, chosen), lambda: _list(titles, None if chosen == viewed.run else chosen))
    }
    listed |= keeping.everywhere(watch, sizes)
    known = watch.get(chosen)
    if known is None:
        return listed | _nothing()
    view, state = known
    return (
        listed
        | _about(watch, place, view, state, chosen)
        | keeping.of_run(watch, view, state, chosen)
        | _pictures(view, place, chosen, viewed)
        | _strength(watch, place, drawings, view, chosen)
        | _beside(watch, view, chosen, viewed)
        | _curve(view, chosen, viewed, _other(watch, chosen, viewed))
        | _files(watch, place, view, chosen)
        | {"log": ((chosen, _log_mark(view, state)), view.log_tail)}
        | _buttons(watch, view, state, chosen)
    )


def _title(watch: Watch, name: str) -> tuple[str, str, str, int, str]:
    view, state = watch.get(name)
    return view.name, view.when, state, view.remarks.rating, name


def _list(titles: list[tuple[str, str, str, int, str]], chosen: str | None) -> dict:
    choices = [(text.run_label(name, when, state, stars), folder) for name, when, state, stars, folder in titles]
    return gr.update(choices=choices, visible=bool(choices), **({"value": chosen} if chosen else {}))


HIDDEN = (
    "stop", "pause", "save", "sample", "resume", "change", "up", "down", "remove", "curve", "curve_help", "smoothing",
    "follow", "steps", "container", "dtype", "export", "show_all", "strength_box",
)  # fmt: skip


def _nothing() -> dict[str, Fragment]:
    hide = {name: ("none", lambda: gr.update(visible=False)) for name in (*HIDDEN, *keeping.OF_A_RUN)}
    hide["beside"] = ("none", lambda: gr.update(visible=False))
    empty = {name: ("none", lambda: "") for name in ("beside_table", "samples", "files", "log", "strength_pictures", "export_said")}
    return hide | empty | {"card": ("none", render.no_runs)}


def _about(watch: Watch, place: Place, view: RunView, state: str, chosen: str) -> dict[str, Fragment]:
    turn = watch.queue.place(chosen) if state == "waiting" else None
    live = watch.get(watch.live())
    before = live[0].name if live else ""

    def card() -> str:
        file = render_runs.file_of_run(view, place) if state in render_runs.ENDED else ""
        offers = "" if state in LIVE else html_offers.card(view, place, chosen)
        return render_runs.run_card(view, state, turn, before, file) + offers

    return {"card": (None, card)}


def _pictures(view: RunView, place: Place, chosen: str, viewed: Viewed) -> dict[str, Fragment]:
    columns = 0 if viewed.all_steps else COLUMNS
    what = (chosen, {step: tuple(files) for step, files in view.samples.items()}, columns, view.unfinished)

    def draw() -> str:
        drawn, complete = render_runs.samples(view, place, columns)
        view.unfinished = 0 if complete else view.unfinished + 1  # another mark: the rest comes with the next tick
        return drawn

    many = len(view.samples) > COLUMNS
    return {"samples": (what, draw), "show_all": ((chosen, many), lambda: gr.update(visible=many))}


def _strength(watch: Watch, place: Place, drawings: Drawings, view: RunView, chosen: str) -> dict[str, Fragment]:
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


def _buttons(watch: Watch, view: RunView, state: str, name: str) -> dict[str, Fragment]:
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

    return {fragment: ((name, look, says), lambda a=look, b=says: update(a, b)) for fragment, (look, says) in looks.items()}


def _files(watch: Watch, place: Place, view: RunView, chosen: str) -> dict[str, Fragment]:
    kept, trainers = view.checkpoints(), watch.trainers
    writing, failed = trainers.exporting(chosen), trainers.export_failed(chosen)
    what = (chosen, view.folder_mark(), len(view.saved), bool(view.finished), writing)
    there = bool(kept)
    said = RunView(view.folder / "exports").log_tail(3) if failed else ""
    return {
        "files": (what, lambda: render_runs.files(view.lora_files(), chosen, place, zip_url(chosen))),
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
            lambda: render.note(text.EXPORT_FAILED.format(text=translate.message(said))) if failed else "",
        ),
    }


def _checkpoints(kept: list[int]) -> dict:
    """The choice of checkpoints, newest first and chosen."""
    choices = [(text.step_title(step), step) for step in reversed(kept)]
    return gr.update(choices=choices, value=kept[-1] if kept else None, visible=bool(kept))


# ---- the curve


def _other(watch: Watch, chosen: str, viewed: Viewed) -> RunView | None:
    """The run that stands beside the chosen one."""
    found = watch.get(viewed.beside) if viewed.beside != chosen else None
    return found[0] if found else None


def _beside(watch: Watch, view: RunView, chosen: str, viewed: Viewed) -> dict[str, Fragment]:
    """The choice of another run, and the settings in which it differs."""
    names = [name for name in watch.names() if name != chosen]
    titles = [_title(watch, name) for name in names]
    choices = [(text.BESIDE_NONE, ""), *((text.run_label(*title[:4]), title[4]) for title in titles)]
    other = _other(watch, chosen, viewed)
    return {
        "beside": ((chosen, titles), lambda: gr.update(choices=choices, visible=bool(names))),
        "beside_table": (
            (chosen, other and (other.folder.name, other.name), view.name),
            lambda: render_runs.settings_table([view, other]) if other else "",
        ),
    }


def _curve(view: RunView, chosen: str, viewed: Viewed, other: RunView | None = None) -> dict[str, Fragment]:
    there = bool(view.losses.points())
    measured = tuple(bool(series.points()) for series in (view.checks, view.trained, view.drifts))
    # While a run goes on the curve is drawn anew at most every 5 s: each drawing carries all its points.
    due = view.version if view.finished else int(view.last_time // 5) if there else -1
    shown = lambda: gr.update(visible=there)  # noqa: E731
    beside = other and (other.folder.name, other.version if other.finished else other.version // 10)
    return {
        "curve": (
            (chosen, due, there, viewed.smoothing, viewed.zoom, beside),
            lambda: curve(view, viewed.smoothing, viewed.zoom, other),
        ),
        "smoothing": ((chosen, there), shown),
        "follow": ((chosen, bool(viewed.zoom)), lambda: gr.update(visible=bool(viewed.zoom))),
        "curve_help": (
            (chosen, there, measured, other and other.name),
            lambda: gr.update(value=render_runs.curve_help(*measured, other=other), visible=there),
        ),
    }


def curve(
    view: RunView,
    smoothing: float = SMOOTHING,
    zoom: tuple[float, float] | None = None,
    other: RunView | None = None,
) -> Any:
    """The plot's data in long format; hidden until there is a point. Faint what is noise, on top what counts.

    other: a run whose lines are drawn beside them.
    """
    points = view.losses.points()
    if not points:
        return gr.update(value=None, visible=False)
    series = {text.SERIES_RAW: points}
    series[text.SERIES_SMOOTH] = _smoothed(points, smoothing)
    if other is not None and other.losses.points():
        series[text.SERIES_OTHER] = _smoothed(other.losses.points(), smoothing)
        if other.checks.points():
            series[text.SERIES_OTHER_CHECK] = other.checks.points()
    for name, line in (
        (text.SERIES_DRIFT, view.drifts),
        (text.SERIES_TRAINED, view.trained),
        (text.SERIES_CHECK, view.checks),
    ):
        if line.points():
            series[name] = line.points()
    rows = [(step, round(loss, 5), name) for name, line in series.items() for step, loss in line]
    frame = pd.DataFrame(rows, columns=["step", "loss", "series"])
    return gr.update(value=frame, visible=True, x_lim=list(zoom) if zoom else None)


def _smoothed(points: list[tuple[int, float]], factor: float) -> list[tuple[int, float]]:
    return list(zip([step for step, _ in points], smooth([loss for _, loss in points], factor), strict=True))


def _log_mark(view: RunView, state: str) -> tuple:
    """Of a live run every 5 s at most: a progress bar writes all the time."""
    try:
        stat = (view.folder / "log.txt").stat()
    except OSError:
        return ()
    return (int(stat.st_mtime // 5),) if state in LIVE else (stat.st_size, stat.st_mtime_ns)

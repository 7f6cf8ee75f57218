"""Two runs in one learning curve: each point is that run's own, whatever was sent as the other run."""

import math

import pytest
from serve_fake import trainers as fake_trainers

from sdlora.events import Started, StepDone, Validated
from sdlora.runs.run import Run
from sdlora.settings import dump_settings, make_settings
from ui.shell.drawings import Drawings
from ui.shell.place import Place
from ui.shell.queue import Queue
from ui.shell.sizes import Sizes
from ui.shell.watch import Watch
from ui.tabs.runs import ticks
from ui.tabs.runs.ticks import Viewed
from ui.words import en


@pytest.fixture
def watch(tmp_path):
    for name, rate, loss in (("one", 1e-4, 0.5), ("two", 3e-4, 0.25)):
        values = {"train": {"lr": rate}, "data": {"folder": "/x"}, "run": {"name": name}}
        run = Run.create(tmp_path, name, dump_settings(make_settings(values)))
        run.write(Started(0, 20, 4, 1, 1, 1, "cpu"))
        for step in range(1, 11):
            run.write(StepDone(step, loss, 1e-4, 0.1))
        run.write(Validated(10, loss / 2, math.nan))
    Run.create(tmp_path, "<b>silent</b>", "")
    watch = Watch(tmp_path, Queue(tmp_path, fake_trainers()))
    watch.refresh(force=True)
    return watch


def shown(watch, run, beside):
    place = Place(watch.root)
    viewed = Viewed.of(run, False, 0.9, None, beside)
    return ticks.fragments(watch, place, Drawings(watch.queue), Sizes(watch.root), viewed)


def named(watch, end):
    return next(name for name in watch.names() if name.endswith(end))


def test_both_runs_lines_and_what_differs(watch):
    one, two = named(watch, "_one"), named(watch, "_two")
    made = shown(watch, one, two)
    frame = made["curve"][1]()["value"]
    rows = {series: sorted(zip(some.step, some.loss, strict=True)) for series, some in frame.groupby("series")}
    steps = range(1, 11)
    assert rows[en.SERIES_SMOOTH] == [(step, 0.5) for step in steps]
    assert rows[en.SERIES_OTHER] == [(step, 0.25) for step in steps]  # smoothing leaves what does not change
    assert rows[en.SERIES_CHECK] == [(10, 0.25)] and rows[en.SERIES_OTHER_CHECK] == [(10, 0.125)]
    table = made["beside_table"][1]()
    assert "train.lr" in table and "0.0003" in table and "adapter.rank" not in table
    assert "smoothed, two" in made["curve_help"][1]()["value"]
    assert made["curve"][0] != shown(watch, one, "")["curve"][0]


@pytest.mark.parametrize("beside", ["", None, 3, "nothing", "../../etc", ["x"], "itself"])
def test_what_is_no_other_run_changes_nothing(watch, beside):
    one = named(watch, "_one")
    made = shown(watch, one, one if beside == "itself" else beside)
    assert en.SERIES_OTHER not in set(made["curve"][1]()["value"].series) and made["beside_table"][1]() == ""


def test_a_run_without_a_step_stands_beside_as_well(watch):
    made = shown(watch, named(watch, "_one"), named(watch, "silent-b"))
    assert en.SERIES_OTHER not in set(made["curve"][1]()["value"].series)
    assert made["beside_table"][1]() and made["curve_help"][1]()

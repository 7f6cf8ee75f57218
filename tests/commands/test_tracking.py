"""Trackers: what TensorBoard's own reader finds of a run, and that no tracker can end a training."""

import math
import sys

import numpy as np
import pytest
from accelerate import PartialState
from PIL import Image
from said import says

from sdlora import events as ev
from sdlora.check.case import Case
from sdlora.check.tracker import tracker
from sdlora.commands.shared import tracking
from sdlora.commands.shared.terminal import follow
from sdlora.commands.shared.tracking import Tracking, configuration, numbers_of, started_tracker
from sdlora.runs.run import Run
from sdlora.settings import make_settings


@pytest.fixture
def run(tmp_path) -> Run:
    settings = {"run": {"folder": str(tmp_path / "runs"), "tracker": "tensorboard"}}
    return Run.begin(make_settings(settings | {"data": {"folder": str(tmp_path / "a-secret-place" / "pictures")}}))


STARTED = ev.Started(0, 3, 7, 100, 200, 300, "cpu")


def told(run: Run, *events: ev.Event, changes: dict | None = None) -> list[ev.Event]:
    """What is reported of showing the events."""
    PartialState()
    reported: list[ev.Event] = []
    settings = run.settings()
    for name, value in (changes or {}).items():
        setattr(settings.run, name, value)
    shown = Tracking(run, settings, reported.append)
    for event in events:
        shown.show(event)
    shown.close()
    return reported


def test_tensorboard_reads_what_the_run_said(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.new("RGB", (8, 6), (255, 0, 0)).save(run.folder / "samples/000002_00.png")
    events = [
        STARTED,
        ev.StepDone(1, 0.5, 1e-4, 2.0, 3_000_000_000),
        ev.StepDone(2, math.nan, 2e-4, 2.0, 3_000_000_000),
        ev.Validated(2, 0.25, 1),
        ev.Sampled(2, ["samples/000002_00.png", "samples/not-there.png"]),
    ]
    assert told(run, *events) == []
    found = EventAccumulator(str(run.folder / "tensorboard"))
    found.Reload()
    assert [(each.step, each.value) for each in found.Scalars("train/loss")] == [(1, 0.5)]
    assert [each.value for each in found.Scalars("train/lr")] == pytest.approx([1e-4, 2e-4])
    assert [each.value for each in found.Scalars("validation/loss")] == [0.25]
    assert [each.step for each in found.Images("samples/00")] == [2]
    assert "samples/01" not in found.Tags()["images"]
    kept = next((run.folder / "tensorboard").rglob("hparams.yml")).read_text()
    assert "data.folder: pictures" in kept and "a-secret-place" not in kept


def test_a_tracker_that_fails_is_told_of_once(run, monkeypatch):
    class Broken:
        def store_init_configuration(self, values): ...

        def log(self, values, step):
            raise ConnectionError("no network")

    monkeypatch.setattr(tracking, "started_tracker", lambda *_: Broken())
    reported = told(run, STARTED, ev.StepDone(1, 0.5, 1e-4, 2.0), ev.StepDone(2, 0.5, 1e-4, 2.0))
    assert len(reported) == 1 and says(reported[0].text, "training.tracker_failed", tracker="tensorboard")


def test_off_means_that_nothing_is_made(run, monkeypatch):
    monkeypatch.setattr(tracking, "started_tracker", lambda *_: pytest.fail("a tracker was made"))
    assert told(run, STARTED, ev.StepDone(1, 0.5, 1e-4, 2.0), changes={"tracker": "none"}) == []
    assert make_settings({}).run.tracker == "none"


@pytest.mark.parametrize("name", ["wandb", "trackio", "mlflow"])
def test_the_others_are_called_as_accelerate_has_them(name, run, monkeypatch):
    """Their packages are not here: what is checked is that accelerate's classes take what they are given."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    monkeypatch.setattr(LOGGER_TYPE_TO_CLASS[name], "start", lambda self: None)
    made = started_tracker(name, run.folder)
    assert run.folder.name in (getattr(made, "init_kwargs", None) or vars(made)).values()


def test_the_configuration_is_flat_and_plain(run):
    flat = configuration(run.settings())
    assert flat["train.steps"] == run.settings().train.steps and flat["data.folder"] == "pictures"
    assert all(isinstance(value, (bool, int, float, str)) for value in flat.values())
    assert numbers_of(ev.Validated(2, 0.25, 1)) == {"validation/loss": 0.25} and numbers_of(STARTED) == {}


def test_the_check_names_a_package_that_is_missing(monkeypatch):
    case = Case(make_settings({"run": {"tracker": "tensorboard"}}), None, None)
    assert tracker(case) == []
    for name in ("tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("sdlora.check.tracker.find_spec", lambda name: None)
    (problem,) = tracker(case)
    assert problem.fatal and problem.where == "run.tracker" and says(problem, "settings.tracker_missing")


@pytest.mark.slow
def test_a_training_leaves_its_curve_and_learns_the_same(make_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses = []
    for name in ("none", "tensorboard"):
        run, settings = make_run(**{"run.tracker": name, "train.steps": 2})
        assert follow(run, settings, plain=True) == 0
        losses.append([event.loss for _, event in run.events() if isinstance(event, ev.StepDone)])
    assert losses[0] == losses[1]
    found = EventAccumulator(str(run.folder / "tensorboard"))
    found.Reload()
    assert np.allclose([each.value for each in found.Scalars("train/loss")], losses[1]) and found.Tags()["images"]

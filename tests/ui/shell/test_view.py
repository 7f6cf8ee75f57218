"""The view of a run folder: what it shows is worked out here by other means and compared."""

import math
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlora.events import Finished, Paused, Progress, Sampled, Saved, Started, StepDone, Stopping, Validated, to_line
from sdlora.runs.run import Run
from ui.shell.view import MAX_POINTS, LossSeries, RunView, smooth, thin


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path, "cat toy", "[sample]\nprompts = ['a cat', 'a <b>dog</b>']\n[run]\nname = 'cat toy'\n")


def start(step=0, steps=100):
    return Started(step, steps, 12, 1000, 9000, 4000, "cpu")


@given(st.lists(st.floats(-1e3, 1e3), max_size=300), st.integers(4, 40))
def test_buckets_hold_the_means_of_equal_stretches_of_steps(losses, limit):
    series = LossSeries(limit)
    for step, loss in enumerate(losses, 1):
        series.add(step, loss)
    points = series.points()
    assert len(points) <= limit
    for last, mean in points:
        part = losses[last - series.width : last]
        assert mean == pytest.approx(sum(part) / len(part), abs=1e-6)
    assert [last for last, _ in points] == list(range(series.width, len(losses) + series.width, series.width))[
        : len(points)
    ]


def test_twenty_thousand_events_are_read_once_and_shown_in_few_points(run):
    rng = random.Random(0)
    lines = [to_line(start(steps=20_000), 0)]
    lines += [to_line(StepDone(s, rng.random(), 1e-4, 0.5), s / 2) for s in range(1, 20_001)]
    (run.folder / "events.jsonl").write_text("\n".join(lines) + "\n")
    view = RunView(run.folder)
    assert view.update()
    assert (view.step, view.lines_read) == (20_000, 20_001)
    assert MAX_POINTS / 2 <= len(view.losses.points()) <= MAX_POINTS
    assert not view.update()
    run.write(StepDone(20_001, 0.5, 1e-4, 0.5))
    assert view.update()
    assert (view.step, view.lines_read) == (20_001, 20_002)


@given(st.integers(1, 400), st.integers(0, 2**32))
def test_events_that_arrive_in_torn_pieces_give_the_same_view(tmp_path_factory, pieces, seed):
    folder = tmp_path_factory.mktemp("run")
    events = [start(), *(StepDone(s, s / 10, 1e-4, 0.2) for s in range(1, 20)), Sampled(19, ["samples/ä ö.png"])]
    data = "".join(to_line(e, 1.0) + "\n" for e in events).encode()
    cuts = sorted(random.Random(seed).randrange(len(data)) for _ in range(pieces))
    view = RunView(folder)
    with open(folder / "events.jsonl", "ab", buffering=0) as file:
        for a, b in zip([0, *cuts], [*cuts, len(data)], strict=False):
            file.write(data[a:b])
            view.update()
    assert (view.step, view.version, view.samples) == (19, len(events), {19: ["samples/ä ö.png"]})
    assert [loss for _, loss in view.losses.points()] == pytest.approx([s / 10 for s in range(1, 20)])


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "step", "time": 1, "step": null, "loss": 1, "lr": 1, "seconds": 1}',
        '{"kind": "step", "time": 1, "step": -4, "loss": 1, "lr": 1, "seconds": 1}',
        '{"kind": "step", "time": 1, "step": 3, "loss": "x", "lr": 1, "seconds": 1}',
        '{"kind": "sampled", "time": 1, "step": 3, "files": "abc"}',
        '{"kind": "sampled", "time": 1, "step": 3, "files": [1, {}]}',
        '{"kind": "saved", "time": 1, "step": 3, "path": 7}',
        '{"kind": "from the future", "time": 1}',
        "[]",
        '{"kind": "step", "time": 1, "st',
        "\x00\x01 rubbish",
    ],
)
def test_lines_that_make_no_sense_are_passed_over(run, line):
    run.write(start())
    with open(run.folder / "events.jsonl", "a") as file:
        file.write(line + "\n")
    run.write(StepDone(1, 0.5, 1e-4, 0.1))
    view = RunView(run.folder)
    view.update()
    assert (view.step, view.version, view.samples, view.saved) == (1, 2, {}, [])


def test_a_loss_that_is_not_a_number_leaves_the_curve_alone(run):
    for event in (start(), StepDone(1, 0.5, 1e-4, 0.1), StepDone(2, math.nan, 1e-4, 0.1)):
        run.write(event)
    view = RunView(run.folder)
    view.update()
    assert view.step == 2
    assert view.losses.points() == [(1, 0.5)]


def test_a_resumed_run_takes_back_what_it_does_again(run):
    for event in (start(), *(StepDone(s, 1.0, 1e-4, 0.1) for s in range(1, 9)), Sampled(4, ["a"]), Sampled(8, ["b"])):
        run.write(event)
    run.write(start(step=5))
    run.write(StepDone(6, 3.0, 1e-4, 0.1))
    view = RunView(run.folder)
    view.update()
    assert view.losses.points() == [*((s, 1.0) for s in range(1, 6)), (6, 3.0)]
    assert view.samples == {4: ["a"]}
    assert view.finished is None


def test_the_validation_loss_is_a_line_of_its_own(run):
    told = (Validated(0, 0.2, 0), StepDone(1, 0.5, 1e-4, 0.1), Validated(50, 0.1, 0), Validated(60, 0.15, 0))
    for event in (start(), *told):
        run.write(event)
    run.write(start(step=55))
    view = RunView(run.folder)
    view.update()
    assert view.checks.points() == [(1, 0.2), (50, 0.1)]  # what a resumed run does again is taken back
    assert view.check == 0.15


def test_the_state_follows_the_folder(run):
    view = RunView(run.folder)
    assert view.state(alive=False) == "new"
    assert view.state(alive=False, starting=True) == "starting"
    run.write(start())
    view.update()
    assert view.state(alive=True) == "running"
    assert view.state(alive=False) == "interrupted"
    run.request("pause")
    assert view.state(alive=True) == "pausing"
    run.write(Paused(0, True))
    view.update()
    assert view.state(alive=True) == "paused"
    run.request("stop")
    assert view.state(alive=True) == "stopping"
    run.write(Finished(3, "stopped", file="cat-toy.safetensors"))
    view.update()
    assert view.state(alive=False) == "stopped"


def test_loading_and_stopping_have_names_of_their_own(run):
    """A trainer that holds the lock does not train yet; one that has taken up a stop does not train any more."""
    view = RunView(run.folder)

    def state(*events) -> str:
        for event in events:
            run.write(event)
        view.update()
        return view.state(alive=True)

    assert state(Progress("start", 0, 1)) == state(Progress("model", 0, 1)) == "loading"
    assert state(start(), StepDone(1, 0.1, 1e-4, 0.1)) == "running"
    run.request("stop")
    assert (state(), view.stop_taken) == ("stopping", False)
    run.answered("stop")
    assert (state(Stopping(1), Progress("save", 0, 1)), view.stop_taken) == ("stopping", True)
    assert state(Finished(1, "stopped"), Progress("start", 0, 1)) == "loading"  # resumed
    assert view.state(alive=False) == "interrupted"


def test_time_left_is_the_mean_of_the_last_steps_times_what_is_left(run):
    run.write(start(steps=50))
    for step in range(1, 31):
        run.write(StepDone(step, 0.1, 1e-4, 9.0 if step <= 10 else 2.0))
    view = RunView(run.folder)
    view.update()
    assert view.seconds_per_step == pytest.approx(2.0)
    assert view.seconds_left == pytest.approx(40.0)


def test_progress_is_shown_until_it_is_done(run):
    view = RunView(run.folder)
    run.write(Progress("latents", 3, 12))
    view.update()
    assert (view.progress.done, view.progress.of) == (3, 12)
    run.write(Progress("latents", 12, 12))
    view.update()
    assert view.progress is None


def test_files_outside_the_run_folder_are_not_shown(run, tmp_path):
    outside = tmp_path / "secret.safetensors"
    outside.write_bytes(b"x")
    os.symlink(outside, run.folder / "link.safetensors")
    (run.folder / "good.safetensors").write_bytes(b"x")
    for path in (str(outside), "../secret.safetensors", "link.safetensors", "gone.safetensors", "a\0b.safetensors"):
        run.write(Saved(1, path, final=True))
    run.write(Saved(1, "settings.toml", final=True))
    run.write(Saved(1, "good.safetensors", final=True))
    run.write(Sampled(1, ["../secret.safetensors", "/etc/passwd"]))
    view = RunView(run.folder)
    view.update()
    assert [path.name for _, path, _ in view.lora_files()] == ["good.safetensors"]
    assert view.sample_grid()[1] == [("a cat", [None]), ("a <b>dog</b>", [None])]


def test_exported_checkpoints_come_after_the_final_file_newest_first(run):
    (run.folder / "exports").mkdir()
    for name in ("cat-toy-000050", "cat-toy-000100", ".cat-toy-000150.new", "odd"):
        (run.folder / "exports" / f"{name}.safetensors").write_bytes(b"x")
    (run.folder / "cat-toy.safetensors").write_bytes(b"x")
    run.write(Saved(120, "cat-toy.safetensors", final=True))
    view = RunView(run.folder)
    view.update()
    assert [(step, final) for step, _, final in view.lora_files()] == [(120, True), (100, False), (50, False)]


def test_the_grid_has_first_and_last_step_and_a_row_for_each_prompt(run):
    for step in range(0, 1000, 50):
        run.write(Sampled(step, [f"samples/{step}_0.png", f"samples/{step}_1.png"]))
    view = RunView(run.folder)
    view.update()
    steps, rows = view.sample_grid(columns=6)
    assert len(steps) == 6 and (steps[0], steps[-1]) == (0, 950) and steps == sorted(set(steps))
    assert [prompt for prompt, _ in rows] == ["a cat", "a <b>dog</b>"]


@given(st.lists(st.integers(0, 10_000), unique=True).map(sorted), st.integers(2, 20))
def test_thinning_keeps_the_ends(values, limit):
    kept = thin(values, limit)
    assert len(kept) == min(len(values), limit)
    assert kept == sorted(set(kept))
    assert not values or (kept[0], kept[-1]) == (values[0], values[-1])


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0, 0.99))
def test_smoothing_is_the_weighted_mean_of_the_past(values, factor):
    smoothed = smooth(values, factor)
    for n in (0, len(values) - 1):
        weights = [factor ** (n - i) for i in range(n + 1)]
        expected = sum(w * v for w, v in zip(weights, values, strict=False)) / sum(weights)
        assert smoothed[n] == pytest.approx(expected, abs=1e-9)


def test_the_log_shows_the_last_state_of_a_progress_bar_without_its_colours(run):
    (run.folder / "log.txt").write_bytes(b"hello\r\n\x1b[31mstep 1\rstep 2\rstep 3\x1b[0m\nlast line")
    assert RunView(run.folder).log_tail() == "hello\nstep 3\nlast line"
    (run.folder / "log.txt").write_bytes(b"a line of thirty characters...\n" * 50_000)
    assert RunView(run.folder).log_tail(5) == "\n".join(["a line of thirty characters..."] * 5)


def test_name_and_time_come_from_the_folder(tmp_path):
    view = RunView(tmp_path / "2026-11-05_0932_cat-toy-2")
    assert (view.name, view.when) == ("cat-toy-2", "5 Nov 09:32")
    assert (RunView(tmp_path / "copied").name, RunView(tmp_path / "copied").when) == ("copied", "")

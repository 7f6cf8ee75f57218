"""What a run offers: which checkpoints stay for it, what is said of them, which files it leaves."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from said import says
from small_training import made

from sdlora.cli import main
from sdlora.events import Finished, Started, StepDone, Validated
from sdlora.messages import say
from sdlora.runs.checkpoints import is_measured, mark_measured
from sdlora.runs.curve import curve_of
from sdlora.runs.offers import offers_of
from sdlora.runs.origin import begin_from
from sdlora.runs.run import Run
from sdlora.settings import Settings
from sdlora.train import between
from sdlora.train.checkpoint import save_checkpoint
from sdlora.train.loop import training

NUMBERS = st.one_of(st.floats(0, 1), st.just(math.nan))


def point(step, loss, drift=math.nan, held_out=4):
    return Validated(step, loss, held_out, drift=drift)


# ---- the curve


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), st.floats(0, 1), st.sets(st.integers(1, 8)))
def test_lowest_and_within_are_what_a_list_says(numbers, bound, there):
    """Against the plainest way to say it: filter, sort, take the first."""
    curve = curve_of(point(step, *pair) for step, pair in enumerate(numbers))
    told = [(loss, step) for step, (loss, _) in enumerate(numbers) if step and not math.isnan(loss)]
    assert curve.lowest() == (sorted(told)[0][1] if told else None)
    told = [entry for entry in told if entry[1] in there]
    assert curve.lowest(there) == (sorted(told)[0][1] if told else None)
    measured = [(step, drift) for step, (loss, drift) in enumerate(numbers) if not math.isnan(loss + drift)]
    over = [step for step, drift in measured if drift > bound]
    before = [step for step, _ in measured if step and (not over or step < over[0])]
    assert curve.within(bound) == (before[-1] if before else None)
    assert curve.passed(bound) == bool(over)


def test_steps_that_are_done_again_count_anew():
    events = [point(0, 0.5), point(10, 0.1), Started(5, 20, 4, 1, 1, 1, "cpu"), point(10, 0.4), point(20, 0.45)]
    curve = curve_of(events)
    assert {at: p.loss for at, p in curve.points.items()} == {0: 0.5, 10: 0.4, 20: 0.45}
    assert (curve.lowest(), curve.since_lowest()) == (10, 1)


def test_without_held_out_images_no_step_is_the_lowest():
    curve = curve_of([point(0, 0.5, held_out=0), point(10, 0.1, held_out=0)])
    assert curve.lowest() is None and curve.since_lowest() == curve.measured == 0 and curve.worth_keeping(None) == set()


@pytest.mark.parametrize("odd", [{"step": "x"}, {"step": 3, "loss": "low"}, {"step": 3, "drift": "x"}])
def test_an_odd_line_in_the_events_is_passed_over(odd):
    curve = curve_of([Validated(**({"step": 1, "loss": 0.2, "held_out": 4} | odd)), point(2, 0.1)])
    assert curve.lowest() == 2 and not curve.passed(0.0)


# ---- checkpoints that stay


def test_notable_checkpoints_stay_and_marked_ones_go_when_they_are_so_no_more(tmp_path):
    run = Run.create(tmp_path, "x", "")
    _, adapter, optimizer = made()

    def save(step, notable, measured=False, keep=2):
        folder = save_checkpoint(run.folder / "checkpoints", step, adapter, optimizer, {})
        if measured:
            mark_measured(folder)
        run.drop_old_checkpoints(keep, notable)
        return [step for step, _ in run.checkpoints()]

    assert save(1, {1}, measured=True) == [1]
    assert save(2, {1}) == [1, 2]
    assert save(3, {3}, measured=True) == [2, 3]  # 1 was there for nothing else
    assert save(4, {3}) == [2, 3, 4] and save(5, {3}) == [3, 4, 5]
    assert save(6, {4}) == [4, 5, 6]  # 4 is one like all others, and stays while it is notable
    assert save(7, {7}) == [6, 7]
    assert save(8, {8}, measured=True, keep=0) == [6, 7, 8] and save(9, {9}, keep=0) == [6, 7, 9]


def losses(job, told):
    """What is measured at the step that the job is at: told[step] is (loss, drift)."""
    loss, drift = told[job.done]
    return loss, 0.3, drift


BOWL = {0: (0.5, 0.0), 1: (0.4, 0.1), 2: (0.2, 0.2), 3: (0.3, 0.3), 4: (0.25, 0.4), 5: (0.6, 0.5), 6: (0.7, 0.6)}
WISH = {"validation.every": 1, "validation.held_out": 2, "save.every": 0, "save.keep": 1, "train.steps": 6}


@pytest.fixture
def measured(monkeypatch):
    """measured(numbers): the trainer measures these from now on."""

    def measure(told):
        monkeypatch.setattr(between, "_measured", lambda job, batch_size: losses(job, told))

    return measure


def drive(run, settings, until=None):
    for event in training(settings, run):
        run.write(event)
        if isinstance(event, StepDone) and event.step == until:
            break
    return [step for step, _ in run.checkpoints()]


def test_a_run_keeps_the_minimum_beside_the_last_and_writes_both_files(make_run, measured, capsys):
    measured(BOWL)
    run, settings = make_run(**WISH)
    assert drive(run, settings) == [2, 6]
    offers = offers_of(run, settings)
    assert (offers.keeps, offers.shows, offers.lost, offers.file) == (2, 6, None, "test.safetensors")
    assert main(["runs", str(run.folder)]) == 0
    out = capsys.readouterr().out
    assert "0.2000" in out and "0.5000" in out and "0.7000" in out  # the minimum, the base, the last
    for key, step in (("offer_keeps", 2), ("offer_shows", 6), ("offer_file", 6)):
        assert says(out, f"runs.{key}", step=step)
    assert main(["runs", str(run.folder.parent)]) == 0
    assert str(say("runs.offers_short", keeps=2, shows=6)) in capsys.readouterr().out
    # the file that the run has left is what export makes of that checkpoint, and another than the last one's
    assert main(["export", str(run.folder), "--offer", "keeps"]) == 0
    ours, again = (load_file(run.folder / f"{part}test-000002.safetensors") for part in ("exports/", ""))
    last = load_file(run.folder / "test.safetensors")
    assert all(torch.equal(ours[name], again[name]) for name in ours)
    assert any(not torch.equal(ours[name], last[name]) for name in ours)


def test_a_bound_of_the_drift_keeps_the_last_one_within(make_run, measured):
    measured(BOWL)
    run, settings = make_run(**WISH, **{"validation.drift_bound": 0.45})
    assert drive(run, settings) == [2, 4, 6]
    offers = offers_of(run, settings)
    assert (offers.keeps, offers.shows, offers.last) == (2, 4, 6)
    assert any(says(words, "runs.offer_shows_within", step=4, bound="0.45") for words in offers.sentences())
    assert sorted(path.name for path in (run.folder / "exports").iterdir()) == [
        "test-000002.safetensors",
        "test-000004.safetensors",
    ]


def test_both_at_one_step_before_the_last_is_one_offer(make_run, measured):
    measured(BOWL)
    run, settings = make_run(**WISH, **{"validation.drift_bound": 0.25})
    assert drive(run, settings) == [2, 6] and offers_of(run, settings).steps == [2]
    one, file = offers_of(run, settings).sentences()
    assert says(one, "runs.offer_both", step=2, bound="0.25") and says(file, "runs.offer_file", step=6)
    assert [path.name for path in (run.folder / "exports").iterdir()] == ["test-000002.safetensors"]


def test_a_cut_off_run_goes_on_with_what_was_measured(make_run, measured):
    measured(BOWL)
    run, settings = make_run(**WISH)
    assert drive(run, settings, until=5) == [2, 5]  # 5 is saved when the loop is closed
    events = [event for event in training(settings, run) if not run.write(event)]
    assert [step for step, _ in run.checkpoints()] == [2, 6] and isinstance(events[-1], Finished)
    assert (run.folder / "exports/test-000002.safetensors").is_file()


def test_the_minimum_at_the_last_step_is_one_offer(make_run, measured):
    measured({step: (0.5 - step / 20, step / 10) for step in range(7)})
    run, settings = make_run(**WISH)
    assert drive(run, settings) == [6] and not is_measured(run.folder / "checkpoints/000006")
    (sentence,) = offers_of(run, settings).sentences()
    assert says(sentence, "runs.offer_one", step=6) and not (run.folder / "exports").exists()


def test_a_run_that_starts_from_a_notable_checkpoint_keeps_it_as_its_own(make_run, measured):
    measured(BOWL)
    run, settings = make_run(**WISH)
    drive(run, settings)
    begun, _, _ = begin_from(run, 2, {"train.steps": 4})
    assert is_measured(run.folder / "checkpoints/000002")
    assert not is_measured(begun.folder / "checkpoints/000002")


def test_a_checkpoint_that_is_asked_for_stays_although_it_was_notable_only(make_run, measured):
    measured(BOWL | {4: (0.1, 0.4)})
    run, settings = make_run(**WISH | {"save.keep": 0})
    for event in training(settings, run):
        run.write(event)
        if isinstance(event, Validated) and event.step == 2:
            run.request("save")
    assert [step for step, _ in run.checkpoints()] == [2, 4, 6]  # 1 was notable once, 2 was asked for


# ---- the end before the last step


def test_patience_ends_the_run_as_any_other_and_off_is_the_default(make_run, measured, capsys):
    measured(BOWL)
    run, settings = make_run(**WISH, **{"validation.patience": 2})
    assert drive(run, settings) == [2, 4]
    ends = [event for _, event in run.events() if isinstance(event, Finished)]
    assert [(end.step, end.why, end.file) for end in ends] == [(4, "done", "test.safetensors")]
    assert says(ends[0].text, "training.ended_early", step=4, lowest=2, count=2)
    assert drive(run, settings) == [2, 4]  # resumed, it has ended already


def test_patience_ends_a_cut_off_run_where_it_ends_one_that_was_not(make_run, measured):
    """Bit for bit; what was measured where it was stopped does not count."""
    measured(BOWL | {3: (0.9, 0.3), 5: (0.9, 0.5)})
    wish = WISH | {"validation.every": 2, "validation.patience": 1}
    whole, settings = make_run(**wish)
    assert drive(whole, settings) == [2, 4]
    stopped, settings = make_run(**wish)
    for event in training(settings, stopped):
        stopped.write(event)
        if isinstance(event, StepDone) and event.step == 3:
            stopped.request("stop")
    assert [e.step for _, e in stopped.events() if isinstance(e, Validated)] == [0, 2, 3]
    drive(stopped, settings)
    ours, theirs = (load_file(r.folder / "checkpoints/000004/lora.safetensors") for r in (whole, stopped))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [step for step, _ in stopped.checkpoints()][-1] == 4


# ---- what is said


@pytest.fixture
def finished(tmp_path):
    """finished(points, steps) -> the offers of a run with these measurements and checkpoints."""

    def make(points, steps, **wish):
        run = Run.create(tmp_path, "x", "")
        for step in steps:
            (run.folder / f"checkpoints/{step:06d}").mkdir()
        for event in [*points, Finished(max(steps), "done", file="x.safetensors")]:
            run.write(event)
        settings = Settings()
        settings.validation.drift_bound = wish.get("bound")
        settings.adapter.start_from = wish.get("start_from", "")
        return offers_of(run, settings)

    return make


def test_what_there_is_no_checkpoint_of_is_told_and_not_offered(finished):
    offers = finished([point(0, 0.5), point(40, 0.1), point(250, 0.3), point(500, 0.4)], [250, 500])
    assert (offers.keeps, offers.shows, offers.lost) == (250, 500, 40)
    assert any(says(words, "runs.offer_lost", step=40, loss="0.1000") for words in offers.sentences())


def test_nothing_held_out_says_so(finished):
    offers = finished([point(0, 0.5, 0.0, held_out=0), point(500, 0.3, 0.2, held_out=0)], [250, 500])
    (sentence,) = offers.sentences()
    assert says(sentence, "runs.offer_one_unmeasured", step=500) and offers.short == ""


def test_a_lora_that_learnt_nothing_for_held_out_images_is_told_so(finished):
    points = [point(0, 0.5), point(250, 0.6), point(500, 0.7)]
    assert say("runs.offer_not_below_base") in finished(points, [250, 500]).sentences()
    # where another LoRA was there from the start, step 0 is not the base model
    begun = finished(points, [250, 500], start_from="other.safetensors").sentences()
    assert say("runs.offer_not_below_base") not in begun and all("0.5000" not in words for words in begun)


def test_a_bound_that_no_checkpoint_keeps_to_names_the_nearest(finished):
    offers = finished([point(0, 0.5, 0.0), point(250, 0.4, 0.6), point(500, 0.3, 0.8)], [250, 500], bound=0.1)
    assert offers.shows == 250
    assert any(says(words, "runs.offer_shows_nearest", step=250) for words in offers.sentences())


def test_a_run_without_measurements_offers_nothing_and_says_so(tmp_path, make_run, capsys):
    run, settings = make_run(**{"validation.every": 0})
    drive(run, settings)
    assert main(["runs", str(run.folder)]) == 0 and str(say("runs.no_offer", name=run.name)) in capsys.readouterr().out
    assert main(["export", str(run.folder), "--offer", "keeps"]) == 1
    assert str(say("runs.choose_step")) in capsys.readouterr().err

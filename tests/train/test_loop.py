"""The loop against itself: stopped, killed, resumed and split runs end with the very same weights."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from driving import drive, same, weights
from safetensors.torch import load_file
from said import saying

from sdlora.errors import UserError
from sdlora.events import (
    ByHeart,
    Finished,
    Paused,
    Progress,
    Sampled,
    Saved,
    Started,
    StepDone,
    Stopping,
    Validated,
    Warned,
)
from sdlora.runs.run import Run
from sdlora.train.loop import training


def test_a_run_tells_its_story_in_order(make_run):
    run, settings = make_run(**{"save.every": 2, "sample.every": 2, "validation.every": 100})
    events = drive(run, settings)
    kinds = [type(e) for e in events if not isinstance(e, Progress)]
    step = [StepDone]
    assert kinds == [
        Started, Validated, Sampled, *step * 2, Saved, Sampled, *step * 2, Saved, Validated, ByHeart, Sampled, Saved,
        Finished,
    ]  # fmt: skip
    assert [e.step for e in events if isinstance(e, StepDone)] == [1, 2, 3, 4]
    finished = events[-1]
    assert finished.why == "done" and (run.folder / finished.file).is_file()
    assert {p.name for p in (run.folder / "samples").iterdir()} == {"000000_00.png", "000002_00.png", "000004_00.png"}
    assert [e for _, e in run.events()] == events
    assert not list(run.folder.rglob("*.tmp")) and not list(run.folder.glob(".*"))


def test_the_text_encoder_and_the_unet_both_learn(make_run):
    run, settings = make_run()
    drive(run, settings)
    learnt = weights(run)
    ups = {name: value for name, value in learnt.items() if name.endswith(".up")}
    assert {name.split(".")[0] for name in ups} == {"unet", "text_encoder"}
    assert all(value.abs().sum() > 0 for value in ups.values())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"adapter.text_encoder": False, "train.accumulate": 2},
        {"data.flip": True, "data.shuffle_tags": True, "data.tag_dropout": 0.3, "data.caption_dropout": 0.3},
        {"train.scheduler": "linear", "train.warmup": 2, "train.noise_offset": 0.1, "adapter.targets": "full"},
    ],
)
def test_a_stopped_and_resumed_run_is_bit_identical(make_run, changes):
    whole, settings = make_run(**changes)
    drive(whole, settings)
    for stop in (1, 3):
        run, settings = make_run(**changes)
        first = drive(run, settings, stop_after=stop)
        assert first[-1] == Finished(stop, "stopped", file="test.safetensors")
        assert (run.folder / "test.safetensors").is_file()
        second = drive(run, settings)
        assert [e.step for e in second if isinstance(e, StepDone)] == list(range(stop + 1, 5))
        assert same(weights(run), weights(whole))
        assert same(load_file(run.folder / "test.safetensors"), load_file(whole.folder / "test.safetensors"))


def test_losses_and_rates_are_functions_of_the_step(make_run):
    whole, settings = make_run(**{"train.scheduler": "cosine"})
    told = {e.step: (e.loss, e.lr) for e in drive(whole, settings) if isinstance(e, StepDone)}
    run, settings = make_run(**{"train.scheduler": "cosine"})
    events = drive(run, settings, stop_after=2) + drive(run, settings)
    assert {e.step: (e.loss, e.lr) for e in events if isinstance(e, StepDone)} == told
    assert told[1][1] == settings.train.lr and told[4][1] < told[2][1]


def test_a_killed_run_resumes_from_its_last_checkpoint(make_run):
    whole, settings = make_run(**{"train.steps": 6})
    drive(whole, settings)
    run, settings = make_run(**{"train.steps": 6, "save.every": 2, "sample.prompts": []})
    trainer = subprocess.Popen([sys.executable, "-m", "sdlora", "train", "--run", str(run.folder)])
    steps = run.folder / "events.jsonl"
    deadline = time.monotonic() + 180
    while not (steps.exists() and '"step": 3' in steps.read_text().replace('"kind": "step", ', "")):
        assert trainer.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    trainer.kill()
    trainer.wait()
    reached = max(e.step for _, e in run.events() if isinstance(e, StepDone))
    if reached < 6:  # it may have been quicker than the signal
        assert run.state() == "interrupted" and not run.alive()
    drive(run, settings)
    assert same(weights(run), weights(whole))
    assert run.state() == "done"


def test_accumulated_batches_are_one_large_batch(make_run, images):
    """The same five images with the same dice: one batch of five, or five batches of one added up."""
    moments = []
    for batch, parts in ((5, 1), (1, 5)):
        run, settings = make_run(
            **{"data.fit": "crop", "data.upscale": True, "train.steps": 1, "train.batch_size": batch,
               "train.accumulate": parts, "train.max_grad_norm": 0.0, "adapter.text_encoder": False}
        )  # fmt: skip
        settings.data.folder = str(images)
        for image in images.glob("*.png"):  # equal pictures: the order of the images differs, the dice do not
            image.write_bytes((images / "p0.png").read_bytes())
            image.with_suffix(".txt").write_text("zib")
        drive(run, settings)
        moments.append(load_file(run.checkpoints()[-1][1] / "optimizer.safetensors"))
    for key in (k for k in moments[0] if k.endswith(".up.exp_avg")):
        torch.testing.assert_close(moments[0][key], moments[1][key], rtol=1e-3, atol=1e-7)


def test_requests_are_answered_between_steps(make_run):
    run, settings = make_run(**{"train.steps": 3})
    seen = []
    for event in training(settings, run):
        run.write(event)
        seen.append(event)
        if isinstance(event, StepDone) and event.step == 1:
            run.request("save")
            run.request("sample")
            run.request("pause")
        if isinstance(event, Paused) and event.on:
            run.request("pause", on=False)
    after = [e for e in seen if not isinstance(e, Progress)]
    one = next(i for i, e in enumerate(after) if isinstance(e, StepDone))
    assert [type(e) for e in after[one : one + 5]] == [StepDone, Saved, Sampled, Paused, Paused]
    assert [e.on for e in after if isinstance(e, Paused)] == [True, False]
    assert not list((run.folder / "control").iterdir())


def test_a_stop_while_images_are_encoded_keeps_what_is_done(make_run):
    run, settings = make_run()
    events = []
    for event in training(settings, run):
        events.append(event)
        if event == Progress("latents", 1, 5):
            run.request("stop")
    assert [type(e) for e in events] == [Progress, Progress, Finished]
    assert events[-1].why == "stopped"
    run, settings = make_run()
    assert next(e for e in training(settings, run) if isinstance(e, Progress) and e.what == "latents").of == 4


def test_what_takes_long_is_named_before_it_begins(make_run):
    """Loading comes first; a stop is acknowledged, then each thing that is still to do."""
    run, settings = make_run(**{"validation.every": 100})
    told = [(e.what, e.done) if isinstance(e, Progress) else type(e) for e in drive(run, settings, stop_after=1)]
    assert told[0] == ("model", 0)
    assert told.index(("model", 1)) < told.index(Started) < told.index(("validation", 0)) < told.index(("samples", 0))
    after = told[told.index(Stopping) :]
    assert after == [
        Stopping, ("save", 0), Saved, ("validation", 0), Validated, ByHeart, ("samples", 0), ("samples", 1), Sampled,
        ("export", 0), Saved, Finished,
    ]  # fmt: skip


def test_a_second_start_encodes_nothing(make_run):
    for _ in range(2):
        run, settings = make_run(**{"adapter.text_encoder": False})
        progress = {e.what for e in drive(run, settings) if isinstance(e, Progress)}
    assert progress == {"model", "samples", "save", "export"}


def test_the_vae_and_a_frozen_text_encoder_are_not_held_during_steps(make_run):
    import gc

    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel

    run, settings = make_run(**{"adapter.text_encoder": False})
    for event in training(settings, run):
        if isinstance(event, StepDone):
            gc.collect()
            assert not [o for o in gc.get_objects() if type(o) in (AutoencoderKL, CLIPTextModel)]


def test_an_exploding_run_says_so_and_keeps_its_checkpoint(make_run):
    run, settings = make_run(**{"train.lr": 10.0, "train.steps": 60, "save.every": 1, "sample.prompts": []})
    settings.train.max_grad_norm = 0.0
    settings.adapter.alpha = 100_000.0
    with pytest.raises(UserError, match=saying("training.unstable")):
        drive(run, settings)
    assert run.checkpoints()


def test_a_checkpoint_of_another_rank_is_refused_by_name(make_run):
    run, settings = make_run()
    drive(run, settings, stop_after=1)
    settings.adapter.rank = 4
    with pytest.raises(UserError, match=saying("adapters.saved_rank_differs", there="2", here="4")):
        drive(run, settings)


def test_an_interrupt_keeps_a_usable_lora(make_run):
    """Ctrl-C: the command ends after the step with everything written."""
    run, settings = make_run(**{"train.steps": 100_000, "sample.prompts": []})
    heeding = (
        (lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) if os.name == "posix" else None
    )  # tests in "&" don't
    command = [sys.executable, "-m", "sdlora", "train", "--run", str(run.folder)]
    trainer = subprocess.Popen(command, preexec_fn=heeding)
    deadline = time.monotonic() + 180
    while not any(isinstance(e, StepDone) for _, e in run.events()):
        assert trainer.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(trainer.pid, signal.SIGINT)
    assert trainer.wait(300) == 0
    assert run.state() == "stopped" and (run.folder / "test.safetensors").is_file()
    assert json.loads((run.checkpoints()[-1][1] / "state.json").read_text())["step"] >= 1


def test_two_trainers_do_not_share_a_run(make_run):
    run, _ = make_run()
    run.open_lock()
    try:
        with pytest.raises(UserError, match=saying("runs.in_use")):
            Run(run.folder).open_lock()
    finally:
        run.close_lock()


def test_captions_that_are_too_long_are_named(make_run, images):
    (images / "p3.txt").write_text("zib " * 80)
    run, settings = make_run(**{"train.steps": 1, "sample.prompts": [], "data.max_tokens": 75})
    warned = [e.text for e in drive(run, settings) if isinstance(e, Warned)]
    assert any("75 tokens" in text and "p3.png" in text and "p2.png" not in text for text in warned)

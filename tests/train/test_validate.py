"""The validation loss against a computation of its own with diffusers' scheduler, and what holding images out means."""

import math
import shutil

import pytest
import torch
from diffusers import DDPMScheduler

from sdlora import check
from sdlora.commands.shared.begin import begin
from sdlora.data.dataset import hold_out, seed_for
from sdlora.events import Finished, Started, StepDone, Validated
from sdlora.messages import say
from sdlora.train.loop import training
from sdlora.train.prepare import prepare_job
from sdlora.train.trainee import base_of, make_accelerator
from sdlora.train.validate import TIMESTEPS


def measured(settings, run) -> list[Validated]:
    return [event for event in training(settings, run) if isinstance(event, Validated)]


def made(settings, run):
    preparation = prepare_job(settings, run, base_of(settings), make_accelerator("cpu", "fp32"))
    while True:
        try:
            next(preparation)
        except StopIteration as end:
            return end.value


def test_it_is_the_error_at_fixed_noise_and_timesteps(make_run, base_folder):
    run, settings = make_run(**{"validation.held_out": 2, "adapter.text_encoder": False})
    job = made(settings, run)
    trainee, scheduler = job.trainee, DDPMScheduler.from_pretrained(base_folder, subfolder="scheduler")
    expected = []
    for number, item in enumerate(job.held_out):
        clean = job.latents.load(item, False)[0] * trainee.base.config("vae")["scaling_factor"]
        for turn, share in enumerate(TIMESTEPS):
            dice = torch.Generator().manual_seed(seed_for(settings.train.seed, "validation", number, turn))
            noise, t = torch.randn(clean.shape, generator=dice)[None], torch.tensor([round(share * 1000)])
            hidden = trainee.text_cache.batch([item.caption]).hidden
            with torch.no_grad():
                told = trainee.unet(scheduler.add_noise(clean[None], noise, t), t, hidden).sample
            expected.append((told - noise).pow(2).mean().item())
    for batch_size in (1, 2, 3, 8):  # how it is cut into batches changes nothing
        loss = job.validation.loss(torch.device("cpu"), batch_size)
        assert loss == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_it_comes_before_in_between_and_at_the_end(make_run):
    run, settings = make_run(**{"validation.every": 2, "train.steps": 5})
    told = measured(settings, run)
    assert [event.step for event in told] == [0, 2, 4, 5]
    assert all(math.isfinite(event.loss) and event.held_out == 0 for event in told)
    assert len({event.loss for event in told}) == 4  # the weights have changed each time
    run, settings = make_run(**{"validation.every": 0})
    assert measured(settings, run) == []


def test_measuring_changes_nothing_of_the_training(make_run):
    def losses(every):
        run, settings = make_run(**{"validation.every": every})
        return [event.loss for event in training(settings, run) if isinstance(event, StepDone)]

    assert losses(1) == losses(0)


def test_images_that_are_held_out_are_not_trained_on(make_run):
    run, settings = make_run(**{"validation.every": 100, "validation.held_out": 2, "train.steps": 2})
    events = list(training(settings, run))
    assert next(event for event in events if isinstance(event, Started)).images == 3
    assert {event.held_out for event in events if isinstance(event, Validated)} == {2}
    assert isinstance(events[-1], Finished) and events[-1].why == "done"
    job = made(settings, run)
    assert not set(job.items) & set(job.held_out)
    assert set(job.validation.items) == set(job.held_out)


def test_what_is_held_out_is_drawn_by_the_seed_and_leaves_something():
    items = list(range(10))
    training, held = hold_out(items, 3, seed=1)
    assert sorted(training + held) == items and len(held) == 3
    assert hold_out(items, 3, seed=1) == (training, held)
    assert len({hold_out(items, 3, seed)[1] for seed in range(20)}) > 10
    assert hold_out(items, 0, seed=1) == (tuple(items), ())
    assert [len(part) for part in hold_out(items, 99, seed=1)] == [1, 9]
    assert hold_out([], 3, seed=1) == ((), ())


def test_holding_out_everything_is_told(make_run):
    _, settings = make_run(**{"validation.held_out": 5})
    (problem,) = [p for p in check.prepare(settings).problems if p.where == "validation.held_out" and p.fatal]
    assert "leaves nothing of 5 images" in str(problem)


def test_four_are_held_out_of_twelve_and_none_of_fewer(make_run, images, capsys):
    _, settings = make_run(**{"validation.held_out": None, "validation.every": 5})
    assert settings.validation.held_out == 0
    said = say("settings.none_held_out", count=5, enough=12)
    left_open = settings.model_copy(deep=True)
    left_open.validation.held_out = None
    begin(check.prepare(left_open))
    assert said in capsys.readouterr().out
    begin(check.prepare(settings))
    assert said not in capsys.readouterr().out
    for number in range(5, 12):
        shutil.copy(images / "p0.png", images / f"p{number}.png")
    assert begin(check.prepare(left_open))[1].validation.held_out == 4
    assert say("settings.none_held_out", count=12, enough=12) not in capsys.readouterr().out
    (images / "p11.png").write_bytes(b"no picture")  # which is no image that can be used
    assert check.prepare(left_open).resolved().validation.held_out == 0

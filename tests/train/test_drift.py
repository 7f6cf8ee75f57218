"""Drift against a computation of its own with diffusers' scheduler and merged weights; and when all is measured."""

import math

import pytest
import torch
from base_models import make_base
from small_models import randomise
from test_validate import made

from sdlora.events import StepDone, Validated, Warned
from sdlora.families.shared.load import load_scheduler
from sdlora.train.drift import LOOKED_AT, PROMPTS, STEPS, silent
from sdlora.train.loop import training
from sdlora.train.rhythm import ALONG, GRID, Rhythm, rhythm_of

CPU = torch.device("cpu")


@pytest.fixture(params=[True, False], ids=["text encoder learns", "texts are cached"])
def job(request, make_run):
    run, settings = make_run(**{"validation.every": 1, "adapter.text_encoder": request.param})
    made_job = made(settings, run)
    randomise(made_job.trainee.adapter, 0.5)
    return made_job


def predictions(job, change: bool) -> list[torch.Tensor]:
    """On the base's way, prompt by prompt, with the LoRA in the weights themselves where change is asked for."""
    trainee, adapter = job.trainee, job.trainee.adapter
    scheduler, told = load_scheduler(trainee.base), []
    scheduler.set_timesteps(STEPS)
    for number, prompt in enumerate(PROMPTS):
        x = job.drift._noise(number)[None]
        for turn, t in enumerate(scheduler.timesteps):
            with silent(trainee):
                own = trainee.predict(x, t[None], trainee.text_input([prompt]), None)
            if turn in LOOKED_AT and change:
                adapter.merge()
                told.append(trainee.predict(x, t[None], trainee.text_input([prompt]), None))
                adapter.unmerge()
            elif turn in LOOKED_AT:
                told.append(own)
            x = scheduler.step(own, t, x).prev_sample
    return told


def test_it_is_the_mean_square_between_base_and_lora(job):
    with torch.no_grad():
        base, changed = torch.cat(predictions(job, False)), torch.cat(predictions(job, True))
    expected = (base - changed).square().mean().item()
    assert expected > 1e-4
    for batch_size in (1, 3, 8):
        assert job.drift.measure(CPU, batch_size) == pytest.approx(expected, rel=1e-3)


def test_at_strength_0_it_is_exactly_0_and_it_grows_with_the_strength(job):
    adapter, told = job.trainee.adapter, []
    for strength in (0.0, 0.1, 0.5, 1.0):
        adapter.scale = strength
        told.append(job.drift.measure(CPU, 2))
    assert told[0] == 0.0 and told == sorted(told) and len(set(told)) == 4


def test_a_known_change_of_the_last_layer_has_its_closed_form(make_run):
    """A LoRA on the UNet's output convolution that adds a constant c to one of C channels drifts by c² / C."""
    run, settings = make_run(**{"validation.every": 1, "adapter.text_encoder": False})
    job = made(settings, run)
    trainee = job.trainee
    job.drift.measure(CPU, 4)  # the base's answers, with the adapter that does nothing yet
    bias, channels = trainee.unet.conv_out.bias, trainee.unet.conv_out.out_channels
    with torch.no_grad():
        bias[0] += 0.25
    assert job.drift.measure(CPU, 4) == pytest.approx(0.25**2 / channels, rel=1e-4)


def test_it_is_told_beside_the_losses_and_not_where_nothing_is_measured(make_run):
    run, settings = make_run(**{"validation.every": 2, "validation.held_out": 2})
    told = [event for event in training(settings, run) if isinstance(event, Validated)]
    assert [event.step for event in told] == [0, 2, 4]
    assert told[0].drift == pytest.approx(0, abs=1e-9) and 0 < told[1].drift < told[2].drift
    assert all(math.isfinite(event.training) and event.training != event.loss for event in told)
    assert all(event.seconds > 0 for event in told)
    run, settings = make_run(**{"validation.every": 2, "validation.held_out": 0})
    assert all(math.isnan(e.training) for e in training(settings, run) if isinstance(e, Validated))


@pytest.mark.parametrize("family", ["sd2", "sdxl", "sd1 inpainting"])
def test_every_family_has_it(make_run, tmp_path, family):
    base = make_base(tmp_path / "base", family.split()[0], inpainting="inpainting" in family)
    size = {"data.resolution": 64, "data.upscale": True}
    wish = {"model.base": str(base), "validation.every": 1, "adapter.text_encoder": False, **size}
    run, settings = make_run(**wish)
    job = made(settings, run)
    before = job.drift.measure(CPU, 2)
    randomise(job.trainee.adapter, 0.5)
    assert before == pytest.approx(0, abs=1e-9) and job.drift.measure(CPU, 2) > 1e-6


# ---- when


@pytest.mark.parametrize("cost, step, steps", [(1.0, 0.2, 400), (0.05, 0.3, 250), (0.4, 0.01, 2000), (3.0, 1.0, 600)])
def test_its_share_of_the_time_is_never_passed(cost, step, steps):
    """Of any run that is long enough for the first and the last measurement."""
    rhythm = Rhythm()
    rhythm.take(Validated(0, 0.1, 4, seconds=cost))
    at = []
    for number in range(1, steps + 1):
        rhythm.take(StepDone(number, 0.1, 1e-4, step))
        if number < steps and rhythm.due(number):
            rhythm.take(Validated(number, 0.1, 4, seconds=cost))
            at.append(number)
    rhythm.take(Validated(steps, 0.1, 4, seconds=cost))
    assert rhythm.measuring <= ALONG * steps * step
    room = int(ALONG * steps * step / cost) - 2  # what the share has room for, less the first and the last
    assert len(at) >= min(room, (steps - 1) // GRID) - 1 and all(n % GRID == 0 for n in at)


def test_a_number_is_kept_to_and_0_is_never():
    assert [n for n in range(1, 10) if Rhythm(4).due(n)] == [4, 8]
    assert not any(Rhythm(0).due(n) for n in range(1, 10))


def test_a_resumed_run_goes_on_with_what_it_has_spent():
    past = [Validated(0, 0.1, 4, seconds=2.0), *(StepDone(n, 0.1, 1e-4, 1.0) for n in range(1, 50)), Warned("x")]
    rhythm = rhythm_of(None, past)
    assert (rhythm.measuring, rhythm.training, rhythm.latest, rhythm.at) == (2.0, 49.0, 2.0, 0)
    assert not rhythm.due(50)
    rhythm.take(StepDone(50, 0.1, 1e-4, 52.0))
    assert rhythm.due(50)

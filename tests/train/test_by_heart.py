"""Whether images are learnt by heart: drawn as diffusers draws, told with the base as the control, within its time."""

import math

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from said import says
from small_models import randomise
from test_validate import made

from sdlora.data.dataset import seed_for
from sdlora.events import ByHeart, StepDone, Validated, from_line, to_line
from sdlora.runs.heart import heart_words, is_learnt
from sdlora.train import rhythm
from sdlora.train.by_heart import SEEDS, STEPS, Recital, to_recite
from sdlora.train.loop import training
from sdlora.train.rhythm import ALONG, SHARE, Rhythm

CPU = torch.device("cpu")


def recital_of(job):
    return Recital(job.trainee, job.items, job.latents, job.captioning, 5)


@torch.no_grad()
def drawn_by_ddim(pipeline, caption, x):
    """Song et al. 2020, equation 12 with sigma 0, on diffusers' own UNet and text encoder."""
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(STEPS)
    alphas, hidden = scheduler.alphas_cumprod, pipeline.encode_prompt(caption, "cpu", 1, False)[0]
    for t in scheduler.timesteps:
        told = pipeline.unet(x, t, hidden).sample
        before = t - scheduler.config.num_train_timesteps // STEPS
        now, then = alphas[t], alphas[before] if before >= 0 else scheduler.final_alpha_cumprod
        x = then.sqrt() * (x - (1 - now).sqrt() * told) / now.sqrt() + (1 - then).sqrt() * told
    return x[0]


def test_it_draws_as_ddim_has_it_without_guidance(make_run, base_folder):
    """With the base model alone, from the same noise, with the images' own captions."""
    run, settings = make_run(**{"adapter.text_encoder": False, "data.trigger": ""})
    job = made(settings, run)
    randomise(job.trainee.adapter, 0.5)
    _, base = recital_of(job).both(CPU, 2)
    pipeline = StableDiffusionPipeline.from_pretrained(base_folder, safety_checker=None)
    own, spread = [], []
    for number, item in enumerate(to_recite(job.items)):
        image = job.latents.load(item, False)[0] * job.trainee.scaling_factor
        dice = [torch.Generator().manual_seed(seed_for(5, "by_heart", number, turn)) for turn in range(SEEDS)]
        drawn = [drawn_by_ddim(pipeline, item.caption, torch.randn(image.shape, generator=die)[None]) for die in dice]
        own += [(picture - image).pow(2).mean().sqrt().item() for picture in drawn]
        spread.append((drawn[0] - drawn[1]).pow(2).mean().sqrt().item())
    assert base.own == pytest.approx(sum(own) / len(own), rel=1e-3)
    assert base.spread == pytest.approx(sum(spread) / len(spread), rel=1e-3)


def test_the_lora_acts_and_the_base_is_the_control(make_run):
    run, settings = make_run()
    job = made(settings, run)
    recital = recital_of(job)
    ours, base = recital.both(CPU, 2)
    assert ours == base  # nothing is learnt yet
    randomise(job.trainee.adapter, 0.5)
    changed, still = recital.both(CPU, 1)
    assert still.own == pytest.approx(base.own, rel=1e-4) and changed.own != pytest.approx(base.own, rel=1e-3)


def test_three_captions_far_apart_are_drawn():
    assert to_recite(list(range(12))) == [0, 4, 8] and to_recite([7]) == [7]


def test_a_run_looks_once_at_its_end_and_changes_nothing(make_run, monkeypatch):
    def told(room):
        monkeypatch.setattr(rhythm, "SHARE", room)
        run, settings = make_run(**{"validation.every": 2})
        events = list(training(settings, run))
        (found,) = [event for event in events if isinstance(event, ByHeart)]
        return found, [event.loss for event in events if isinstance(event, StepDone)]

    (long, first), (short, second) = told(1e6), told(ALONG)
    assert first == second and long.captions == 3 and long.seconds > 0 and math.isfinite(long.own)
    assert math.isnan(short.own) and says(short.why, "runs.heart_no_time", room="0.0")
    assert from_line(to_line(long, 1.0))[1] == long


def test_where_nothing_is_measured_it_is_not_looked_at(make_run):
    run, settings = make_run(**{"validation.every": 0})
    assert not [event for event in training(settings, run) if isinstance(event, ByHeart)]


def test_the_room_is_what_the_measurements_leave():
    told = Rhythm()
    told.take(StepDone(1, 0.1, 1e-4, 200.0))
    told.take(Validated(1, 0.1, 4, seconds=50.0))
    assert told.room == pytest.approx((SHARE - ALONG) * 200)


@pytest.mark.parametrize(
    "numbers, learnt",
    [((0.2, 1.2, 0.2, 0.7), True), ((0.65, 1.2, 0.6, 0.7), False), ((0.2, 1.2, 0.6, 0.7), False), ((0.1,) * 4, False)],
)
def test_both_must_be_less_than_half(numbers, learnt):
    found = ByHeart(10, 3, *numbers)
    assert is_learnt(found) is learnt
    measured, verdict = heart_words(found)
    assert says(measured, "runs.heart_measured", own=f"{numbers[0]:.2f}", own_base=f"{numbers[1]:.2f}")
    assert says(verdict, "runs.heart_learnt" if learnt else "runs.heart_free")


def test_without_numbers_the_reason_is_said():
    assert is_learnt(ByHeart(10, why="x")) is None and says(heart_words(ByHeart(10, why="x"))[0], "runs.heart_skipped")
    assert heart_words(ByHeart(10)) == []

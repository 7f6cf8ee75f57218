"""Noise, targets, weights and learning rates against diffusers' own."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import SchedulerType, get_scheduler
from diffusers.training_utils import compute_snr
from torch import nn
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from sdlora.adapters.inject import inject
from sdlora.objectives import OBJECTIVES, snr_of
from sdlora.settings import TrainSettings, all_settings
from sdlora.train.noise import Noising, draw_latents, draw_noise, generator_for
from sdlora.train.optimizers.groups import make_optimizer
from sdlora.train.schedules import SCHEDULES, Shape, make_scheduler, put_at, rates_by_step
from sdlora.train.timesteps import DISTRIBUTIONS, Timesteps
from sdlora.train.weightings import WEIGHTINGS


@pytest.fixture
def theirs():
    return DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000)


@pytest.fixture
def drawn():
    g = torch.Generator().manual_seed(3)
    latents, noise = torch.randn(6, 4, 8, 8, generator=g), torch.randn(6, 4, 8, 8, generator=g)
    return latents, noise, torch.tensor([0, 1, 250, 500, 900, 999])


def test_targets_are_those_of_diffusers(theirs, drawn):
    latents, noise, t = drawn
    a = theirs.alphas_cumprod[t]
    assert torch.equal(OBJECTIVES["epsilon"].target(latents, noise, a), noise)
    torch.testing.assert_close(OBJECTIVES["v_prediction"].target(latents, noise, a), theirs.get_velocity(*drawn))
    for objective in OBJECTIVES.values():
        torch.testing.assert_close(objective.noisy(latents, noise, a), theirs.add_noise(*drawn))


def test_zero_terminal_snr_leaves_noise_alone(drawn):
    """Lin et al. 2024: at the last timestep x_t is the noise, and v is -x0."""
    latents, noise, _ = drawn
    objective, nothing = OBJECTIVES["v_prediction"], torch.zeros(len(latents))
    assert torch.equal(objective.noisy(latents, noise, nothing), noise)
    assert torch.equal(objective.target(latents, noise, nothing), -latents)
    assert torch.equal(objective.weight(nothing, 5.0), nothing)


def test_weights_are_min_snr(theirs, drawn):
    _, _, t = drawn
    snr = compute_snr(theirs, t)
    a = theirs.alphas_cumprod[t]
    torch.testing.assert_close(snr_of(a), snr)
    lesser = torch.minimum(snr, torch.full_like(snr, 5.0))
    torch.testing.assert_close(OBJECTIVES["epsilon"].weight(a, 5.0), lesser / snr)
    torch.testing.assert_close(OBJECTIVES["v_prediction"].weight(a, 5.0), lesser / (snr + 1))


def test_debiased_estimation_is_kohyas(theirs, drawn):
    """sd-scripts: 1 / sqrt(SNR) for epsilon, as Yu et al. 2023 have it; 1 / (SNR + 1) for v; SNR of at most 1000."""
    _, _, t = drawn
    a = theirs.alphas_cumprod[t]
    snr = compute_snr(theirs, t).numpy().astype(np.float64)
    assert snr[0] > 1000
    bounded = np.minimum(snr, 1000)
    weigh = WEIGHTINGS["debiased"].weigh(None)
    assert weigh(OBJECTIVES["epsilon"], a).tolist() == pytest.approx((bounded**-0.5).tolist(), rel=1e-5)
    assert weigh(OBJECTIVES["v_prediction"], a).tolist() == pytest.approx((1 / (bounded + 1)).tolist(), rel=1e-5)
    assert weigh(OBJECTIVES["v_prediction"], torch.zeros(1)).item() == 1


def test_p2_weighs_as_its_paper_does(theirs, drawn):
    """Choi et al. 2022, eq. 8: 1 / (k + SNR)^gamma on the simple loss, k = 1."""
    _, _, t = drawn
    snr = compute_snr(theirs, t)
    weigh = WEIGHTINGS["p2"].weigh(TrainSettings(p2_gamma=0.5))
    expected = [1 / (1 + value) ** 0.5 for value in snr.tolist()]
    for objective in OBJECTIVES.values():
        assert weigh(objective, theirs.alphas_cumprod[t]).tolist() == pytest.approx(expected, rel=1e-5)
    assert WEIGHTINGS["p2"].weigh(TrainSettings(p2_gamma=0)) is None


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weights_are_finite_at_every_timestep(theirs, name):
    settings = TrainSettings(weighting=name, min_snr_gamma=5)
    for objective in OBJECTIVES.values():
        weights = WEIGHTINGS[name].weigh(settings)(objective, theirs.alphas_cumprod)
        assert weights.shape == (1000,) and weights.isfinite().all() and (weights > 0).all()


def test_dice_depend_on_seed_step_and_slot_alone():
    draws = {
        (seed, step, slot): torch.randn(4, generator=generator_for(seed, step, slot))
        for seed in (0, 1)
        for step in (1, 2)
        for slot in (0, 1)
    }
    values = [tuple(v.tolist()) for v in draws.values()]
    assert len(set(values)) == 8
    assert torch.equal(draws[0, 1, 0], torch.randn(4, generator=generator_for(0, 1, 0)))


def test_noise_and_latents_have_the_stated_statistics():
    g = torch.Generator().manual_seed(0)
    plain = draw_noise(torch.Size((4, 256, 256)), Noising(), g)
    assert abs(plain.mean()) < 0.01 and abs(plain.std() - 1) < 0.01
    many = torch.stack([draw_noise(torch.Size((4, 16, 16)), Noising(0.5), g) for _ in range(400)])
    assert abs(many.mean((2, 3)).std() - (0.5**2 + 1 / 256) ** 0.5) < 0.03
    mean, std = torch.full((4, 64, 64), 3.0), torch.full((4, 64, 64), 0.5)
    sample = draw_latents(mean, std, g)
    assert abs(sample.mean() - 3) < 0.02 and abs(sample.std() - 0.5) < 0.02
    t = torch.stack([Timesteps().draw(10, g) for _ in range(2000)])
    assert t.min() == 0 and t.max() == 9 and abs(t.float().mean() - 4.5) < 0.3


@pytest.mark.parametrize("size", [(64, 48), (3, 9)])
def test_pyramid_noise_is_kohyas(size):
    """sd-scripts' sum, with the same dice: nn.Upsample's bilinear levels, until one is a pixel high or wide."""
    ours = draw_noise(torch.Size((4, *size)), Noising(pyramid=6, discount=0.4), torch.Generator().manual_seed(5))
    g = torch.Generator().manual_seed(5)
    theirs = torch.randn((1, 4, *size), generator=g)
    for i in range(6):
        r = torch.rand((), generator=g).item() * 2 + 2
        small = [max(1, int(side / r**i)) for side in size]
        theirs = theirs + nn.Upsample(size=size, mode="bilinear")(torch.randn((1, 4, *small), generator=g)) * 0.4**i
        if 1 in small:
            break
    torch.testing.assert_close(ours, theirs[0] / theirs.std())
    assert ours.std().item() == pytest.approx(1, rel=1e-5)


def _density(name: str, t: np.ndarray) -> np.ndarray:
    """Esser et al. 2024: pi_ln(t; 0, 1) of eq. 19 and pi_CosMap(t) of eq. 21, as densities of t."""
    if name == "logit_normal":
        return np.exp(-(np.log(t / (1 - t)) ** 2) / 2) / (np.sqrt(2 * np.pi) * t * (1 - t))
    if name == "cosmap":
        return 2 / (np.pi - 2 * np.pi * t + 2 * np.pi * t**2)
    return np.ones_like(t)


@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if name != "mode"])
def test_timesteps_are_distributed_as_their_paper_says(name):
    """Counts in tenths of 100..899 against the integral of the density, four standard deviations of a count."""
    how, g = Timesteps(name, first=100, end=900), torch.Generator().manual_seed(1)
    drawn = np.array([how.draw(1000, g).item() for _ in range(5000)])
    assert drawn.min() >= 100 and drawn.max() < 900 and how.draw(1000, g).dtype == torch.int64
    shares = ((np.arange(4000) + 0.5) / 4000).reshape(10, 400)
    expected = _density(name, shares).mean(1) / 10
    found = np.histogram(drawn, 10, (100, 900))[0] / 5000
    assert np.abs(found - expected).max() < 4 * np.sqrt(0.25 * 0.6 / 5000)


def test_heavy_tails_are_those_of_esser():
    """Esser et al. 2024, eq. 20: f(u) = 1 - u - s (cos^2(pi u / 2) - 1 + u), s = 1.29; 0 to 1, 1 to 0, 1/2 to 1/2."""
    u = torch.linspace(0, 1, 9, dtype=torch.float64)
    made = DISTRIBUTIONS["mode"].share(u, 0.0, 1.0)
    paper = [1 - x - 1.29 * (math.cos(math.pi * x / 2) ** 2 - 1 + x) for x in u.tolist()]
    assert made.tolist() == pytest.approx(paper) and made[[0, 4, 8]].tolist() == pytest.approx([1, 0.5, 0])


def test_draws_stay_inside_whatever_the_dice_say():
    for name in DISTRIBUTIONS:
        share = DISTRIBUTIONS[name].share or (lambda u, *_: u)
        ends = share(torch.tensor([0.0, 2**-53, 1 - 2**-53], dtype=torch.float64), 0.0, 3.0)
        assert ((ends >= 0) & (ends <= 1)).all(), name
    g = torch.Generator().manual_seed(0)
    assert Timesteps(first=999, end=1000).draw(10, g).item() == 9  # a schedule that is shorter


def test_restarts_begin_anew_at_the_full_rate():
    """SGDR (Loshchilov & Hutter 2017), eq. 5 with equal periods, no lowest rate and no warm-up."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make_scheduler(optimizer, "cosine_with_restarts", 12, Shape(cycles=3))
    rates = []
    for _ in range(12):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([0.5 * (1 + math.cos(math.pi * (step % 4) / 4)) for step in range(12)])


def test_rex_is_the_papers_after_the_warm_up():
    """Chen et al. 2021, eq. 3: (1 - z) / (1/2 + (1 - z) / 2), z from 0 to 1."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    rates = []
    for done in range(13):
        make_scheduler(optimizer, "rex", 12, Shape(2), done)
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[0]["initial_lr"] = 2.0
    falling = [2 * (1 - z / 10) / (1 / 2 + (1 - z / 10) / 2) for z in range(11)]
    assert rates == pytest.approx([0.0, 1.0, *falling])


def test_every_schedule_of_diffusers_is_there():
    assert {kind.value for kind in SchedulerType} == {name for name, entry in SCHEDULES.items() if not entry.factor}


def test_the_lowest_rate_is_that_of_transformers():
    """get_cosine_with_min_lr_schedule_with_warmup; the warm-up begins at 0 all the same, and it is never undercut."""
    theirs = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    stepped = get_cosine_with_min_lr_schedule_with_warmup(theirs, 3, 20, min_lr_rate=0.2)
    for done in range(21):
        ours = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        make_scheduler(ours, "cosine", 20, Shape(3, floor=0.2), done)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
        theirs.step()
        stepped.step()
    for name in SCHEDULES:
        ours = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        rates = []
        for done in range(3, 25):
            put_at(make_scheduler(ours, name, 20, Shape(3, floor=0.2)), done)
            rates.append(ours.param_groups[0]["lr"])
            ours.param_groups[0]["lr"] = ours.param_groups[0]["initial_lr"] = 1.0
        assert min(rates) >= 0.2 - 1e-9, name


@pytest.mark.parametrize("rules", ["", "x", "1:5", "1:5,", "1:9,0.5:5,1", "1:0,1", "nan", "-1", "1:5,inf", "1:5:6,1"])
def test_rules_that_can_not_be_followed(rules):
    with pytest.raises(ValueError):
        rates_by_step(rules)
    assert rates_by_step("1:5, 0.5:9,0.1") == [(5, 1.0), (9, 0.5), (-1, 0.1)]


@pytest.mark.parametrize("kind", [name for name, schedule in SCHEDULES.items() if schedule.factor is None])
def test_a_resumed_rate_is_the_one_reached_step_by_step(kind):
    def fresh():
        model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
        adapter = inject({"unet": model["a"], "text_encoder": model["b"]}, targets=["*"], rank=2, alpha=2)
        return make_optimizer(adapter, {"unet": 1e-2, "text_encoder": 1e-3}, 0.0)

    theirs = fresh()
    stepped = get_scheduler(
        kind, theirs, num_warmup_steps=3, num_training_steps=20, power=2.5, step_rules="1:5,0.5:9,0.1"
    )
    for done in range(15):
        ours = fresh()
        scheduler = make_scheduler(ours, kind, 20, Shape(3, power=2.5, rules="1:5,0.5:9,0.1"), done)
        assert [g["lr"] for g in ours.param_groups] == [g["lr"] for g in theirs.param_groups]
        theirs.step()
        stepped.step()
        ours.step()
        scheduler.step()
        assert [g["lr"] for g in ours.param_groups] == [g["lr"] for g in theirs.param_groups]


def test_every_prediction_that_a_model_may_make_has_its_objective():
    choices = next(info.choices for info in all_settings() if info.key == "model.prediction")
    assert choices == ("auto", *OBJECTIVES)

"""Test pictures are those of diffusers' own pipeline, and a LoRA at strength 0 is not there at all."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from sdlora.adapters.inject import inject
from sdlora.adapters.targets import target_patterns
from sdlora.families.base import inspect_base
from sdlora.families.shared.load import load_text_encoders, load_unet
from sdlora.pictures.grid import grid, save_png
from sdlora.pictures.pipeline import Look, draw, make_sampler

LOOK = Look(("red apple", "a bus, blue"), "grey", size=32, steps=3, guidance=4.0, seed=11)


def pictures(folder, unet, text_encoders=None, look=LOOK):
    return [np.asarray(i) for i in draw(inspect_base(str(folder)), look, unet, text_encoders)]


@pytest.fixture
def unet(base_folder):
    return load_unet(inspect_base(str(base_folder)))


def test_they_are_those_of_the_stock_pipeline(base_folder, unet):
    stock = StableDiffusionPipeline.from_pretrained(base_folder, dtype=torch.float32)
    stock.set_progress_bar_config(disable=True)
    for number, ours in enumerate(pictures(base_folder, unet)):
        theirs = stock(
            LOOK.prompts[number], negative_prompt=LOOK.negative, width=32, height=32, num_inference_steps=3,
            guidance_scale=4.0, generator=torch.Generator().manual_seed(11 + number),
        ).images[0]  # fmt: skip
        assert np.abs(ours.astype(int) - np.asarray(theirs)).max() <= 1


def schedule(base_folder):
    """sigma by timestep of SD's scaled-linear betas, in float64: sqrt((1 - a) / a)."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    alpha_bar = np.cumprod(1 - betas)
    return np.sqrt((1 - alpha_bar) / alpha_bar)


def test_euler_steps_are_k_diffusions(base_folder):
    """Evenly spaced timesteps from the last to the first, log-linear in sigma between them, then zero."""
    sampler = make_sampler(inspect_base(str(base_folder)), "euler")
    sampler.set_timesteps(7)
    t = np.linspace(999, 0, 7)
    expected = np.interp(t, np.arange(1000), schedule(base_folder))
    np.testing.assert_allclose(sampler.sigmas[:-1].numpy(), expected, rtol=1e-2)
    assert sampler.sigmas[-1] == 0 and float(sampler.sigmas[0]) == pytest.approx(14.6146, rel=1e-4)


def test_dpm_steps_are_karras(base_folder):
    """Karras et al. 2022, eq. 5, with rho 7, between the schedule's largest and smallest sigma."""
    sampler = make_sampler(inspect_base(str(base_folder)), "dpm++ 2m")
    sampler.set_timesteps(7)
    sigmas, ramp = schedule(base_folder), np.linspace(0, 1, 7)
    low, high = sigmas[0] ** (1 / 7), sigmas[-1] ** (1 / 7)
    np.testing.assert_allclose(sampler.sigmas[:-1].numpy(), (high + ramp * (low - high)) ** 7, rtol=2e-2)


@pytest.mark.parametrize("sampler", ["ddim", "euler", "dpm++ 2m"])
def test_every_sampler_draws_for_zero_snr_models(base_folder, unet, sampler):
    base = replace(inspect_base(str(base_folder)), prediction="v_prediction", zero_snr=True)
    look = Look(("red apple",), size=32, steps=4, guidance=3.0, sampler=sampler)
    (picture,) = draw(base, look, unet)
    assert np.asarray(picture).std() > 1
    assert float(make_sampler(base, sampler).alphas_cumprod[-1]) < 1e-6


def test_strength_zero_is_the_base_bit_for_bit(base_folder, unet):
    encoders = load_text_encoders(inspect_base(str(base_folder)))
    before = pictures(base_folder, unet, encoders)
    adapter = inject({"unet": unet, **encoders}, target_patterns("full", True), rank=4, alpha=4)
    for layer in adapter.layers.values():
        torch.nn.init.normal_(layer.up.weight)
    assert any((a != b).any() for a, b in zip(before, pictures(base_folder, unet, encoders), strict=True))
    adapter.scale = 0.0
    assert all((a == b).all() for a, b in zip(before, pictures(base_folder, unet, encoders), strict=True))


def test_a_prompt_more_changes_no_other_picture(base_folder, unet):
    few = pictures(base_folder, unet)
    more = pictures(base_folder, unet, look=Look((*LOOK.prompts, "cat"), "grey", 32, 3, 4.0, 11))
    assert all((a == b).all() for a, b in zip(few, more, strict=False)) and len(more) == 3


def test_grids_hold_every_picture_unchanged(tmp_path):
    images = [Image.new("RGB", (20, 10), color) for color in ("red", "green", "blue")]
    sheet = grid([("0", images), ("1", images[::-1])], ["one", "a very long title that wraps", "three"])
    save_png(sheet, tmp_path / "grid.png")
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))
    assert (pixels[-5, 95] == (0, 0, 255)).all() and (pixels[-15, 95] == (255, 0, 0)).all()
    assert (pixels[-5, -5] == (255, 0, 0)).all()

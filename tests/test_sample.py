"""Test pictures are those of diffusers' own pipeline, and a LoRA at strength 0 is not there at all."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from sdlora.lora.inject import inject
from sdlora.lora.targets import target_patterns
from sdlora.models.families import inspect_base
from sdlora.models.load import load_text_encoders, load_unet
from sdlora.sample import Look, draw, grid, save_png

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

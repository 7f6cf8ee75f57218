"""Out of memory between steps: what training can do without is done with less, or left out with a sentence."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from driving import drive

from sdlora.check import scan_for
from sdlora.events import Sampled, StepDone, Validated, Warned
from sdlora.families.base import inspect_base
from sdlora.families.shared.load import load_unet
from sdlora.messages import say
from sdlora.pictures import sparing
from sdlora.pictures.pipeline import Look, draw
from sdlora.pictures.sparing import TILE, row_by_row, tiled
from sdlora.runs.memory import Memory, recorded_memory
from sdlora.train import between, caching, loop
from sdlora.train.validate import Validation

FULL = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def told(events):
    return [str(event.text) for event in events if isinstance(event, Warned)]


@pytest.fixture
def quick(make_run, monkeypatch):
    monkeypatch.setattr(loop, "try_export", lambda job: None)
    wish = {"train.steps": 2, "adapter.targets": "cross-attn", "adapter.text_encoder": False}
    return lambda **overrides: make_run(**wish | overrides)


@pytest.mark.parametrize(("sparingly", "sentences"), [
    (True, [say("training.memory_sparing")]),
    (False, [say("training.memory_sparing"),
             *(say("training.memory_left_out", step=n, what=say("training.of_pictures")) for n in (0, 2))]),
])  # fmt: skip
def test_test_pictures_are_drawn_with_less_or_left_out(quick, monkeypatch, sparingly, sentences):
    real = between.draw

    def full(*args):
        if not (args[-1] and sparingly):
            raise FULL
        return real(*args)

    monkeypatch.setattr(between, "draw", full)
    run, settings = quick()
    events = drive(run, settings)
    assert told(events) == [str(sentence) for sentence in sentences]
    assert [e.step for e in events if isinstance(e, Sampled)] == [0, 2] * sparingly
    assert [e.step for e in events if isinstance(e, StepDone)] == [1, 2] and (run.folder / "test.safetensors").is_file()
    assert recorded_memory(run.folder) == Memory(sparing=True)
    if sparingly:  # a run that goes on draws so at once, and without a word
        drawn, settings = [], run.settings()
        monkeypatch.setattr(between, "draw", lambda *args: drawn.append(args[-1]) or real(*args))
        assert told(drive(run, settings)) == [] and drawn == [True]


@pytest.mark.parametrize("least", [1, 0])
def test_validation_is_measured_one_by_one_or_left_out(quick, monkeypatch, least):
    real, sizes = Validation.loss, []

    def full(validation, device, batch_size):
        sizes.append(batch_size)
        if batch_size > least:
            raise FULL
        return real(validation, device, batch_size)

    monkeypatch.setattr(Validation, "loss", full)
    run, settings = quick(**{"validation.every": 2})
    settings.sample.prompts = []
    events = drive(run, settings)
    left_out = [str(say("training.memory_left_out", step=n, what=say("training.of_validation"))) for n in (0, 2)]
    assert told(events) == left_out * (1 - least) and sizes == [2, 1] * 2
    assert [e.step for e in events if isinstance(e, Validated)] == [0, 2] * least


def test_the_look_at_the_prediction_is_left_out(quick, monkeypatch):
    monkeypatch.setattr(between, "prediction_note", lambda *_: (_ for _ in ()).throw(FULL))
    run, settings = quick(**{"train.steps": 1})
    settings.sample.prompts = []
    assert told(drive(run, settings)) == [
        str(say("training.memory_left_out", step=0, what=say("training.of_prediction")))
    ]


def test_images_are_encoded_by_the_cpu_where_the_gpu_is_full(quick, monkeypatch):
    """Meta tensors are the GPU's: what a CPU without one can move to. The latents are those of the CPU."""
    run, settings = quick(**{"train.steps": 1})
    base = inspect_base(settings.model.base)
    real, places = caching.load_vae(base), []

    class Vae:
        def to(self, place):
            places.append(str(place))
            return self

        def encode(self, pixels):
            if pixels.device.type == "meta":
                raise FULL
            return real.encode(pixels)

    monkeypatch.setattr(caching, "load_vae", lambda *_: Vae())
    items = scan_for(settings, base).items
    here, there = (caching.cache_latents(list(items), base, run.folder / n, False, d) for n, d in
                   (("a", "cpu"), ("b", "meta")))  # fmt: skip
    *_, plain = here
    *events, moved = there
    assert told(events) == [str(say("training.memory_vae_on_cpu"))] and places == ["cpu", "meta", "cpu"]
    for item in items:
        assert all(torch.equal(a, b) for a, b in zip(plain.load(item, False), moved.load(item, False), strict=True))


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_row_by_row_the_unet_gives_what_it_gives_for_all(bases, family):
    unet = load_unet(inspect_base(str(bases(family))))
    dice = torch.Generator().manual_seed(0)
    x, text = (
        torch.randn(shape, generator=dice) for shape in ((2, 4, 16, 16), (2, 77, unet.config.cross_attention_dim))
    )
    added = {"text_embeds": torch.randn(2, 32, generator=dice), "time_ids": torch.ones(2, 6)}
    options = {"added_cond_kwargs": added} if family == "sdxl" else {}
    seen = []
    unet.conv_in.register_forward_hook(lambda _, args, out: seen.append(len(out)))
    with torch.no_grad():
        (whole,) = unet(x, torch.tensor(5), encoder_hidden_states=text, return_dict=False, **options)
        with row_by_row(unet):
            (rows,) = unet(x, torch.tensor(5), encoder_hidden_states=text, return_dict=False, **options)
            named = unet(x, torch.tensor([5, 5]), text, **options).sample
    assert torch.allclose(rows, whole, atol=1e-4) and torch.equal(rows, named)
    assert seen == [2, 1, 1, 1, 1] and "forward" not in vars(unet)


def test_a_picture_drawn_sparingly_is_decoded_in_tiles(bases, monkeypatch):
    monkeypatch.setattr(sparing, "TILE", 4)
    base = inspect_base(str(bases("sd1")))
    look, unet = Look(("red apple",), size=64, steps=1), load_unet(base)
    plain, less = (np.asarray(next(draw(base, look, unet, sparing=way)), float) for way in (False, True))
    assert plain.shape == less.shape and 0 < np.abs(plain - less).mean() < 30
    monkeypatch.undo()
    vae = tiled(SimpleNamespace(enable_tiling=lambda: None, config=SimpleNamespace(block_out_channels=[1] * 4)))
    assert (vae.tile_latent_min_size, vae.tile_sample_min_size) == (TILE, 8 * TILE)

"""A damaged cache costs a note and some time: never the run, and never another LoRA."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sdlora.events import StepDone, Warned
from sdlora.messages import say
from sdlora.train.loop import training

pytestmark = pytest.mark.slow


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-7] ^= 4
    file.write_bytes(data)


def trained(made, after_step=lambda: None):
    """(weights of the last checkpoint, notes)."""
    run, settings = made
    notes = []
    for event in training(settings, run):
        notes += [event.text] if isinstance(event, Warned) else []
        if isinstance(event, StepDone) and event.step == 2:
            after_step()
    return load_file(run.checkpoints()[-1][1] / "lora.safetensors"), notes


@pytest.mark.parametrize("text_encoder", [False, True])
def test_damage_between_two_runs_is_noted_and_mended(make_run, images, text_encoder):
    wish = {"adapter.text_encoder": text_encoder}
    good, notes = trained(make_run(**wish))
    files = sorted((images / ".sdlora_cache").glob("*/*.safetensors"))
    assert notes == [] and {file.parent.name for file in files} == (
        {"latents"} if text_encoder else {"latents", "text"}
    )
    for file in files:
        flip_a_bit(file)
    again, notes = trained(make_run(**wish))
    told = [say("training.latents_damaged", captions="p0.png, p1.png, p2.png and 2 more")]
    told += [] if text_encoder else [say("training.texts_damaged", count=6)]
    assert notes == told and all(torch.equal(again[name], good[name]) for name in good)
    assert trained(make_run(**wish))[1] == []


@pytest.mark.parametrize("how", ["damaged", "gone"])
def test_damage_while_it_trains_is_noted_and_mended(make_run, images, how):
    wish = {"adapter.text_encoder": False, "train.steps": 6, "validation.every": 3}
    good, _ = trained(make_run(**wish))
    cache = images / ".sdlora_cache"

    def damage():
        if how == "gone":
            shutil.rmtree(cache)
        for file in cache.glob("*/*.safetensors"):
            flip_a_bit(file)

    again, notes = trained(make_run(**wish), damage)
    assert all(torch.equal(again[name], good[name]) for name in good)
    assert any("cached latents of p" in text and "made again" in text for text in notes)
    assert any("cached text of" in text and "made again" in text for text in notes)

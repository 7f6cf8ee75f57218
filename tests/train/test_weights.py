"""The base's weights in the run's precision, beside the cache: made once, mapped, checked, told, never needed."""

import hashlib
import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from base_models import write_single_file
from safetensors.torch import load_file, save_file

from sdlora.check import disk
from sdlora.events import Progress, StepDone, Warned
from sdlora.families.base import inspect_base
from sdlora.families.shared import copies
from sdlora.families.shared.load import load_unet
from sdlora.messages import say
from sdlora.settings import make_settings
from sdlora.train import weights
from sdlora.train.loop import training
from sdlora.train.weights import copied, copy_weights, load_denoiser

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def small_ones_too(monkeypatch):
    monkeypatch.setattr(copies, "LEAST", 1)


@pytest.fixture
def half(bases, tmp_path):
    """A single file in fp16 and the cache beside it."""
    file = write_single_file(bases("sd1"), "sd1", tmp_path / "half.safetensors", dtype=torch.float16)
    return inspect_base(str(file)), tmp_path / "cache"


def made(base, cache, dtype=torch.bfloat16):
    return [e.text for e in copy_weights(base, dtype, cache) if isinstance(e, Warned)]


def test_a_copy_holds_what_casting_gives_and_is_mapped(half):
    base, cache = half
    told = made(base, cache)
    path = copied(base, torch.bfloat16, cache)
    size = weights.shown_bytes(path.stat().st_size)
    assert told == [say("training.weights_copied", precision="bf16", stored="fp16", size=size, path=path)]
    cast, mapped = load_unet(base, torch.bfloat16), load_unet(base, torch.bfloat16, mapped=True, copy=path)
    assert all(torch.equal(one, two) for one, two in zip(cast.parameters(), mapped.parameters(), strict=True))
    starts = sorted(p.data_ptr() for p in mapped.parameters())
    assert starts[-1] - starts[0] < path.stat().st_size  # all in one piece of memory: the file's
    assert path.stat().st_size == pytest.approx(copies.copy_bytes(base, "bf16"), rel=0.2)  # small: much header
    assert made(base, cache) == []  # said once


def test_nothing_is_copied_where_the_file_fits_or_the_model_is_small(half, monkeypatch):
    base, cache = half
    assert made(base, cache, torch.float16) == [] and copied(base, torch.float16, cache) is None
    monkeypatch.setattr(copies, "LEAST", copies.parameters_of_denoiser(base) + 1)
    assert made(base, cache) == [] and not cache.exists()


@pytest.mark.parametrize("harm", ["cut", "changed", "note lost", "note torn"])
def test_a_damaged_copy_is_made_again(half, harm):
    base, cache = half
    made(base, cache)
    path = copied(base, torch.bfloat16, cache)
    before, data = hashlib.sha256(path.read_bytes()).digest(), path.read_bytes()
    note = path.with_suffix(".json")
    if harm == "cut":
        path.write_bytes(data[:-1])
    elif harm == "changed":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        os.utime(path, ns=(1, 1))
    elif harm == "note lost":
        note.unlink()
    else:
        note.write_text(json.dumps(json.loads(note.read_text()) | {"size": 1}))
    assert copied(base, torch.bfloat16, cache) is None
    assert len(made(base, cache)) == 1
    assert hashlib.sha256(copied(base, torch.bfloat16, cache).read_bytes()).digest() == before


def test_a_copy_whose_time_changed_is_compared_and_kept(half):
    base, cache = half
    made(base, cache)
    path = copied(base, torch.bfloat16, cache)
    os.utime(path, ns=(1, 1))
    assert copied(base, torch.bfloat16, cache) == path and made(base, cache) == []


def test_another_file_of_that_name_takes_the_copys_place(half):
    base, cache = half
    made(base, cache)
    old = copied(base, torch.bfloat16, cache)
    left = old.with_name(".x.1.tmp")
    left.touch()
    os.utime(left, (1, 1))
    (old.parent / ".y.2.tmp").touch()  # somebody's who writes now
    save_file({name: tensor + 1 for name, tensor in load_file(base.source).items()}, base.source)
    base = inspect_base(str(base.source))
    assert copied(base, torch.bfloat16, cache) is None and len(made(base, cache)) == 1
    new = copied(base, torch.bfloat16, cache)
    assert new != old and sorted(new.parent.iterdir()) == sorted(
        [new, new.with_suffix(".json"), left.parent / ".y.2.tmp"]
    )


def test_a_second_process_and_a_person_do_no_harm_to_a_mapped_copy(half):
    """One that began before the first was done takes its place; somebody deletes it. Whoever mapped it goes on."""
    base, cache = half
    made(base, cache)
    path = copied(base, torch.bfloat16, cache)
    mapped = load_unet(base, torch.bfloat16, mapped=True, copy=path)
    before = [p.clone() for p in mapped.parameters()]
    weights._write_note(path, weights._write(base, torch.bfloat16, path))
    assert copied(base, torch.bfloat16, cache) == path
    shutil.rmtree(cache)
    assert all(torch.equal(one, two) for one, two in zip(before, mapped.parameters(), strict=True))
    assert copied(base, torch.bfloat16, cache) is None and len(made(base, cache)) == 1


def loaded(loading):
    """(the denoiser, what was told)"""
    told = []
    while True:
        try:
            told.append(next(loading).text)
        except StopIteration as done:
            return done.value, told


@pytest.mark.parametrize("harm", ["deleted", "emptied", "other tensors"])
def test_a_copy_lost_between_check_and_load_is_told_and_the_base_is_read(half, monkeypatch, harm):
    base, cache = half
    made(base, cache)
    path, check = copied(base, torch.bfloat16, cache), weights.copied

    def then_harmed(*args):
        found = check(*args)
        if harm == "deleted":
            found.unlink()
        elif harm == "emptied":
            found.write_bytes(b"")
        else:
            save_file({"conv_in.bias": torch.zeros(3)}, found)
        return found

    monkeypatch.setattr(weights, "copied", then_harmed)
    unet, told = loaded(load_denoiser(base, torch.bfloat16, cache))
    assert told == [say("training.weights_copy_lost", precision="bf16", path=path)]
    cast = load_unet(base, torch.bfloat16)
    assert all(torch.equal(one, two) for one, two in zip(cast.parameters(), unet.parameters(), strict=True))
    monkeypatch.undo()
    monkeypatch.setattr(copies, "LEAST", 1)
    assert len(made(base, cache)) == 1
    assert loaded(load_denoiser(base, torch.bfloat16, cache))[1] == []
    assert loaded(load_denoiser(base, torch.bfloat16, None))[1] == []


def test_no_room_and_no_permission_are_told_and_no_hindrance(half, monkeypatch):
    base, cache = half
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, copies.SPARE))
    size, free = weights.shown_bytes(copies.copy_bytes(base, "bf16")), weights.shown_bytes(copies.SPARE)
    told = {"precision": "bf16", "size": size, "free": free, "path": cache / "weights"}
    assert made(base, cache) == [say("training.weights_no_room", **told)]
    monkeypatch.undo()
    monkeypatch.setattr(copies, "LEAST", 1)
    shutil.rmtree(cache)
    cache.write_text("a file")
    (words,) = made(base, cache)
    assert words.startswith(say("training.weights_not_copied", precision="bf16", reason=""))
    assert copied(base, torch.bfloat16, cache) is None


@pytest.mark.slow
def test_a_run_with_a_copy_is_bit_for_bit_one_without(make_run, monkeypatch):
    """The small base's files are fp32."""
    losses = {}
    for least in (1, 10**12):
        monkeypatch.setattr(copies, "LEAST", least)
        run, settings = make_run(**{"train.precision": "bf16", "train.steps": 2, "adapter.text_encoder": False})
        settings.sample.prompts = []
        events = list(training(settings, run))
        losses[least] = [e.loss for e in events if isinstance(e, StepDone)]
        assert len(list(Path(settings.data.cache).glob("weights/*.safetensors"))) == (least == 1)
        told = [e.what if isinstance(e, Progress) else type(e) for e in events]
        assert told.count("export") == 2  # the trial, and the end
        assert told.index(StepDone) < told.index("export")  # nobody waits for the trial before there is a step
        shutil.rmtree(settings.data.cache)
    assert len(losses[1]) == 2 and losses[1] == losses[10**12]


def test_the_copy_is_counted_where_it_will_be_made(half, monkeypatch):
    base, cache = half
    wish = {"data": {"folder": str(cache), "cache": str(cache)}, "train": {"device": "cpu", "precision": "bf16"}}
    settings = make_settings(wish)
    size = copies.copy_bytes(base, "bf16")
    assert disk._weight_bytes(settings, base) == size
    settings.train.precision = "auto"  # the larger of what may be chosen
    assert disk._weight_bytes(settings, base) == 2 * size
    settings.train.precision = "fp16"
    assert disk._weight_bytes(settings, base) == 0  # the file's own
    settings.train.precision, settings.train.device = "bf16", "cuda"
    assert disk._weight_bytes(settings, base) == 0
    settings.train.device = "cpu"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, copies.SPARE))
    assert disk._weight_bytes(settings, base) == 0  # none is made
    monkeypatch.undo()
    monkeypatch.setattr(copies, "LEAST", 1)
    made(base, cache)
    assert disk._weight_bytes(settings, base) == 0  # it is there

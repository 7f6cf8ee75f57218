"""What is held in memory when: one network at a time, and weights that stay in their file."""

import gc
import hashlib
import weakref

import pytest
import torch
from base_models import write_single_file

from sdlora.adapters.inject import inject
from sdlora.families.base import inspect_base
from sdlora.families.shared.header import read_header
from sdlora.families.shared.load import load_unet
from sdlora.train import caching, prepare
from sdlora.train.loop import training


def beginnings(base, unet, kind=0):
    """Where the file would have to begin in memory for each weight to lie at its place in it: one, if it is mapped."""
    places = read_header(base.files("unet")[0]).places
    return {weight.data_ptr() - places[name][0] for name, weight in unet.named_parameters() if weight.dim() >= kind}


@pytest.fixture
def halves(bases, tmp_path):
    """A single file in fp16."""
    return write_single_file(bases("sd1"), "sd1", tmp_path / "half.safetensors", dtype=torch.float16)


def test_weights_of_the_files_dtype_stay_in_the_file(base_folder):
    base = inspect_base(str(base_folder))
    mapped, copied = load_unet(base, torch.float32, mapped=True), load_unet(base, torch.float32)
    assert len(beginnings(base, mapped)) == 1 and len(beginnings(base, copied)) > 10
    assert all(torch.equal(one, other) for one, other in zip(mapped.parameters(), copied.parameters(), strict=True))
    assert len(beginnings(base, load_unet(base, torch.float16, mapped=True))) > 10


def test_a_mapped_file_is_never_changed(halves):
    before = hashlib.sha256(halves.read_bytes()).digest()
    unet = load_unet(inspect_base(str(halves)), torch.float16, mapped=True)
    adapter = inject({"unet": unet}, rank=2, alpha=2.0)
    with torch.no_grad():
        for name, tensor in adapter.tensors().items():
            tensor.fill_(0.5 if name.endswith("up") else 0.25)
        adapter.merge()
        unet.conv_in.weight.zero_()
    del unet, adapter
    assert hashlib.sha256(halves.read_bytes()).digest() == before


@pytest.mark.slow
def test_vae_and_text_encoders_are_gone_before_the_unet_comes(make_run, monkeypatch):
    """Without waiting for Python's collector of circles, which comes when it likes."""
    loaded, alive = [], []

    def watch(name, parts):
        original = getattr(caching, name)

        def load(*args):
            made = original(*args)
            loaded.extend(weakref.ref(part) for part in parts(made))
            return made

        monkeypatch.setattr(caching, name, load)

    watch("load_vae", lambda vae: [vae])
    watch("load_text_encoders", lambda encoders: encoders.values())
    original = prepare.load_trainee

    def load_trainee(*args):
        alive.extend(ref() for ref in loaded)
        trainee = original(*args)
        # An fp32 file and an fp32 run; attention's q, k and v lie side by side elsewhere.
        assert len(beginnings(trainee.base, trainee.unet, kind=4)) == 1 and not trainee.text_encoders
        return trainee

    monkeypatch.setattr(prepare, "load_trainee", load_trainee)
    run, settings = make_run(**{"train.steps": 1, "adapter.text_encoder": False, "sample.prompts": []})
    settings.sample.prompts = []
    gc.disable()
    try:
        list(training(settings, run))
    finally:
        gc.enable()
    assert len(loaded) == 2 and alive == [None, None]

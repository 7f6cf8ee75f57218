"""The mean of LoRAs against dense float64, of files and of a run's checkpoints, in both layouts."""

import math

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from said import saying
from toolbox_files import deltas, make_lora, relative

from sdlora.cli import main
from sdlora.errors import UserError
from sdlora.lorafiles.read import read_lora
from sdlora.toolbox.average import average_loras
from sdlora.train.loop import training

WORDS = ("blocks.1.attentions.0", "layers")


def mean_of(parts):
    return {key: sum(part[key] for part in parts) / len(parts) for key in parts[0]}


@pytest.fixture
def three(tmp_path):
    return [make_lora(tmp_path / f"{n}.safetensors", rank=4, alpha=n, seed=n, words=WORDS) for n in (1, 2, 3)]


def test_the_exact_mean_is_that_of_the_changes(three, tmp_path):
    result = average_loras([str(file) for file in three], tmp_path / "m.safetensors", exact=True, dtype="fp32")
    truth = mean_of([deltas(file) for file in three])
    assert relative(deltas(tmp_path / "m.safetensors"), truth) < 1e-6 and result.error < 1e-6
    means = mean_of([load_file(file) for file in three])  # the mean of the factors is another thing here
    save_file({key: value.contiguous() for key, value in means.items()}, tmp_path / "factors.safetensors")
    assert relative(deltas(tmp_path / "factors.safetensors"), truth) > 0.5


def test_by_default_it_keeps_the_rank_and_is_the_nearest_there_is(three, tmp_path):
    """Against numpy's view: no matrix of rank 4 is nearer than the one of the four largest singular values."""
    result = average_loras([str(file) for file in three], tmp_path / "m.safetensors", dtype="fp32")
    truth = mean_of([deltas(file) for file in three])
    squares = [torch.linalg.svdvals(delta) ** 2 for delta in truth.values()]
    best = math.sqrt(sum(float(s[4:].sum()) for s in squares) / sum(float(s.sum()) for s in squares))
    assert relative(deltas(tmp_path / "m.safetensors"), truth) == pytest.approx(best, rel=1e-4)
    assert result.error == pytest.approx(best, rel=1e-4)
    assert {change.rank for change in read_lora(tmp_path / "m.safetensors").changes.values()} == {4}


def test_the_mean_of_one_lora_in_two_spellings_is_that_lora(three, tmp_path):
    """Other factors of the same change: here the mean of factors would be 0."""
    tensors = load_file(three[0])
    turned = {key: -value if ".lora_" in key else value for key, value in tensors.items()}
    save_file(turned, tmp_path / "turned.safetensors")
    average_loras([str(three[0]), str(tmp_path / "turned.safetensors")], tmp_path / "m.safetensors", dtype="fp32")
    assert relative(deltas(tmp_path / "m.safetensors"), deltas(three[0])) < 1e-6


@pytest.fixture
def trained(make_run):
    run, settings = make_run(**{"save.every": 2, "data.trigger": "zib", "train.steps": 4, "save.dtype": "fp32"})
    for event in training(settings, run):
        run.write(event)
    return run


def test_checkpoints_of_a_run_are_averaged_as_their_exported_files(trained, base_folder, tmp_path, capsys):
    for step in (2, 4):
        assert (
            main(["export", str(trained.folder), "--step", str(step), "--out", str(tmp_path / f"{step}.safetensors")])
            == 0
        )
    checkpoints = [f"{trained.folder}@{step}" for step in (2, 4)]
    assert main(["average", *checkpoints, "--exact", "--out", str(tmp_path / "c.safetensors")]) == 0
    truth = mean_of([deltas(tmp_path / f"{step}.safetensors") for step in (2, 4)])
    assert relative(deltas(tmp_path / "c.safetensors"), truth) < 1e-5
    with safe_open(tmp_path / "c.safetensors", framework="pt") as file:
        told = file.metadata()
    assert told["modelspec.merged_from"] == f"{trained.name}@2, {trained.name}@4"
    assert told["modelspec.trigger_phrase"] == "zib" and "ss_steps" not in told
    # diffusers' layout does in diffusers what the mean does
    files = [str(tmp_path / f"{step}.safetensors") for step in (2, 4)]
    argv = ["average", *files, "--out", str(tmp_path / "d.safetensors"), "--container", "diffusers", "--exact"]
    assert main(argv) == 0
    unet = UNet2DConditionModel.from_pretrained(base_folder, subfolder="unet")
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    unet.load_lora_adapter(load_file(tmp_path / "d.safetensors"), prefix="unet")
    unet.fuse_lora()
    unet.unload_lora()
    changed = unet.state_dict()
    for stem, delta in truth.items():
        name = next((n for n in before if f"lora_unet_{n.removesuffix('.weight')}".replace(".", "_") == stem), None)
        if name:
            assert torch.allclose((changed[name] - before[name]).double().flatten(1), delta, atol=1e-6)
    with safe_open(tmp_path / "d.safetensors", framework="pt") as file:
        told = file.metadata()
    assert told["modelspec.trigger_phrase"] == "zib" and told["ss_learning_rate"] and "ss_steps" not in told


def test_what_has_no_mean_is_told(three, tmp_path, make_run):
    out = tmp_path / "m.safetensors"
    with pytest.raises(UserError, match=saying("toolbox.average_one")):
        average_loras([str(three[0])], out)
    fewer = make_lora(tmp_path / "fewer.safetensors", rank=4, seed=5, words=WORDS[:1])
    with pytest.raises(UserError, match=saying("toolbox.average_layers")):
        average_loras([str(three[0]), str(fewer)], out)
    run, settings = make_run(**{"adapter.kind": "dora", "train.steps": 1})
    list(training(settings, run))
    with pytest.raises(UserError, match=saying("toolbox.average_not_plain", kind="dora")):
        average_loras([str(run.folder), str(three[0])], out)
    assert not out.exists()

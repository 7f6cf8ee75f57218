"""The trainer's test pictures, `sdlora sample` and the page's drawings are the same pictures of the same model."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from sdlora.cli import main
from sdlora.families.shared import device
from sdlora.pictures.model import load_model, lora_of
from sdlora.settings import dump_settings, load_settings
from sdlora.train.loop import training


def drive(run, settings):
    for event in training(settings, run):
        run.write(event)
    return run


@pytest.fixture
def odd_run(make_run, base_folder, tmp_path):
    """A run whose model differs from its base in every way that settings can say."""
    first, settings = make_run(**{"train.lr": 0.05, "sample.prompts": [], "run.name": "first"})
    drive(first, settings)
    vae = AutoencoderKL.from_pretrained(base_folder / "vae")
    with torch.no_grad():
        vae.decoder.conv_out.bias += 0.3
    vae.save_pretrained(tmp_path / "vae")
    run, settings = make_run(
        **{
            "adapter.stack": [f"{first.folder / 'first.safetensors'}=2"],
            "model.vae": str(tmp_path / "vae"),
            "model.prediction": "v_prediction",
            "model.zero_snr": "on",
            "train.lr": 0.03,
            "sample.negative": "grey",
            "sample.sampler": "euler",
            "sample.seed": 5,
        }
    )
    return drive(run, settings)


def drawn_by_sample(run, out, *more):
    command = ["sample", str(run), "--strength", "1", "--out", str(out), *more]
    assert main(command) == 0
    return np.asarray(Image.open(out)).astype(int)[32:, 90:]


def drawn_by_page(lora, folder, **more):
    folder.mkdir()
    job = {"variants": [[{"path": str(lora), "strength": 1}]], "prompts": ["zib"], **more}
    (folder / "job.json").write_text(json.dumps(job))
    assert main(["draw", str(folder)]) == 0
    return np.asarray(Image.open(folder / "0000.png")).astype(int)


def test_the_same_picture_from_all_three(odd_run, tmp_path, capsys):
    own = np.asarray(Image.open(odd_run.folder / "samples/000004_00.png")).astype(int)
    sampled = drawn_by_sample(odd_run.folder, tmp_path / "a.png")
    from_file = drawn_by_sample(odd_run.folder / "test.safetensors", tmp_path / "b.png")
    from_run = drawn_by_page(odd_run.folder, tmp_path / "c")
    from_checkpoint = drawn_by_page(odd_run.checkpoints()[-1][1], tmp_path / "d")
    for other in (sampled, from_file, from_run, from_checkpoint):
        assert np.abs(own - other).max() <= 1
    for change in ({"vae": str(load_settings(odd_run.folder / "settings.toml").model.base)}, {"negative": ""}):
        changed = drawn_by_page(odd_run.folder, tmp_path / str(len(list(tmp_path.iterdir()))), **change)
        assert np.abs(own - changed).max() > 2, change  # else the test could not see what is dropped
    for name, change in {"stack": {"adapter.stack": []}, "snr": {"model.zero_snr": "off"}}.items():
        bare = shutil.copytree(odd_run.folder, tmp_path / name)
        (bare / "settings.toml").write_text(dump_settings(load_settings(bare / "settings.toml", change)))
        assert np.abs(own - drawn_by_page(bare, tmp_path / f"{name}-drawn")).max() > 2, change


def test_every_part_of_the_model_is_the_runs(make_run, monkeypatch):
    """Those that a picture of a small model can't show: the commit, and the device with its precision."""
    _, settings = make_run(**{"model.revision": "abc", "train.precision": "bf16", "train.device": "auto"})
    asked = []
    inspect = load_model.__globals__["base_of"].__globals__["inspect_base"]

    def spy(base, revision, vae):
        asked.append(revision)
        return inspect(base, revision, vae)

    monkeypatch.setattr("sdlora.train.trainee.inspect_base", spy)
    monkeypatch.setattr(device, "choose_device", lambda wanted: "meta")  # stands in for a GPU
    model = load_model(settings)
    assert asked == ["abc"]
    assert {m.device.type for m in model.modules.values()} == {"meta"}
    assert {m.dtype for m in model.modules.values()} == {torch.bfloat16} == {model.half}


@pytest.mark.parametrize("there", ["cuda", "mps", "xpu"])
def test_the_gpu_that_there_is_is_used(monkeypatch, there):
    monkeypatch.setattr(device, "present", lambda kind: kind in (there, "cpu"))
    assert device.choose_device() == device.choose_device(there) == there and device.choose_device("cpu") == "cpu"
    assert all(device.choose_device(other) == there for other in {"cuda", "mps", "xpu"} - {there})
    assert device.choose_precision("auto", there) == {"cuda": "fp16", "mps": "fp32", "xpu": "fp16"}[there]
    assert device.choose_precision("bf16", there) == "bf16"


def test_the_settings_of_a_file_that_lies_in_its_run_have_their_folders(make_run, tmp_path):
    run, settings = make_run(**{"train.steps": 1, "sample.prompts": []})
    drive(run, settings)
    file = run.folder / "test.safetensors"
    assert lora_of(file)[1] == settings and lora_of(file)[1].data.folder == settings.data.folder
    elsewhere = tmp_path / "else"
    elsewhere.mkdir()
    shutil.copy(file, elsewhere)
    assert lora_of(elsewhere / file.name)[1].data.folder == "images"
    settings.train.lr = 0.5  # another run's file
    (elsewhere / "settings.toml").write_text(dump_settings(settings))
    assert lora_of(elsewhere / file.name)[1].data.folder == "images"

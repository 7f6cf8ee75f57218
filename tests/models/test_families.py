"""What a base model folder is told to be, and what is said of a broken one."""

import json
import shutil

import pytest
from base_models import make_base

from sdlora.errors import UserError
from sdlora.models.families import inspect_base


@pytest.fixture
def broken(base_folder, tmp_path):
    return shutil.copytree(base_folder, tmp_path / "my-model")


def test_the_embedded_base_is_told_right():
    info = inspect_base("tiny")
    assert (info.family, info.prediction, info.resolution, info.factor, info.step, info.tokens) == (
        "sd1", "epsilon", 128, 8, 32, 77,
    )  # fmt: skip
    assert info.name == "tiny" and all(f.is_file() for f in info.weight_files)


def test_prediction_comes_from_the_scheduler(tmp_path):
    assert inspect_base(str(make_base(tmp_path / "v", "v_prediction"))).prediction == "v_prediction"


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        ("model_index.json", "no model_index.json"),
        ("unet/config.json", "unet/config.json is missing"),
        ("unet/diffusion_pytorch_model.safetensors", "unet has no safetensors weights"),
        ("text_encoder/model.safetensors", "text_encoder has no safetensors weights"),
        ("tokenizer/tokenizer.json", "tokenizer/vocab.json or tokenizer/merges.txt is missing"),
        ("scheduler/scheduler_config.json", "scheduler_config.json is missing"),
    ],
)
def test_a_missing_file_is_named(broken, remove, words):
    (broken / remove).unlink()
    with pytest.raises(UserError, match="The base model my-model: .*" + words):
        inspect_base(str(broken))


def test_everything_missing_is_named_at_once(broken):
    for part in ("unet", "vae", "tokenizer"):
        shutil.rmtree(broken / part)
    with pytest.raises(UserError) as told:
        inspect_base(str(broken))
    assert len(told.value.problems) == 5 and all(p.fix for p in told.value.problems)


def test_pickled_weights_are_refused(broken, tmp_path):
    (broken / "vae/diffusion_pytorch_model.safetensors").rename(broken / "vae/diffusion_pytorch_model.bin")
    with pytest.raises(UserError, match="can run code when opened"):
        inspect_base(str(broken))
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(UserError, match="can run code when opened"):
        inspect_base(str(tmp_path / "model.ckpt"))


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("unet", {"in_channels": 9}, "inpainting"),
        ("scheduler", {"prediction_type": "sample"}, "predicts 'sample'"),
    ],
)
def test_other_kinds_of_model_are_told(broken, part, values, words):
    file = broken / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    with pytest.raises(UserError, match=words):
        inspect_base(str(broken))


def test_two_text_encoders_are_told(broken):
    (broken / "text_encoder_2").mkdir()
    with pytest.raises(UserError, match="SDXL"):
        inspect_base(str(broken))


@pytest.mark.parametrize("base", ["", "nothing", "../up", "a/b/c", "/none", "~none/x", "C:\\models\\x", "a\0b"])
def test_what_is_no_model_is_told(base):
    with pytest.raises(UserError, match="no base model"):
        inspect_base(base)


def test_a_hub_id_without_a_hub_is_told(monkeypatch, tmp_path):
    """As on a machine without a network, or with nothing in the hub's cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="could not be downloaded"):
        inspect_base("nobody/nothing-of-this-name")


def test_truncated_weights_are_told(broken):
    from sdlora.models.load import load_unet

    file = broken / "unet/diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="The base model's unet can't be loaded"):
        load_unet(broken)

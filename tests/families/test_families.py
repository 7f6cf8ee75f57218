"""What a base model folder is told to be, and what is said of a broken one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from base_models import make_base
from safetensors.torch import load_file, save_file
from said import Said, saying, says

from sdlora.errors import UserError
from sdlora.families.base import contradictions, inspect_base
from sdlora.families.shared.hub import MOVED, wanted
from sdlora.families.shared.load import load_unet

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broken(base_folder, tmp_path):
    return shutil.copytree(base_folder, tmp_path / "my-model")


def test_the_embedded_base_is_told_right():
    info = inspect_base("tiny")
    assert (info.family, info.prediction, info.resolution, info.factor, info.step, info.tokens) == (
        "sd1", "epsilon", 128, 8, 32, 77,
    )  # fmt: skip
    assert info.name == "tiny" and [f.is_file() for f in (*info.files("unet"), *info.files("vae"))] == [True, True]


def test_prediction_comes_from_the_scheduler(tmp_path):
    assert inspect_base(str(make_base(tmp_path / "v", prediction="v_prediction"))).prediction == "v_prediction"


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        ("model_index.json", saying("modelfiles.folder_no_index")),
        ("unet/config.json", saying("modelfiles.folder_config_missing", file="unet")),
        ("unet/diffusion_pytorch_model.safetensors", saying("modelfiles.folder_no_weights", part="unet")),
        ("text_encoder/model.safetensors", saying("modelfiles.folder_no_weights", part="text_encoder")),
        ("tokenizer/vocab.json", saying("modelfiles.folder_no_vocabulary", part="tokenizer", other="tokenizer")),
        ("scheduler/scheduler_config.json", saying("modelfiles.folder_scheduler_missing")),
    ],
)
def test_a_missing_file_is_named(broken, remove, words):
    (broken / remove).unlink()
    with pytest.raises(UserError, match=saying("modelfiles.folder_unusable", name="my-model", fault_of_folder=words)):
        inspect_base(str(broken))


def test_everything_missing_is_named_at_once(broken):
    for part in ("unet", "vae", "tokenizer"):
        shutil.rmtree(broken / part)
    with pytest.raises(UserError) as told:
        inspect_base(str(broken))
    assert len(told.value.problems) == 5 and all(p.fix for p in told.value.problems)


def test_pickled_weights_are_refused(broken, tmp_path):
    (broken / "vae/diffusion_pytorch_model.safetensors").rename(broken / "vae/diffusion_pytorch_model.bin")
    with pytest.raises(UserError, match=saying("modelfiles.folder_pickled")):
        inspect_base(str(broken))
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(UserError, match=saying("modelfiles.pickled")):
        inspect_base(str(tmp_path / "model.ckpt"))


def rewrite(folder, part, **values):
    file = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("unet", {"in_channels": 5}, saying("modelfiles.folder_input_channels", channels="5")),
        ("unet", {"block_out_channels": None}, saying("modelfiles.folder_no_channels", part="unet")),
        (
            "unet",
            {"addition_embed_type": "text_time"},
            saying("modelfiles.folder_part_missing", folder="text_encoder_2"),
        ),
        ("vae", {"latent_channels": 16}, saying("modelfiles.folder_latent_channels", channels="16")),
        ("vae", {"block_out_channels": 3}, saying("modelfiles.folder_no_channels", part="vae")),
        ("unet", {"in_channels": 8}, saying("modelfiles.folder_input_channels", channels="8")),
        ("unet", {"in_channels": 7, "num_class_embeds": 1000}, "takes 7 channels(.|\n)*class or image embedding"),
        ("scheduler", {"prediction_type": "sample"}, saying("modelfiles.folder_prediction", prediction="'sample'")),
        ("scheduler", {"_class_name": "EDMDPMSolverMultistepScheduler"}, saying("modelfiles.folder_edm")),
    ],
)
def test_other_kinds_of_model_are_told(broken, part, values, words):
    rewrite(broken, part, **values)
    with pytest.raises(UserError, match=words):
        inspect_base(str(broken))


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (
            {"_class_name": "StableDiffusion3Pipeline", "transformer": ["diffusers", "SD3Transformer2DModel"]},
            "3Pipeline",
        ),
        ({"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}, "FluxPipeline"),
        (
            {"_class_name": "StableDiffusionControlNetPipeline", "unet": ["d", "U"], "controlnet": ["d", "C"]},
            "ControlNet",
        ),
    ],
)
def test_folders_of_other_architectures_are_told(broken, index, words):
    (broken / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=saying("modelfiles.folder_other_model", kind_of_model=Said(f".*{words}.*"))):
        inspect_base(str(broken))


def test_the_sdxl_refiner_is_told(broken):
    (broken / "text_encoder").rename(broken / "text_encoder_2")
    with pytest.raises(UserError, match=saying("modelfiles.folder_refiner_without_encoder")):
        inspect_base(str(broken))


@pytest.mark.parametrize(
    ("family", "step", "encoders"),
    [
        ("sd1", 64, ("text_encoder",)),
        ("sd2", 64, ("text_encoder",)),
        ("sdxl", 32, ("text_encoder", "text_encoder_2")),
    ],
)
def test_folders_of_every_family(bases, family, step, encoders):
    info = inspect_base(str(bases(family)))
    assert (info.family, info.step, info.factor, info.text_encoders) == (family, step, 8, encoders)
    assert (info.single_file, info.inpainting, info.zero_snr, info.precision) == (False, False, False, "fp32")
    assert [len(info.files(part)) for part in ("unet", "vae", *encoders)] == [1] * (2 + len(encoders))
    assert info.shapes("text_encoder")[next(n for n in info.shapes("text_encoder") if "token" in n)] == (49408, 32)


def test_inpainting_models_are_told_and_taken(bases):
    info = inspect_base(str(bases("sd1", inpainting=True)))
    assert info.inpainting and "inpainting" in info.described


def test_zero_terminal_snr_comes_from_the_scheduler(broken):
    rewrite(broken, "scheduler", rescale_betas_zero_snr=True, prediction_type="v_prediction")
    info = inspect_base(str(broken))
    assert info.zero_snr and info.described == "SD 1.x, v-prediction, zero terminal SNR, 32 px, fp32"


def test_the_fp16_variant_serves_where_fp32_is_not(broken):
    for part, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        (broken / part / f"{stem}.safetensors").rename(broken / part / f"{stem}.fp16.safetensors")
    assert [f.name for f in inspect_base(str(broken)).files("unet")] == ["diffusion_pytorch_model.fp16.safetensors"]


def test_shards_are_found_by_their_index_and_missing_ones_told(broken):
    unet = broken / "unet"
    weights = load_file(unet / "diffusion_pytorch_model.safetensors")
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    names = sorted(weights)
    parts = {"a.safetensors": names[: len(names) // 2], "b.safetensors": names[len(names) // 2 :]}
    for file, own in parts.items():
        save_file({name: weights[name] for name in own}, unet / file)
    index = {"weight_map": {name: file for file, own in parts.items() for name in own}}
    (unet / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    info = inspect_base(str(broken))
    assert [f.name for f in info.files("unet")] == ["a.safetensors", "b.safetensors"]
    assert all(torch.equal(value, weights[name]) for name, value in load_unet(info).state_dict().items())
    (unet / "b.safetensors").unlink()
    with pytest.raises(UserError, match=saying("modelfiles.folder_shards_missing")):
        inspect_base(str(broken))
    index["weight_map"] = dict.fromkeys(names, "../unet/a.safetensors")
    (unet / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=saying("modelfiles.folder_shards_missing")):
        inspect_base(str(broken))


# ---- settings against facts


def test_a_wrong_prediction_is_caught(bases):
    info = inspect_base(str(bases("sd2")))
    assert contradictions(info, "auto", "auto") == contradictions(info, "epsilon", "off") == []
    (problem,) = contradictions(info, "v_prediction", "auto")
    assert problem.fatal and problem.where == "prediction" and "scheduler_config.json says so" in problem.what


def test_a_wrong_schedule_is_caught(broken):
    rewrite(broken, "scheduler", rescale_betas_zero_snr=True, prediction_type="v_prediction")
    info = inspect_base(str(broken))
    (problem,) = contradictions(info, "auto", "off")
    assert problem.fatal and problem.where == "zero_snr"
    rewrite(broken, "scheduler", rescale_betas_zero_snr=False)
    (problem,) = contradictions(inspect_base(str(broken)), "auto", "on")
    assert not problem.fatal  # makers of v-prediction models often leave it out


# ---- what is no model


@pytest.mark.parametrize("base", ["", "nothing", "../up", "a/b/c", "/none", "~none/x", "C:\\models\\x", "a\0b"])
def test_what_is_no_model_is_told(base):
    with pytest.raises(UserError, match=saying("models.base_missing")):
        inspect_base(base)


def test_a_hub_id_without_a_hub_is_told(monkeypatch, tmp_path):
    """As on a machine without a network, or with nothing in the hub's cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=saying("models.download_failed")):
        inspect_base("nobody/nothing-of-this-name")


def test_a_hub_out_of_reach_is_told(tmp_path):
    """A refused connection, in a process of its own: the hub's library reads its address at import."""
    code = "from sdlora.families.base import inspect_base; inspect_base('nobody/nothing')"
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | nowhere, capture_output=True, text=True)
    assert "UserError: The base model nobody/nothing could not be downloaded" in done.stderr


@pytest.mark.parametrize("base", sorted(MOVED))
def test_removed_hub_ids_name_their_successor(monkeypatch, base):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=saying("models.taken_down")) as told:
        inspect_base(base)
    assert f'"{MOVED[base]}"' in told.value.problems[0].fix


def test_a_model_in_the_hubs_cache_needs_no_network(monkeypatch, tmp_path, base_folder):
    """The layout of the hub's cache: snapshots by commit, and the commit that a branch points to."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789" * 4
    repository = tmp_path / "models--org--model"
    shutil.copytree(base_folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(commit)
    for revision in ("", "main", commit):
        assert inspect_base("org/model", revision).family == "sd1"
    with pytest.raises(UserError, match=saying("models.download_failed")):
        inspect_base("org/model", "f" * 40)


@pytest.mark.parametrize(
    ("prefix", "files", "chosen"),
    [
        ("", ["unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
              "unet/diffusion_pytorch_model.non_ema.safetensors", "sd_xl_base_1.0.safetensors",
              "text_encoder_2/model.safetensors", "vae_1_0/diffusion_pytorch_model.fp16.safetensors",
              "text_encoder/flax_model.msgpack", "unet/model.onnx_data"],
         ["unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder_2/model.safetensors"]),
        ("", ["unet/diffusion_pytorch_model-00001-of-00002.safetensors",
              "unet/diffusion_pytorch_model.safetensors.index.json"],
         ["unet/diffusion_pytorch_model-00001-of-00002.safetensors",
          "unet/diffusion_pytorch_model.safetensors.index.json"]),
        ("vae", ["diffusion_pytorch_model.safetensors", "sdxl_vae.safetensors", "config.json"],
         ["diffusion_pytorch_model.safetensors"]),
    ],
)  # fmt: skip
def test_only_what_training_reads_is_downloaded(prefix, files, chosen):
    assert wanted(files, prefix) == chosen


def test_truncated_weights_are_told(broken):
    file = broken / "unet/diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(
        UserError,
        match=saying(
            "modelfiles.in_part",
            part="unet",
            problem=saying("files.damaged", damage=saying("modelfiles.damage_header_cut_off")),
        ),
    ):
        inspect_base(str(broken))


@pytest.mark.parametrize("base", ["x" * 300, "x" * 100_000, "a/" + "b" * 5_000, "/" + "y" * 300, "a\0b"])
def test_impossible_names_get_a_sentence(base):
    with pytest.raises(UserError) as raised:
        inspect_base(base)
    assert says(raised.value, "models.base_missing") and len(str(raised.value)) < 600


@pytest.mark.parametrize(
    "file, change, said",
    [
        ("vae/config.json", {"scaling_factor": 0}, saying("modelfiles.folder_scaling_factor", given="0")),
        ("vae/config.json", {"scaling_factor": "x"}, saying("modelfiles.folder_scaling_factor", given="'x'")),
        (
            "scheduler/scheduler_config.json",
            {"beta_schedule": "odd"},
            saying("modelfiles.folder_beta_schedule", given="'odd'"),
        ),
        ("tokenizer/vocab.json", None, saying("modelfiles.folder_vocabulary_empty", part="tokenizer")),
    ],
)
def test_numbers_and_words_that_nothing_can_be_trained_with(base_folder, tmp_path, file, change, said):
    folder = Path(shutil.copytree(base_folder, tmp_path / "base"))
    content = {} if change is None else json.loads((folder / file).read_text()) | change
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(UserError, match=said):
        inspect_base(str(folder))

"""Metadata: what the readers need, in the shape they need, and nothing private."""

import base64
import io
import json
import random
import re

import pytest
import safetensors.torch
import tomlkit
import torch
from PIL import Image
from said import saying

from sdlora.adapters.table import KINDS
from sdlora.errors import UserError
from sdlora.families.table import FAMILIES
from sdlora.files.paths import last_part
from sdlora.lorafiles.metadata import add_hashes, build_metadata, complete_metadata, count_tags
from sdlora.lorafiles.names import file_names
from sdlora.settings import dump_settings, make_settings, without_paths

SETTINGS = make_settings(
    {
        "model": {"base": r"C:\Users\ann\models\sd15", "vae": "/home/ann/vae.safetensors"},
        "adapter": {
            "start_from": "~ann/old.safetensors",
            "stack": ["/home/ann/a.safetensors=0.5", r"D:\ann\b.safetensors"],
        },
        "data": {"folder": "/home/ann/secret/photos/", "cache": "/mnt/ann/cache"},
        "run": {"folder": "../ann/runs"},
        "sample": {"prompts": ["a private prompt"]},
    }
)
FULL = {
    "family": "sd1",
    "name": "cat-toy",
    "rank": 16,
    "alpha": 8.0,
    "resolution": (512, 640),
    "settings_toml": dump_settings(without_paths(SETTINGS)),
    "trigger": "sks cat",
    "base_name": "/home/ann/models/sd15",
    "tag_frequency": {"/home/ann/secret/photos": {"a cat": 3, "grass": 1}},
    "folders": {"/home/ann/secret/photos": {"n_repeats": 1, "img_count": 12}},
    "buckets": {(512, 512): 10, (448, 576): 2},
    "started": 1_700_000_000.5,
    "finished": 1_700_000_600.0,
    "training": {"steps": 1000, "learning_rate": 1e-4, "seed": 7, "noise_offset": None},
}


def test_full_metadata_has_what_the_tools_read():
    made = build_metadata(**FULL)
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in made.items())
    expected = {
        "ss_base_model_version": "sd_v1",
        "ss_v2": "False",
        "ss_network_module": "networks.lora",
        "ss_network_dim": "16",
        "ss_network_alpha": "8",
        "ss_network_args": "{}",
        "ss_output_name": "cat-toy",
        "ss_sd_model_name": "sd15",
        "ss_steps": "1000",
        "ss_seed": "7",
        "ss_resolution": "(512, 640)",
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.resolution": "512x640",
        "modelspec.prediction_type": "epsilon",
        "modelspec.trigger_phrase": "sks cat",
        "modelspec.title": "cat-toy",
        "modelspec.date": "2023-11-14T22:23:20+00:00",
    }
    assert expected.items() <= made.items()
    assert "ss_noise_offset" not in made
    assert float(made["ss_training_started_at"]) == 1_700_000_000.5
    assert json.loads(made["ss_tag_frequency"]) == {"photos": {"a cat": 3, "grass": 1}}
    assert json.loads(made["ss_dataset_dirs"]) == {"photos": {"n_repeats": 1, "img_count": 12}}
    assert {"resolution": [512, 512], "count": 10} in json.loads(made["ss_bucket_info"])["buckets"].values()


def test_settings_come_back_complete_without_their_paths():
    settings = tomlkit.parse(build_metadata(**FULL)["sdlora_settings"]).unwrap()
    original = tomlkit.parse(dump_settings(SETTINGS)).unwrap()
    assert settings["model"].pop("base") == "sd15" and original["model"].pop("base")
    assert settings["data"].pop("folder") == "photos" and original["data"].pop("folder")
    assert settings["data"].pop("cache") == "cache" and original["data"].pop("cache")
    assert settings["run"].pop("folder") == "runs" and original["run"].pop("folder")
    assert settings["model"].pop("vae") == "vae.safetensors" and original["model"].pop("vae")
    assert settings["adapter"].pop("start_from") == "old.safetensors" and original["adapter"].pop("start_from")
    stack = settings["adapter"].pop("stack")
    assert stack == ["a.safetensors=0.5", "b.safetensors"] and original["adapter"].pop("stack")
    assert settings == original
    make_settings(settings)


@pytest.mark.parametrize("mode", ["full", "minimum"])
def test_no_private_path_in_any_mode(mode):
    text = json.dumps(build_metadata(**FULL, mode=mode, vae_name="/home/ann/vae.safetensors"))
    assert "ann" not in text and "secret" not in text and "C:" not in text


def test_minimum_leaves_out_captions_trigger_prompts_and_settings_but_sorts():
    made = build_metadata(**FULL, mode="minimum")
    text = json.dumps(made)
    assert not any(word in text for word in ('cat"', "grass", "sks", "prompt", "photos", "sd15", "1000"))
    assert {k for k in made if k.startswith("ss_")} == {
        "ss_base_model_version", "ss_v2", "ss_network_module", "ss_network_dim", "ss_network_alpha", "ss_network_args",
    }  # fmt: skip
    assert made["modelspec.architecture"] == "stable-diffusion-v1/lora"


@pytest.mark.parametrize(
    ("family", "prediction", "version", "v2", "architecture", "kind"),
    [
        ("sd1", "epsilon", "sd_v1", "False", "stable-diffusion-v1/lora", "epsilon"),
        ("sd1", "v_prediction", "sd_v1_v", "False", "stable-diffusion-v1/lora", "v"),
        ("sd2", "epsilon", "sd_v2", "True", "stable-diffusion-v2-512/lora", "epsilon"),
        ("sd2", "v_prediction", "sd_v2_v", "True", "stable-diffusion-v2-768-v/lora", "v"),
        ("sdxl", "epsilon", "sdxl_base_v1-0", "False", "stable-diffusion-xl-v1-base/lora", "epsilon"),
        ("sdxl", "v_prediction", "sdxl_base_v1-0", "False", "stable-diffusion-xl-v1-base/lora", "v"),
    ],
)
def test_families(family, prediction, version, v2, architecture, kind):
    made = build_metadata(family=family, prediction=prediction, name="x", rank=4, alpha=0.5, resolution=768)
    assert (made["ss_base_model_version"], made["ss_v2"]) == (version, v2)
    assert (made["modelspec.architecture"], made["modelspec.prediction_type"]) == (architecture, kind)
    assert made["ss_network_alpha"] == "0.5" and made["modelspec.resolution"] == "768x768"
    code = "https://github.com/Stability-AI/generative-models" if family == "sdxl" else "diffusers"
    assert made["modelspec.implementation"] == code
    # A1111 sorts by these two alone (network.py, detect_version)
    older = "SD2" if made["ss_v2"] == "True" else "SD1"
    assert family.upper() == ("SDXL" if made["ss_base_model_version"].startswith("sdxl_") else older)


def test_convolutions_are_told():
    made = build_metadata(family="sd1", name="x", rank=4, alpha=2, resolution=64, conv_rank=4, conv_alpha=2.0)
    assert json.loads(made["ss_network_args"]) == {"conv_dim": "4", "conv_alpha": "2"}
    said = {"network_args": KINDS["dora"].network_args}
    made = build_metadata(family="sd1", name="x", rank=4, alpha=2, resolution=64, **said)
    assert json.loads(made["ss_network_args"]) == {"dora_wd": "True", "wd_on_output": "False"}


def test_what_the_base_was():
    short = {"family": "sd1", "name": "x", "rank": 4, "alpha": 2, "resolution": 64}
    made = build_metadata(**short)
    assert not {"ss_new_sd_model_hash", "ss_sd_model_hash", "ss_vae_name", "modelspec.usage_hint"} & set(made)
    more = {"base_hash": "ab" * 32, "base_short_hash": "12345678", "vae_name": "a/b.safetensors", "inpainting": True}
    made = build_metadata(**short, **more, description="A cat.", trigger="sks")
    assert made["ss_new_sd_model_hash"] == "ab" * 32 and made["ss_sd_model_hash"] == "12345678"
    assert made["ss_vae_name"] == "b.safetensors" and made["modelspec.description"] == "A cat."
    assert made["modelspec.usage_hint"] == "Put sks into the prompt. For inpainting models."


@pytest.mark.parametrize("mode", ["full", "minimum"])
def test_the_schema_that_readers_expect(mode):
    """A1111's popup, its tag buttons and its table fail on other types."""
    made = complete_metadata({"a": torch.zeros(2)}, build_metadata(**FULL, mode=mode), picture(64, 48))
    for key, value in made.items():
        assert isinstance(value, str) and value
        assert re.fullmatch(r"(ss_|modelspec\.|sshs_|ssmd_)[a-z0-9_.]+|sdlora_settings", key)
        if value.startswith("{"):
            json.loads(value)
    for key in ("ss_training_started_at", "ss_training_finished_at"):
        assert mode == "minimum" or float(made[key]) > 1e9
    if mode == "full":
        for level in json.loads(made["ss_tag_frequency"]).values():
            assert all(isinstance(tag, str) and type(count) is int for tag, count in level.items())
        folders = json.loads(made["ss_dataset_dirs"]).values()
        assert all(type(own["n_repeats"]) is type(own["img_count"]) is int for own in folders)
        assert all(len(b["resolution"]) == 2 for b in json.loads(made["ss_bucket_info"])["buckets"].values())
    assert re.fullmatch(r"\d+x\d+", made["modelspec.resolution"])
    assert isinstance(json.loads(made["ss_network_args"]), dict)
    assert re.fullmatch(r"[0-9a-f]{64}", made["sshs_model_hash"])


# ---- the cover and the size of the header


def picture(width, height, noise=False, kind="PNG", **options) -> bytes:
    image = Image.new("RGB", (width, height), "orange")
    if noise:
        image = Image.frombytes("RGB", (width, height), random.Random(0).randbytes(3 * width * height))
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def header_size(tensors, metadata) -> int:
    return int.from_bytes(safetensors.torch.save(tensors, metadata)[:8], "little")


@pytest.mark.parametrize("noise", [False, True])
def test_the_cover_is_the_same_jpeg_for_every_reader(noise):
    made = complete_metadata({"a": torch.zeros(2)}, {"ss_v2": "False"}, picture(1024, 768, noise))
    start, _, text = made["modelspec.thumbnail"].partition(",")
    assert start == "data:image/jpeg;base64" and json.loads(made["ssmd_cover_images"]) == [text]
    assert len(text) <= 300_000
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    assert image.format == "JPEG" and image.size == (512, 384)
    assert made["sshs_model_hash"] == add_hashes({"a": torch.zeros(2)}, {"ss_v2": "False"})["sshs_model_hash"]


def test_what_a_camera_wrote_stays_out():
    exif = Image.Exif()
    exif[0x010F] = "ann's camera"
    exif[0x0112] = 6  # lies on its side
    made = complete_metadata({"a": torch.zeros(2)}, {}, picture(100, 50, kind="JPEG", exif=exif))
    raw = base64.b64decode(json.loads(made["ssmd_cover_images"])[0])
    assert b"ann's camera" not in raw and Image.open(io.BytesIO(raw)).size == (50, 100)


def test_a_cover_that_is_no_picture():
    with pytest.raises(UserError, match=saying("saving.cover_unreadable")):
        complete_metadata({"a": torch.zeros(2)}, {}, b"nonsense")


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_header_stays_below_a_million_bytes_at_full_size(family):
    """Every layer of the largest files, long captions with signs that take room, long prompts, and a noisy cover."""
    names = file_names(family, FAMILIES[family].published).values()
    parts = ("lora_down.weight", "lora_up.weight", "alpha", "dora_scale")
    tensors = {f"{name}.{part}": torch.zeros(1) for name in names for part in parts}
    tags = {f'"quoted" \\ caption {i} ' + "ü" * 200: 1 for i in range(5000)} | {"often": 99}
    settings = "[sample]\nprompts = [" + ", ".join(f"'{i} \"quoted\"'" for i in range(5000)) + "]\n"
    full = FULL | {"family": family, "settings_toml": settings, "tag_frequency": {"photos": tags}}
    made = complete_metadata(tensors, build_metadata(**full), picture(2048, 2048, noise=True))
    assert header_size(tensors, made) < 1_000_000
    assert {"ss_base_model_version", "modelspec.architecture", "sshs_model_hash", "sdlora_settings"} <= set(made)
    assert json.loads(made["ss_tag_frequency"])["photos"]["often"] == 99
    assert ("ssmd_cover_images" in made) == ("modelspec.thumbnail" in made)


def test_tags_and_settings_go_before_what_sorts_the_file():
    tensors = {"k" * 100 + str(i): torch.zeros(1) for i in range(4700)}
    tags = {f"caption {i} " + "x" * 100: 1 for i in range(2000)}
    made = complete_metadata(tensors, build_metadata(**FULL | {"tag_frequency": {"p": tags}}), picture(512, 512, True))
    assert header_size(tensors, made) < 1_000_000
    assert "ss_base_model_version" in made and "sshs_model_hash" in made and "ssmd_cover_images" not in made


def test_unknown_family_and_mode_are_said():
    with pytest.raises(UserError, match=saying("models.families_known", names="sd1, sd2, sdxl")):
        build_metadata(family="sd4", name="x", rank=4, alpha=2, resolution=64)
    with pytest.raises(UserError, match=saying("saving.use_full_or_minimum")):
        build_metadata(family="sd1", name="x", rank=4, alpha=2, resolution=64, mode="none")


def test_tags_are_counted_as_kohya_does():
    assert count_tags(["A cat,  Grass,", "grass", "", " , "]) == {"a cat": 1, "grass": 2}


def test_many_long_captions_keep_the_header_small_and_the_frequent_tags():
    tags = {f"caption number {i} " + "ü" * 500: 1 for i in range(10_000)} | {"often": 99}
    made = build_metadata(**FULL | {"tag_frequency": {"photos": tags}})
    assert sum(len(k) + len(v.encode()) for k, v in made.items()) < 700_000
    kept = json.loads(made["ss_tag_frequency"])["photos"]
    assert kept["often"] == 99 and len(kept) > 50


def test_names_that_no_file_can_hold_are_mended():
    made = build_metadata(family="sd1", name='{"x"} \udcff', rank=4, alpha=2, resolution=64)
    assert not made["ss_output_name"].startswith("{")
    assert add_hashes({"a": torch.zeros(2)}, made)["sshs_legacy_hash"]
    "".join(made.values()).encode("utf-8")


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("/a/b/c/", "c"),
        ("a\\b", "b"),
        ("C:\\x\\y\\", "y"),
        ("plain", "plain"),
        ("org/model", "model"),
        ("", ""),
        ("/", ""),
    ],
)
def test_last_part(path, base):
    assert last_part(path) == base

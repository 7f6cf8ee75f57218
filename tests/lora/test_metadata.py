"""Metadata: what the readers need, in the shape they need, and nothing private."""

import json

import pytest
import tomlkit
import torch

from sdlora.config import dump_settings, make_settings
from sdlora.errors import UserError
from sdlora.lora.metadata import add_hashes, base_of, build_metadata, count_tags

SETTINGS = dump_settings(
    make_settings(
        {
            "model": {"base": r"C:\Users\ann\models\sd15"},
            "data": {"folder": "/home/ann/secret/photos/", "cache": "/mnt/ann/cache"},
            "run": {"folder": "../ann/runs"},
            "sample": {"prompts": ["a private prompt"]},
        }
    )
)
FULL = {
    "family": "sd1",
    "name": "cat-toy",
    "rank": 16,
    "alpha": 8.0,
    "resolution": (512, 640),
    "settings_toml": SETTINGS,
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
    original = tomlkit.parse(SETTINGS).unwrap()
    assert settings["model"].pop("base") == "sd15" and original["model"].pop("base")
    assert settings["data"].pop("folder") == "photos" and original["data"].pop("folder")
    assert settings["data"].pop("cache") == "cache" and original["data"].pop("cache")
    assert settings["run"].pop("folder") == "runs" and original["run"].pop("folder")
    assert settings == original
    make_settings(settings)


@pytest.mark.parametrize("mode", ["full", "minimum"])
def test_no_private_path_in_any_mode(mode):
    text = json.dumps(build_metadata(**FULL, mode=mode))
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
    ],
)
def test_families(family, prediction, version, v2, architecture, kind):
    made = build_metadata(family=family, prediction=prediction, name="x", rank=4, alpha=0.5, resolution=768)
    assert (made["ss_base_model_version"], made["ss_v2"]) == (version, v2)
    assert (made["modelspec.architecture"], made["modelspec.prediction_type"]) == (architecture, kind)
    assert made["ss_network_alpha"] == "0.5" and made["modelspec.resolution"] == "768x768"


def test_convolutions_are_told():
    made = build_metadata(family="sd1", name="x", rank=4, alpha=2, resolution=64, conv_rank=4, conv_alpha=2.0)
    assert json.loads(made["ss_network_args"]) == {"conv_dim": "4", "conv_alpha": "2"}


def test_unknown_family_and_mode_are_said():
    with pytest.raises(UserError, match="sd1, sd2"):
        build_metadata(family="sd4", name="x", rank=4, alpha=2, resolution=64)
    with pytest.raises(UserError, match="full or minimum"):
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
def test_base_of(path, base):
    assert base_of(path) == base

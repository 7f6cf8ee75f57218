"""Small base models and folders of images, made anew for each test."""

import json
from pathlib import Path

import numpy as np
import pytest
from checking import UNET
from PIL import Image
from safetensors.numpy import save_file

from sdlora.settings import Settings, make_settings


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A diffusers folder whose weights nobody loads: factor 8, steps of 16 pixels, 64 pixels by default."""
    folder = tmp_path / "base"
    configs = {
        "model_index.json": {"unet": ["diffusers", "UNet2DConditionModel"]},
        "unet/config.json": {"block_out_channels": [32, 64], "sample_size": 8, "in_channels": 4},
        "vae/config.json": {"block_out_channels": [8, 8, 8, 8]},
        "text_encoder/config.json": {"max_position_embeddings": 77},
        "scheduler/scheduler_config.json": {"prediction_type": "v_prediction"},
        "tokenizer/vocab.json": {"a": 0, "b": 1},
    }
    for name, content in configs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    save_file(
        {k: np.zeros(s, np.float16) for k, s in UNET.items()}, folder / "unet/diffusion_pytorch_model.safetensors"
    )
    save_file({"x": np.zeros(1)}, folder / "vae/diffusion_pytorch_model.safetensors")
    tokens = {"token_embedding.weight": np.zeros((99, 16)), "fc1.weight": np.zeros((32, 16))}
    save_file(tokens, folder / "text_encoder/model.safetensors")
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(6):
        Image.new("RGB", (80, 64), (i * 20, 0, 0)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"caption {i}")
    return folder


@pytest.fixture
def settings(tmp_path: Path, base: Path, images: Path) -> Settings:
    values = {"model": {"base": str(base)}, "data": {"folder": str(images)}, "run": {"folder": str(tmp_path / "runs")}}
    return make_settings(values)

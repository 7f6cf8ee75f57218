"""A whole base model with random weights, a few hundred kilobytes, in the same layout as the real ones; and images."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sdlora.config import dump_settings, make_settings, merge
from sdlora.models.families import inspect_base
from sdlora.preflight import resolve
from sdlora.run import Run


def make_base(folder: Path, prediction: str = "epsilon") -> Path:
    """Two UNet levels, factor 2, one text layer: seconds for what takes SD 1.5 minutes."""
    torch.manual_seed(0)
    letters = [chr(c) for c in range(33, 127)]
    symbols = letters + [c + "</w>" for c in letters] + ["<|startoftext|>", "<|endoftext|>"]
    source = folder.parent / "letters"
    source.mkdir(parents=True, exist_ok=True)
    (source / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(symbols)}))
    (source / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(vocab=str(source / "vocab.json"), merges=str(source / "merges.txt"), model_max_length=77)
    text = CLIPTextConfig(
        vocab_size=len(symbols), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=77, bos_token_id=len(symbols) - 2, eos_token_id=len(symbols) - 1,
        pad_token_id=len(symbols) - 1,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=16, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8, cross_attention_dim=16,
        attention_head_dim=2, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4, sample_size=32,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type=prediction,
    )  # fmt: skip
    StableDiffusionPipeline(
        vae=vae, text_encoder=CLIPTextModel(text), tokenizer=tokenizer, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory) -> Path:
    return make_base(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def images(tmp_path) -> Path:
    """Five images of two shapes with captions."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(5):
        size = (32, 32) if number < 3 else (48, 24)
        picture = Image.effect_noise(size, 60 + 10 * number).convert("RGB")
        picture.save(folder / f"p{number}.png")
        (folder / f"p{number}.txt").write_text(f"zib, tag {number}, red, round")
    return folder


@pytest.fixture
def make_run(tmp_path, base_folder, images):
    """make_run(**{"train.steps": 4}) -> (run, settings), small and quick."""

    def make(**overrides):
        values = {
            "model": {"base": str(base_folder)},
            "data": {"folder": str(images), "resolution": 32},
            "adapter": {"rank": 2, "alpha": 2.0},
            "train": {"steps": 4, "batch_size": 2, "lr": 1e-2, "device": "cpu", "seed": 7},
            "sample": {"prompts": ["zib"], "every": 0, "steps": 2, "guidance": 2.0},
            "save": {"every": 0, "dtype": "fp32"},
            "run": {"folder": str(tmp_path / "runs"), "name": "test"},
        }
        settings = make_settings(merge(values, overrides))
        settings = resolve(settings, inspect_base(settings.model.base))
        return Run.create(settings.run.folder, settings.run.name, dump_settings(settings)), settings

    return make

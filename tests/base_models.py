"""A whole base model with random weights, a few hundred kilobytes, in the same layout as the real ones; and images."""

import json
import shutil
from pathlib import Path

import ldm_layout
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from sdlora.check import resolve
from sdlora.families.base import inspect_base
from sdlora.families.shared.locate import CLIP
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings, make_settings, merge


def make_base(
    folder: Path, family: str = "sd1", prediction: str = "epsilon", inpainting: bool = False, real: bool = False
) -> Path:
    """A diffusers folder with random weights. family: "sd1", "sd2" or "sdxl".

    "sd1" has two UNet levels, factor 2, one text layer: seconds for what takes SD 1.5 minutes. ``real``, and the other
    families always: every module of the real model under its real name, factor 8, only narrow (32 or 64 channels).
    """
    torch.manual_seed(0)
    unet, vae, texts = _real_parts(family) if real or family != "sd1" else _small_parts()
    levels = len(vae["block_out_channels"])
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * levels, "up_block_types": ("UpDecoderBlock2D",) * levels}
    models = {
        "unet": UNet2DConditionModel(**unet, in_channels=9 if inpainting else 4),
        "vae": AutoencoderKL(**vae, **blocks, latent_channels=4),
        "scheduler": DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
            set_alpha_to_one=False, steps_offset=1, prediction_type=prediction,
        ),
    }  # fmt: skip
    for number, text in enumerate(texts):
        part, cls = ("text_encoder", CLIPTextModel) if not number else ("text_encoder_2", CLIPTextModelWithProjection)
        models[part] = cls(CLIPTextConfig(**text))
    index = {"_class_name": "StableDiffusionXLPipeline" if len(texts) == 2 else "StableDiffusionPipeline"}
    for part, model in models.items():
        model.save_pretrained(folder / part)
        library = "transformers" if part.startswith("text") else "diffusers"
        index[part] = [library, type(model).__name__]
    for number, text in enumerate(texts):
        part = "tokenizer_2" if number else "tokenizer"
        _write_tokenizer(folder / part, text)
        index[part] = ["transformers", "CLIPTokenizer"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _small_parts() -> tuple[dict, dict, list[dict]]:
    letters = len(_letters())
    text = {
        "vocab_size": letters,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 77,
        "bos_token_id": letters - 2,
        "eos_token_id": letters - 1,
        "pad_token_id": letters - 1,
    }
    unet = {
        "sample_size": 16,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    return unet, {"block_out_channels": (8, 8), "norm_num_groups": 4, "sample_size": 32}, [text]


def _real_parts(family: str) -> tuple[dict, dict, list[dict]]:
    def text(layers: int, activation: str, padding: int) -> dict:
        return {
            "vocab_size": 49408,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": layers,
            "num_attention_heads": 1,
            "bos_token_id": 49406,
            "eos_token_id": 49407,
            "hidden_act": activation,
            "pad_token_id": padding,
            "projection_dim": 32,
        }

    vae = {
        "block_out_channels": (32, 32, 32, 32),
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "sample_size": 64,
        "scaling_factor": 0.13025 if family == "sdxl" else 0.18215,
    }
    if family == "sdxl":
        unet = {
            "sample_size": 8,
            "block_out_channels": (32, 32, 64),
            "cross_attention_dim": 64,
            "attention_head_dim": [1, 1, 1],
            "transformer_layers_per_block": [1, 2, 10],
            "use_linear_projection": True,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 32 + 6 * 8,
        }
        return unet, vae, [text(12, "quick_gelu", 49407), text(32, "gelu", 0)]
    unet = {"sample_size": 8, "block_out_channels": (32, 32, 64, 64), "cross_attention_dim": 32}
    if family == "sd1":
        return unet | {"attention_head_dim": 8}, vae, [text(12, "quick_gelu", 49407)]
    return unet | {"attention_head_dim": [1] * 4, "use_linear_projection": True}, vae, [text(23, "gelu", 0)]


def _letters() -> list[str]:
    letters = [chr(c) for c in range(33, 127)]
    return letters + [c + "</w>" for c in letters] + ["<|startoftext|>", "<|endoftext|>"]


def _write_tokenizer(folder: Path, text: dict) -> None:
    """CLIP's own for the real vocabulary, single letters for the small one; as the hub's folders have it."""
    folder.mkdir(parents=True)
    if text["vocab_size"] == 49408:
        for name in ("vocab.json", "merges.txt"):
            shutil.copyfile(CLIP / name, folder / name)
    else:
        (folder / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(_letters())}))
        (folder / "merges.txt").write_text("#version: 0.2\n")
    end = "<|endoftext|>"
    config = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<|startoftext|>", "eos_token": end,
        "unk_token": end, "pad_token": end if text["pad_token_id"] else "!",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def write_single_file(folder: Path, family: str, path: Path, *, metadata=None, leave_out=(), extra=None, dtype=None):
    """The folder's weights as one checkpoint in the original layout. leave_out: prefixes of keys. Returns ``path``."""
    tensors = ldm_layout.convert(folder, family) | (extra or {})
    kept = {n: t.to(dtype) if dtype else t for n, t in tensors.items() if not n.startswith(tuple(leave_out))}
    save_file(kept, path, metadata)
    return path


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """bases("sdxl") -> a folder of that family with real module names, made once; not to be written to."""
    made: dict = {}

    def get(family: str, inpainting: bool = False) -> Path:
        key = (family, inpainting)
        if key not in made:
            name = family + ("-inpainting" if inpainting else "")
            made[key] = make_base(tmp_path_factory.mktemp("bases") / name, family, inpainting=inpainting, real=True)
        return made[key]

    return get


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory) -> Path:
    return make_base(tmp_path_factory.mktemp("models") / "small")


def draw_images(folder: Path) -> Path:
    """Five images of two shapes with captions."""
    folder.mkdir()
    for number in range(5):
        size = (32, 32) if number < 3 else (48, 24)
        picture = Image.effect_noise(size, 60 + 10 * number).convert("RGB")
        picture.save(folder / f"p{number}.png")
        (folder / f"p{number}.txt").write_text(f"zib, tag {number}, red, round")
    return folder


def begin_run(folder: Path, base: Path, images: Path, **overrides) -> tuple[Run, Settings]:
    """A run of four steps, small and quick, that has not begun."""
    values = {
        "model": {"base": str(base)},
        "data": {"folder": str(images), "resolution": 32},
        "adapter": {"rank": 2, "alpha": 2.0},
        "train": {"steps": 4, "batch_size": 2, "lr": 1e-2, "device": "cpu", "seed": 7},
        "sample": {"prompts": ["zib"], "every": 0, "steps": 2, "guidance": 2.0},
        "validation": {"every": 0},
        "save": {"every": 0, "dtype": "fp32"},
        "run": {"folder": str(folder), "name": "test"},
    }
    settings = make_settings(merge(values, overrides))
    settings = resolve(settings, inspect_base(settings.model.base))
    return Run.create(settings.run.folder, settings.run.name, dump_settings(settings)), settings


@pytest.fixture
def images(tmp_path) -> Path:
    return draw_images(tmp_path / "images")


@pytest.fixture
def make_run(tmp_path, base_folder, images):
    """make_run(**{"train.steps": 4}) -> (run, settings), small and quick."""

    def make(**overrides):
        return begin_run(tmp_path / "runs", base_folder, images, **overrides)

    return make

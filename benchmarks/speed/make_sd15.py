"""Random weights in the exact architecture of Stable Diffusion 1.5, 2.1 or XL: for speed, memory and full-size checks.

    python benchmarks/speed/make_sd15.py FOLDER                                  SD 1.5, fp16, diffusers folder: 2 GB
    python benchmarks/speed/make_sd15.py FILE.safetensors --family sdxl          SDXL as one file: 7 GB
    python benchmarks/speed/make_sd15.py FOLDER --family sd21 --dtype fp32       SD 2.1 (768, v-prediction): 5 GB

Speed and memory do not depend on what the weights are. The sizes are those of the published configuration files; the
tokenizer is the shipped one. Every tensor is drawn by itself, seeded by its name, and written at once: making a model
takes a few hundred megabytes of memory, and the folder and the single file of a family hold the same numbers.
"""

import argparse
import json
import shutil
import sys
import zlib
from functools import partial
from pathlib import Path

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import ldm_layout  # noqa: E402

from sdlora.families.shared.architectures import scheduler  # noqa: E402
from sdlora.families.shared.locate import CLIP  # noqa: E402

DTYPES = {"fp16": torch.float16, "fp32": torch.float32, "bf16": torch.bfloat16}
FAMILIES = {"sd15": "sd1", "sd21": "sd2", "sdxl": "sdxl"}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
          "projection_dim": 768}  # fmt: skip
OPEN_CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16,
               "projection_dim": 512, "hidden_act": "gelu", "pad_token_id": 0}  # fmt: skip
OPEN_CLIP_BIGG = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
                  "projection_dim": 1280, "hidden_act": "gelu", "pad_token_id": 0}  # fmt: skip
UNETS = {
    "sd15": {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
    "sd21": {"sample_size": 96, "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20],
             "use_linear_projection": True},
    "sdxl": {"sample_size": 128, "cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20],
             "use_linear_projection": True, "block_out_channels": [320, 640, 1280],
             "transformer_layers_per_block": [1, 2, 10],
             "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
             "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
             "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
             "projection_class_embeddings_input_dim": 2816},
}  # fmt: skip


def models(kind: str) -> dict[str, torch.nn.Module]:
    """The family's parts, laid out without memory."""
    vae = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": 1024 if kind == "sdxl" else 512,
        "scaling_factor": 0.13025 if kind == "sdxl" else 0.18215,
    }
    ends = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    first = OPEN_CLIP_H if kind == "sd21" else CLIP_L
    with init_empty_weights():
        parts = {
            "unet": UNet2DConditionModel(**UNETS[kind]),
            "vae": AutoencoderKL(**vae),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**(ends | first))),
        }
        if kind == "sdxl":
            parts["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**(ends | OPEN_CLIP_BIGG)))
    return parts


def draw(part: str, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """float32 random numbers that depend on the name alone, in the range of a fresh layer."""
    if len(shape) == 1:
        return torch.full(shape, float("norm" in name and name.endswith("weight")))
    generator = torch.Generator().manual_seed(zlib.crc32(f"{part}.{name}".encode()))
    if "embedding." in name and part.startswith("text"):
        return torch.empty(shape).normal_(0, 0.02, generator=generator)
    bound = torch.tensor(shape[1:]).prod().item() ** -0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


def make(target: Path, kind: str = "sd15", dtype: torch.dtype = torch.float16) -> None:
    """A diffusers folder at ``target``, or one checkpoint file if its name ends in .safetensors."""
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = models(kind)
    if target.suffix == ".safetensors":
        _single(target, kind, dtype, parts)
        return
    for part, model in parts.items():
        model.save_config(target / part) if part in ("unet", "vae") else model.config.save_pretrained(target / part)
        stem = "diffusion_pytorch_model" if part in ("unet", "vae") else "model"
        tensors = [
            (name, tuple(value.shape), partial(draw, part, ldm_layout.bare(name), tuple(value.shape)))
            for name, value in model.state_dict().items()
        ]
        ldm_layout.write_streaming(target / part / f"{stem}.safetensors", tensors, dtype)
    _rest(target, kind)


def _single(target: Path, kind: str, dtype: torch.dtype, parts: dict[str, torch.nn.Module]) -> None:
    tensors = []
    for part, model in parts.items():
        shapes = {ldm_layout.bare(name): tuple(value.shape) for name, value in model.state_dict().items()}
        for entry in ldm_layout.entries(FAMILIES[kind], part, shapes):
            get = partial(lambda part, shapes, name: draw(part, name, shapes[name]), part, shapes)
            tensors.append((entry.name, entry.shape, partial(ldm_layout.assemble, entry, get)))
    metadata = {"modelspec.prediction_type": "v"} if kind == "sd21" else None
    ldm_layout.write_streaming(target, tensors, dtype, metadata)


def _rest(target: Path, kind: str) -> None:
    """Tokenizers, scheduler and index of a diffusers folder."""
    two = kind == "sdxl"
    for name in ("tokenizer", "tokenizer_2")[: 1 + two]:
        (target / name).mkdir(parents=True, exist_ok=True)
        for file in ("vocab.json", "merges.txt"):
            shutil.copyfile(CLIP / file, target / name / file)
        open_clip = kind == "sd21" or name == "tokenizer_2"
        config = {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": 77,
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
            "pad_token": "!" if open_clip else "<|endoftext|>",
        }
        (target / name / "tokenizer_config.json").write_text(json.dumps(config))
    (target / "scheduler").mkdir(exist_ok=True)
    noise = scheduler("v_prediction" if kind == "sd21" else "epsilon", False)
    (target / "scheduler/scheduler_config.json").write_text(json.dumps(noise))
    index = {
        "_class_name": "StableDiffusionXLPipeline" if two else "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
    }
    if two:
        index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
        index["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
    (target / "model_index.json").write_text(json.dumps(index, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="a folder, or a file ending in .safetensors")
    parser.add_argument("--family", choices=sorted(FAMILIES), default="sd15")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="fp16")
    args = parser.parse_args()
    make(args.target, args.family, DTYPES[args.dtype])


if __name__ == "__main__":
    main()

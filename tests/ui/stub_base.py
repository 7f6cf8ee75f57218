"""A diffusers folder with everything but the weights' numbers: enough for every check that comes before a run."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

UNET = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64],
    "cross_attention_dim": 64,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
}
CONFIGS = {
    "unet/config.json": UNET,
    "vae/config.json": {"block_out_channels": [8, 8, 8, 8], "latent_channels": 4, "sample_size": 128},
    "text_encoder/config.json": {"max_position_embeddings": 77, "hidden_size": 64, "architectures": ["CLIPTextModel"]},
    "scheduler/scheduler_config.json": {"prediction_type": "epsilon", "_class_name": "DDIMScheduler"},
    "model_index.json": {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]},
    "tokenizer/vocab.json": {"a": 0, "b": 1},
    "tokenizer/tokenizer_config.json": {},
}


def make_stub_base(folder: Path) -> Path:
    for name, content in CONFIGS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        save_file({"weight": np.zeros(4, np.float32)}, folder / part / f"{stem}.safetensors")
    return folder

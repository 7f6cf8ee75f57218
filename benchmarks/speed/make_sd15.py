"""A diffusers folder of Stable Diffusion 1.5's exact architecture with random weights (about 2 GB, fp16).

    python benchmarks/speed/make_sd15.py FOLDER

Speed and memory do not depend on what the weights are. The sizes are those of the published configuration files
(UNet 860 M, CLIP ViT-L/14 123 M, autoencoder 84 M parameters); the tokenizer is the embedded base's.
"""

import shutil
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

TINY = Path(__file__).parents[2] / "sdlora" / "models" / "tiny"


def make(folder: Path) -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    try:
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        levels = 4
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
        )
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
            )
        )
    finally:
        torch.set_default_dtype(torch.float32)
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=CLIPTokenizer.from_pretrained(TINY / "tokenizer"),
        unet=unet,
        scheduler=DDIMScheduler.from_pretrained(TINY / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(TINY / "tokenizer" / name, folder / "tokenizer" / name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))

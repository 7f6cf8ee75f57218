"""Stable Diffusion XL (Podell et al. 2023): a deeper UNet, two text encoders, told the pictures' sizes. No torch."""

from sdlora.families.family import Configs, Family, Labels, Latent, Part
from sdlora.families.sd1 import spec as sd1
from sdlora.families.shared import unet_targets
from sdlora.families.shared.kohya_names import kohya_names
from sdlora.messages import say

TEXT_ENCODER = Part(
    "text_encoder",
    "text",
    say("modelfiles.encoder_text_encoder"),
    ("conditioner.embedders.0.transformer.",),
    "lora_te1_",
)
TEXT_ENCODER_2 = Part(
    "text_encoder_2", "text", say("health.learner_text_encoder_2"), ("conditioner.embedders.1.model.",),
    "lora_te2_", open_clip=True, projected=True,
)  # fmt: skip
PARTS = (sd1.UNET, sd1.VAE, TEXT_ENCODER, TEXT_ENCODER_2)
UNET_CONFIG = {
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "use_linear_projection": True,
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CLIP_G = {"num_hidden_layers": 32, "hidden_size": 1280, "intermediate_size": 5120}


def names(configs: Configs) -> dict[str, str]:
    """Canonical -> kohya names: the original code's block names, lora_unet_middle_block_1_…, lora_te1_…, lora_te2_…"""
    return kohya_names(PARTS, configs, original_blocks=True)


SDXL = Family(
    name="sdxl",
    title="SDXL",
    short="SDXL",
    preset="SDXL",
    signs={
        "conditions": ("text_time",),
        "text_encoders": (2,),
        "text_width": (2048,),
        "depth": ("deep",),
        "version": ("sdxl",),
        "architecture": ("stable-diffusion-xl",),
        "blocks": ("original",),
    },
    parts=PARTS,
    latent=Latent(channels=4, factor=8, scale=0.13025),
    resolution=1024,
    published={"unet": UNET_CONFIG, "text_encoder": sd1.CLIP_L, "text_encoder_2": CLIP_G},
    targets=unet_targets.UNET_SETS,
    text_targets=unet_targets.TEXT_ENCODER,
    names=names,
    original_blocks=True,
    labels=Labels(
        version="sdxl_base_v1-0",
        architecture="stable-diffusion-xl-v1-base/lora",
        sidecar="SDXL",
        hub=("stable-diffusion-xl", "stable-diffusion-xl-diffusers"),
        civitai="SDXL 1.0",
        licence="openrail++",
        implementation="https://github.com/Stability-AI/generative-models",
    ),
    model="sdlora.families.sdxl.model",
    clip_skip=False,
    block_lists=(12, 20),
)

"""Stable Diffusion 1.x (Rombach et al. 2022): a UNet that attends to CLIP ViT-L's text. No torch."""

from sdlora.families.family import Configs, Family, Labels, Latent, Part
from sdlora.families.shared import unet_targets
from sdlora.families.shared.kohya_names import kohya_names
from sdlora.messages import say

UNET = Part("unet", "denoiser", "UNet", ("model.diffusion_model.",), "lora_unet_")
VAE = Part("vae", "vae", "VAE", ("first_stage_model.", "vae."))
TEXT_ENCODER = Part(
    "text_encoder", "text", say("modelfiles.encoder_text_encoder"), ("cond_stage_model.transformer.",), "lora_te_"
)
PARTS = (UNET, VAE, TEXT_ENCODER)
LATENT = Latent(channels=4, factor=8, scale=0.18215)  # CompVis's kl-f8

UNET_CONFIG = {
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "cross_attention_dim": 768,
}
CLIP_L = {"num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072}


def names(configs: Configs) -> dict[str, str]:
    """Canonical -> kohya names: diffusers' blocks, one text encoder: lora_unet_mid_block_…, lora_te_text_model_…"""
    return kohya_names(PARTS, configs)


SD1 = Family(
    name="sd1",
    title="SD 1.x",
    short="SD 1",
    preset="SD 1.5",
    signs={
        "text_width": (768,),
        "version": ("sd_v1",),
        "architecture": ("stable-diffusion-v1",),
        "encoder_width": (768,),
        "projections": ("convolutions",),
    },
    parts=PARTS,
    latent=LATENT,
    resolution=512,
    published={"unet": UNET_CONFIG, "text_encoder": CLIP_L},
    targets=unet_targets.UNET_SETS,
    text_targets=unet_targets.TEXT_ENCODER,
    names=names,
    labels=Labels(
        version="sd_v1",
        versions={"v_prediction": "sd_v1_v"},
        architecture="stable-diffusion-v1/lora",
        sidecar="SD1",
        civitai="SD 1.5",
        licence="creativeml-openrail-m",
    ),
    model="sdlora.families.sd1.model",
    block_lists=(17, 26),
)

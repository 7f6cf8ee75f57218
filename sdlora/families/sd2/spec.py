"""Stable Diffusion 2.x: SD 1's UNet with linear projections, attending to OpenCLIP ViT-H's text. No torch."""

from sdlora.families.family import Configs, Family, Labels, Part
from sdlora.families.sd1 import spec as sd1
from sdlora.families.shared import unet_targets
from sdlora.families.shared.kohya_names import kohya_names
from sdlora.messages import say

# It was trained on the last layer but one of 24: the 24th is never run, and unknown to kohya's tools.
TEXT_ENCODER = Part(
    "text_encoder",
    "text",
    say("modelfiles.encoder_text_encoder"),
    ("cond_stage_model.model.",),
    "lora_te_",
    open_clip=True,
    layers=23,
)
PARTS = (sd1.UNET, sd1.VAE, TEXT_ENCODER)
UNET_CONFIG = sd1.UNET_CONFIG | {
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
    "attention_head_dim": [5, 10, 20, 20],
}
CLIP_H = {"num_hidden_layers": 23, "hidden_size": 1024, "intermediate_size": 4096}


def names(configs: Configs) -> dict[str, str]:
    """Canonical -> kohya names, spelled like SD 1's."""
    return kohya_names(PARTS, configs)


SD2 = Family(
    name="sd2",
    title="SD 2.x",
    short="SD 2",
    signs={
        "text_width": (1024,),
        "version": ("sd_v2",),
        "ss_v2": ("True",),
        "architecture": ("stable-diffusion-v2",),
        "encoder_width": (1024,),
        "projections": ("linear",),
    },
    parts=PARTS,
    latent=sd1.LATENT,
    resolution=512,
    resolutions={"v_prediction": 768},
    published={"unet": UNET_CONFIG, "text_encoder": CLIP_H},
    targets=unet_targets.UNET_SETS,
    text_targets=unet_targets.TEXT_ENCODER,
    names=names,
    labels=Labels(
        version="sd_v2",
        versions={"v_prediction": "sd_v2_v"},
        architecture="stable-diffusion-v2-512/lora",
        architectures={"v_prediction": "stable-diffusion-v2-768-v/lora"},
        sidecar="SD2",
        civitai="SD 2.1",
        licence="openrail++",
        v2=True,
    ),
    model="sdlora.families.sd1.model",
    several_predictions=True,
    block_lists=(17, 26),
)

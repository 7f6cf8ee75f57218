"""How the networks of SD 1 and 2 are made and run. A family's ``model`` has these five functions."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionInpaintPipeline, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from sdlora.families.family import Part
from sdlora.families.shared.clip_text import TextEncoding, final_norm


def network(part: Part, config: Mapping[str, Any]) -> nn.Module:
    """A network as its configuration describes it, its weights not loaded yet."""
    if part.role == "denoiser":
        return UNet2DConditionModel.from_config(config)
    if part.role == "vae":
        return AutoencoderKL.from_config(config)
    kind = CLIPTextModelWithProjection if part.projected else CLIPTextModel
    return kind(CLIPTextConfig.from_dict(config))


def text_state(encoder: nn.Module, ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
    """(hidden states (n, length, d), None) of token ids (n, length): there is no pooled text.

    clip_skip: 1 takes the last layer, 2 the one before (A1111's counting), with the final norm in either case.
    """
    output = encoder(ids, output_hidden_states=clip_skip != 1)
    if clip_skip == 1:
        return output.last_hidden_state, None
    return final_norm(encoder)(output.hidden_states[-clip_skip]), None


def predict(
    unet: nn.Module, noisy: Tensor, t: Tensor, text: TextEncoding, sizes: Tensor | None, masked: Tensor | None = None
) -> Tensor:
    """The denoiser's output (B, C, h, w) for noisy scaled latents (B, C, h, w), timesteps (B,) and texts.

    sizes: not told to this family. masked: (B, C + 1, h, w) mask and masked picture, for inpainting models.
    """
    return unet(with_mask(noisy, masked), t, text.hidden.to(noisy.dtype)).sample


def with_mask(noisy: Tensor, masked: Tensor | None) -> Tensor:
    """Mask and masked picture as further channels behind the latents' own, in diffusers' order."""
    return noisy if masked is None else torch.cat([noisy, masked.to(noisy)], dim=1)


def pipeline(inpainting: bool, **parts: Any) -> Any:
    """diffusers' pipeline for pictures. parts: unet, vae, scheduler; texts come to it encoded."""
    kind = StableDiffusionInpaintPipeline if inpainting else StableDiffusionPipeline
    without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return kind(text_encoder=None, tokenizer=None, **parts, **without)


def lora_loader() -> type:
    """diffusers' loader of LoRA files for that pipeline."""
    return StableDiffusionLoraLoaderMixin

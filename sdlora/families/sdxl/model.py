"""How the networks of SDXL are run: pooled text and sizes beside the text's states. Made as SD 1's are."""

from typing import Any

import torch
from diffusers import StableDiffusionXLInpaintPipeline, StableDiffusionXLPipeline
from diffusers.loaders import StableDiffusionXLLoraLoaderMixin
from torch import Tensor, nn

from sdlora.families.sd1.model import network, with_mask
from sdlora.families.shared.clip_text import TextEncoding

__all__ = ["lora_loader", "network", "pipeline", "predict", "text_state"]


def text_state(encoder: nn.Module, ids: Tensor, clip_skip: int) -> tuple[Tensor, Tensor | None]:
    """(hidden states (n, length, d), pooled text (n, d2)) of token ids (n, length).

    Always the second to last layer of either encoder, without the final norm; the first has no pooled text.
    """
    output = encoder(ids, output_hidden_states=True)
    return output.hidden_states[-2], getattr(output, "text_embeds", None)


def predict(
    unet: nn.Module, noisy: Tensor, t: Tensor, text: TextEncoding, sizes: Tensor, masked: Tensor | None = None
) -> Tensor:
    """The denoiser's output (B, 4, h, w) as SD 1's, told sizes (B, 6) in pixels: ``clip_text.time_ids`` gives them."""
    # Sizes stay float32 until the UNet has embedded them: bf16 would make 1336 of 1333 pixels.
    assert text.pooled is not None  # SDXL's second text encoder gives it
    told = {
        "text_embeds": text.pooled.to(noisy.dtype),
        "time_ids": sizes.to(noisy.device, torch.float32),
    }
    return unet(with_mask(noisy, masked), t, text.hidden.to(noisy.dtype), added_cond_kwargs=told).sample


def pipeline(inpainting: bool, **parts: Any) -> Any:
    """diffusers' pipeline for pictures of SDXL; arguments as for SD 1's."""
    kind = StableDiffusionXLInpaintPipeline if inpainting else StableDiffusionXLPipeline
    return kind(text_encoder=None, text_encoder_2=None, tokenizer=None, tokenizer_2=None, **parts)


def lora_loader() -> type:
    """diffusers' loader of LoRA files for SDXL's pipeline."""
    return StableDiffusionXLLoraLoaderMixin

"""Test pictures: stock diffusers pipelines around the live model, fixed seeds."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
)
from PIL import Image
from torch import nn

from sdlora.errors import UserError
from sdlora.families.base import BaseInfo
from sdlora.families.shared.clip_text import TextEncoding, TextReader, on_off
from sdlora.families.shared.load import load_scheduler, load_text_encoders, load_tokenizers, load_vae
from sdlora.lorafiles.attach import merge_into_modules
from sdlora.messages import say
from sdlora.pictures.sparing import row_by_row, tiled


@dataclass(frozen=True)
class Look:
    """How test pictures are drawn.

    size: side in pixels. seed: the first picture's; the next ones count up, unless ``seeds`` has one for each.

    sampler: "ddim", "euler" or "dpm++ 2m" (with Karras sigmas), as A1111 and ComfyUI run them. clip_skip: 1 is the
    last layer, as they count.
    """

    prompts: tuple[str, ...]
    negative: str = ""
    size: int = 512
    steps: int = 20
    guidance: float = 7.5
    seed: int = 42
    sampler: str = "ddim"
    clip_skip: int = 1
    seeds: tuple[int, ...] = ()

    @classmethod
    def of(cls, settings) -> "Look":
        """The look that a run's settings (resolved) ask for."""
        wish = settings.sample
        return cls(
            tuple(wish.prompts), wish.negative, wish.size, wish.steps, wish.guidance, wish.seed, wish.sampler,
            settings.model.clip_skip,
        )  # fmt: skip


@torch.no_grad()
def draw(
    base: BaseInfo,
    look: Look,
    unet: nn.Module,
    text_encoders: Mapping[str, nn.Module] | None = None,
    stack: Sequence[tuple[str, float]] = (),
    sparing: bool = False,
) -> Iterator[Image.Image]:
    """One picture per prompt, drawn with the UNet (and text encoders) as they are: a LoRA attached to them acts.

    The VAE, and text encoders that are not given, are loaded for the while and dropped again, so that training does
    not hold them; ``stack``: LoRA files merged into text encoders loaded here. Every picture has its own seed, drawn on
    the CPU: adding a prompt changes no other picture, and another device gives the same noise. sparing: in less memory.
    """
    device = unet.device
    encodings = list(_encode(base, look, unet, text_encoders, stack))
    vae = load_vae(base, torch.float32).to(device)  # some VAEs overflow in fp16
    make = base.spec.functions().pipeline
    pipeline = make(base.inpainting, vae=vae, unet=unet, scheduler=make_sampler(base, look.sampler))
    pipeline.set_progress_bar_config(disable=True)
    if sparing:
        tiled(vae)
    empty = Image.new("RGB", (look.size, look.size), (128, 128, 128))
    everything = Image.new("L", (look.size, look.size), 255)
    inpaint = {"image": empty, "mask_image": everything, "strength": 1.0} if base.inpainting else {}
    for number, (prompt, (positive, negative)) in enumerate(zip(look.prompts, encodings, strict=True)):
        with row_by_row(unet) if sparing else nullcontext():
            latents = pipeline(
                prompt_embeds=positive.hidden,
                negative_prompt_embeds=negative.hidden,
                **_pooled(positive, negative),
                **inpaint,
                height=look.size,
                width=look.size,
                num_inference_steps=look.steps,
                guidance_scale=look.guidance,
                generator=torch.Generator().manual_seed(look.seeds[number] if look.seeds else look.seed + number),
                output_type="latent",
            ).images
        if not latents.isfinite().all():
            raise UserError(
                say("training.picture_not_finite", prompt=repr(prompt[:60])),
                fix=say("training.change_precision_or_lr"),
            )
        decoded = vae.decode(latents.float() / vae.config.scaling_factor).sample[0]
        yield to_image(decoded)


def _pooled(positive: TextEncoding, negative: TextEncoding) -> dict[str, torch.Tensor]:
    """The pooled text, where the family has it, in the pipeline's arguments."""
    if positive.pooled is None:
        return {}
    return {"pooled_prompt_embeds": positive.pooled, "negative_pooled_prompt_embeds": negative.pooled}


def make_sampler(base: BaseInfo, name: str):
    """diffusers' scheduler of that name, with the base's noise schedule and prediction."""
    ddim = load_scheduler(base)
    # k-diffusion's samplers, which the tools run, space their steps evenly from the last timestep to the first.
    spacing = {"timestep_spacing": "trailing" if base.zero_snr else "linspace", "steps_offset": 0}
    if name == "euler":
        return EulerDiscreteScheduler.from_config(ddim.config, **spacing)
    if name == "dpm++ 2m":
        karras = {"use_karras_sigmas": not base.zero_snr, "algorithm_type": "dpmsolver++", "solver_order": 2}
        return DPMSolverMultistepScheduler.from_config(ddim.config, **spacing, **karras)
    return ddim


def _encode(base, look, unet, text_encoders, stack) -> Iterator[tuple[TextEncoding, TextEncoding]]:
    """(prompt, negative prompt) for each prompt. What is loaded here is dropped before the VAE comes."""
    if not text_encoders:
        text_encoders = {k: m.to(unet.device) for k, m in load_text_encoders(base, unet.dtype).items()}
        for path, strength in stack:
            merge_into_modules(text_encoders, path, strength)
    reader = TextReader(base.spec, tuple(load_tokenizers(base).values()), look.clip_skip, max_chunks=100)

    def encode(text: str) -> TextEncoding:
        return reader.encode(list(text_encoders.values()), reader.tokens([text]).to(unet.device))

    empty, negative = encode(""), encode(look.negative)
    for prompt in look.prompts:
        pair = on_off(encode(prompt), negative, empty)
        on, off = (part.to(unet.dtype) for part in pair)
        yield on, off


def to_image(decoded: torch.Tensor) -> Image.Image:
    """float (3, H, W) in -1..1 -> RGB image, as diffusers' VaeImageProcessor rounds."""
    array = (decoded.float() / 2 + 0.5).clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array)

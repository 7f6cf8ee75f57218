"""Test pictures: stock StableDiffusionPipeline around the live model, fixed seeds; and grids of them."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw

from sdlora.errors import UserError
from sdlora.models.load import load_scheduler, load_text_encoder, load_tokenizer, load_vae
from sdlora.run import write_atomically


@dataclass(frozen=True)
class Look:
    """How test pictures are drawn. size: side in pixels. seed: the first picture's; the next ones count up."""

    prompts: tuple[str, ...]
    negative: str = ""
    size: int = 512
    steps: int = 20
    guidance: float = 7.5
    seed: int = 42


@torch.no_grad()
def draw(folder: Path, prediction: str, look: Look, unet, text_encoder=None) -> Iterator[Image.Image]:
    """One picture per prompt, drawn with the UNet (and text encoder) as they are: a LoRA attached to them acts.

    The VAE, and a text encoder that is not given, are loaded from ``folder`` for the while and dropped again, so
    that training does not hold them. Every picture has its own seed: adding a prompt changes no other picture.
    """
    device, dtype = unet.device, unet.dtype
    vae = load_vae(folder, torch.float32).to(device)  # some VAEs overflow in fp16
    text_encoder = text_encoder if text_encoder is not None else load_text_encoder(folder, dtype).to(device)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=load_tokenizer(folder),
        unet=unet,
        scheduler=load_scheduler(folder, prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    for number, prompt in enumerate(look.prompts):
        latents = pipeline(
            prompt,
            negative_prompt=look.negative,
            height=look.size,
            width=look.size,
            num_inference_steps=look.steps,
            guidance_scale=look.guidance,
            generator=torch.Generator().manual_seed(look.seed + number),
            output_type="latent",
        ).images
        if not latents.isfinite().all():
            raise UserError(
                f"The test picture {prompt[:60]!r} came out as no finite numbers.",
                fix='Set train.precision to "fp32" or "bf16", or lower train.lr.',
            )
        decoded = vae.decode(latents.float() / vae.config.scaling_factor).sample[0]
        yield to_image(decoded)


def to_image(decoded: torch.Tensor) -> Image.Image:
    """float (3, H, W) in -1..1 -> RGB image, as diffusers' VaeImageProcessor rounds."""
    array = (decoded.float() / 2 + 0.5).clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array)


def save_png(image: Image.Image, path: Path) -> None:
    """Write atomically; OSError if the disk is full."""
    data = io.BytesIO()
    image.save(data, "PNG")
    write_atomically(path, data.getvalue())


def grid(rows: Sequence[tuple[str, Sequence[Image.Image]]], columns: Sequence[str] = ()) -> Image.Image:
    """One labelled row of pictures per entry, column titles above; pictures of the first one's size."""
    width, height = rows[0][1][0].size
    left, line = 90, 16
    top = line * 2 if columns else 0
    sheet = Image.new("RGB", (left + width * max(len(r) for _, r in rows), top + height * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, title in enumerate(columns):
        words, lines = title.split(), [""]
        for word in words:
            if pen.textlength(f"{lines[-1]} {word}") > width - 6 and lines[-1]:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
        pen.multiline_text((left + number * width + 3, 2), "\n".join(lines[:2]), "black", spacing=2)
    for r, (label, images) in enumerate(rows):
        pen.multiline_text((4, top + r * height + height // 2 - 8), label, "black")
        for c, image in enumerate(images):
            sheet.paste(image.resize((width, height)), (left + c * width, top + r * height))
    return sheet

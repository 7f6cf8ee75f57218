"""What a run needs before its first step: device, caches, frozen model, adapter."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from sdlora.config import Settings
from sdlora.data.cache import LatentCache, TextCache, encoder_identity, vae_identity
from sdlora.data.dataset import Item
from sdlora.errors import UserError
from sdlora.events import Event, Progress
from sdlora.lora.adapter import Adapter
from sdlora.lora.inject import inject
from sdlora.lora.targets import target_patterns
from sdlora.models.families import BaseInfo
from sdlora.models.load import load_scheduler, load_text_encoder, load_tokenizer, load_unet, load_vae, tokenize
from sdlora.train.batch import Captioning
from sdlora.train.processes import trains_on_cpu

DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def make_accelerator(device: str, precision: str) -> Accelerator:
    """accelerate's own choice of device and processes; UserError for a device that is not there."""
    there = {
        "auto": True,
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "xpu": hasattr(torch, "xpu") and torch.xpu.is_available(),
    }
    if not there[device]:
        raise UserError(
            f"train.device is {device}, but PyTorch finds no such device.",
            fix='Set it to "auto", or install the PyTorch build for your GPU (see docs/install.md).',
            where="train.device",
        )
    on_cpu = trains_on_cpu(device)
    if precision == "auto":
        half = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp16"
        precision = "fp32" if on_cpu or there["mps"] else half
    return Accelerator(mixed_precision="no" if precision == "fp32" else precision, cpu=on_cpu)


@dataclass
class Trainee:
    """The frozen model with its adapter. text_encoder is None where its outputs come from the cache."""

    base: BaseInfo
    unet: nn.Module
    text_encoder: nn.Module | None
    tokenizer: object
    text_cache: TextCache | None
    adapter: Adapter
    alphas_cumprod: Tensor  # (train timesteps,) float32
    scaling_factor: float
    configs: dict = field(default_factory=dict)  # "unet" and "text_encoder", for the file's key names

    def text_input(self, texts: list[str]) -> Tensor:
        """Token ids int64 (B, length) for a text encoder at hand, else cached hidden states (B, length, d)."""
        if self.text_encoder is not None:
            return tokenize(self.tokenizer, texts)
        return torch.stack([self.text_cache.get(text) for text in texts])

    def predict(self, noisy: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        """The UNet's output (B, 4, h, w) for scaled latents, timesteps and ``text_input``."""
        hidden = self.text_encoder(text)[0] if text.dtype == torch.int64 else text
        return self.unet(noisy, timesteps, hidden.to(noisy.dtype)).sample


def cache_latents(items: list[Item], base: BaseInfo, folder: Path, flip: bool, device) -> Iterator[Event | LatentCache]:
    """Encode what is missing, in float32 (some VAEs overflow in fp16); Progress events, then the cache itself.

    The VAE is loaded only if something is missing, and dropped before this ends.
    """
    cache = LatentCache(folder, vae_identity(base.folder / "vae", folder) + "-fp32")
    if cache.missing(items, flip):
        vae = load_vae(base.folder).to(device)

        @torch.no_grad()
        def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
            posterior = vae.encode(pixels.to(device)).latent_dist
            return posterior.mean, posterior.std

        for done, of in cache.encode(items, encode, flip):
            yield Progress("latents", done, of)
    yield cache


@torch.no_grad()
def cache_texts(texts: list[str], base: BaseInfo, folder: Path, device, dtype) -> Iterator[Event | TextCache]:
    """The same for a text encoder that is not trained."""
    parts = (base.folder / "text_encoder", base.folder / "tokenizer")
    cache = TextCache(folder, f"{encoder_identity(*parts, memo=folder)}-{dtype}")
    missing = [text for text in texts if cache.get(text) is None]
    if missing:
        tokenizer, encoder = load_tokenizer(base.folder), load_text_encoder(base.folder, dtype).to(device)
        for done, text in enumerate(missing, 1):
            cache.put(text, encoder(tokenize(tokenizer, [text]).to(device))[0][0])
            yield Progress("text", done, len(missing))
    yield cache


def load_trainee(
    settings: Settings, base: BaseInfo, captioning: Captioning, text_cache: TextCache | None, device, dtype
) -> Trainee:
    """Load and freeze the base, attach the adapter. The text encoder only if it learns or captions vary."""
    unet = load_unet(base.folder, dtype).to(device)
    needs_encoder = settings.adapter.text_encoder or text_cache is None
    text_encoder = load_text_encoder(base.folder, dtype).to(device) if needs_encoder else None
    chosen = settings.adapter
    roots = {"unet": unet, **({"text_encoder": text_encoder} if chosen.text_encoder else {})}
    adapter = inject(
        roots,
        targets=target_patterns(chosen.targets, text_encoder=chosen.text_encoder),
        rank=chosen.rank,
        alpha=chosen.alpha,
        rank_pattern=chosen.rank_pattern,
        alpha_pattern=chosen.alpha_pattern,
        seed=settings.train.seed,
    )
    if text_encoder is not None and not chosen.text_encoder:
        text_encoder.requires_grad_(False)
    if settings.train.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
        if chosen.text_encoder:
            text_encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            text_encoder.train()  # transformers checkpoints in this mode only; CLIP has no dropout
    scheduler = load_scheduler(base.folder, base.prediction)
    vae_config = json.loads((base.folder / "vae/config.json").read_text())
    return Trainee(
        base=base,
        unet=unet,
        text_encoder=text_encoder,
        tokenizer=load_tokenizer(base.folder),
        text_cache=text_cache,
        adapter=adapter,
        alphas_cumprod=scheduler.alphas_cumprod.float(),
        scaling_factor=vae_config.get("scaling_factor", 0.18215),
        configs={p: json.loads((base.folder / p / "config.json").read_text()) for p in ("unet", "text_encoder")},
    )

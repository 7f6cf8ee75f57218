"""The parts of a base model, loaded and frozen. Plain arguments; each part by itself, so that none is held for long."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors import SafetensorError
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils.logging import disable_progress_bar

from sdlora.errors import UserError
from sdlora.models.families import find_weights

disable_progress_bar()  # one bar per part of a model would bury our own


def _load(cls, folder: Path, part: str, dtype: torch.dtype):
    weights = find_weights(folder / part)
    variant = {"variant": "fp16"} if weights is not None and weights.name.endswith(".fp16.safetensors") else {}
    try:
        model = cls.from_pretrained(folder / part, use_safetensors=True, dtype=dtype, **variant)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UserError(
            f"The base model's {part} can't be loaded: {reason}.",
            fix="Download or convert the model again.",
            where="model.base",
        ) from error
    return model.requires_grad_(False).eval()


def load_unet(folder: Path, dtype: torch.dtype = torch.float32) -> UNet2DConditionModel:
    return _load(UNet2DConditionModel, folder, "unet", dtype)


def load_vae(folder: Path, dtype: torch.dtype = torch.float32) -> AutoencoderKL:
    return _load(AutoencoderKL, folder, "vae", dtype)


def load_text_encoder(folder: Path, dtype: torch.dtype = torch.float32) -> CLIPTextModel:
    return _load(CLIPTextModel, folder, "text_encoder", dtype)


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder / "tokenizer")


def load_scheduler(folder: Path, prediction: str) -> DDIMScheduler:
    """DDIM (Song et al. 2021) with the base's own betas: its alphas serve the training, its steps the pictures."""
    return DDIMScheduler.from_pretrained(folder / "scheduler", prediction_type=prediction, clip_sample=False)


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """int64 (B, model_max_length): padded and cut as SD pipelines do; 75 tokens of text at most."""
    length = tokenizer.model_max_length
    encoded = tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return encoded.input_ids

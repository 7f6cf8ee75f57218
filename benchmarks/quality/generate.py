"""Pictures from a base model and a LoRA, through stock diffusers: our own trainer's code is not used here."""

from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging


def load_base(folder: Path, device: str = "cpu") -> StableDiffusionPipeline:
    """The diffusers folder in fp32, silent."""
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device, torch.float32)


def add_lora(pipeline: StableDiffusionPipeline, file: Path) -> None:
    """Load a LoRA file (kohya or diffusers layout) as the adapter "judged", at strength 1."""
    pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name="judged")
    set_strength(pipeline, 1.0)


def set_strength(pipeline: StableDiffusionPipeline, strength: float) -> None:
    pipeline.set_adapters(["judged"], adapter_weights=[strength])


def draw(
    pipeline: StableDiffusionPipeline,
    prompts: list[str],
    seeds: list[int],
    steps: int = 20,
    guidance: float = 4.0,
    batch: int = 8,
) -> np.ndarray:
    """One picture per prompt and seed, uint8 (n, H, W, 3).

    Every picture has a generator of its own; batches are always cut at the same
    places, so that two models are compared at the same arithmetic.
    """
    out = []
    for i in range(0, len(prompts), batch):
        noise = [torch.Generator().manual_seed(seed) for seed in seeds[i : i + batch]]
        images = pipeline(
            prompts[i : i + batch],
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=noise,
            output_type="np",
        ).images
        out.append((images * 255).round().astype(np.uint8))
    return np.concatenate(out)


def equal_at_strength_zero(
    pipeline: StableDiffusionPipeline, base: StableDiffusionPipeline, prompts: list[str]
) -> bool:
    """Whether the LoRA at strength 0 gives the base's floating-point output, bit for bit."""
    set_strength(pipeline, 0.0)
    both = []
    for model in (pipeline, base):
        noise = [torch.Generator().manual_seed(i) for i in range(len(prompts))]
        both.append(model(prompts, num_inference_steps=4, guidance_scale=4.0, generator=noise, output_type="np").images)
    set_strength(pipeline, 1.0)
    return bool(np.array_equal(both[0], both[1]))


def interval(values: np.ndarray, draws: int = 10000, seed: int = 0) -> tuple[float, float, float]:
    """Mean of values (n,) and its bootstrap 95 % interval over the n subjects."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (draws, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)

"""The pictures as latents, drawn and encoded once: what train_unet.py reads.

Shard 0 holds every subject in every style it is shown in; each further shard
holds 2,000 variants (pairs, colours, grounds, sizes, turns), drawn from its own
number. A shard is made when it is missing, or when the autoencoder has changed.
"""

import hashlib
import random
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from captions import Spec, World
from common import save_atomically
from diffusers import AutoencoderKL
from layers import spread_out

VARIANTS = 2000  # in one shard


def specs_of(world: World, shard: int) -> list[Spec]:
    rng = random.Random(shard)
    return [world.variant(rng) for _ in range(VARIANTS)] if shard else world.plain()


def identity(vae_folder: Path) -> str:
    return hashlib.sha256((vae_folder / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and standard deviations (n, 4, 16, 16) of uint8 (n, 128, 128, 3), scaled as the UNet sees them, fp16."""
    means, stds = [], []
    for part in torch.from_numpy(pictures).permute(0, 3, 1, 2).split(32):
        x = (part.to(vae.device).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(vae.device.type, torch.bfloat16):
            posterior = vae.encode(x).latent_dist
        means.append((posterior.mean.float() * vae.config.scaling_factor).half().cpu())
        stds.append((posterior.std.float() * vae.config.scaling_factor).half().cpu())
    return torch.cat(means), torch.cat(stds)


def make_shard(world: World, vae: AutoencoderKL, shard: int, workers: int = 1) -> dict:
    specs = specs_of(world, shard)
    means, stds = [], []
    for start in range(0, len(specs), 1024):  # pictures would take 50 kB each
        pictures = np.stack(list(spread_out(world.picture, specs[start : start + 1024], workers)))
        mean, std = encode(vae, pictures)
        means.append(mean)
        stds.append(std)
    return {"specs": [astuple(spec) for spec in specs], "mean": torch.cat(means), "std": torch.cat(stds)}


def shards(
    data: Path, world: World, count: int, device: str = "cpu", workers: int = 1
) -> tuple[list[Spec], torch.Tensor, torch.Tensor, int]:
    """All specs, means and standard deviations of shards 0 to count - 1, and how many of them are plain."""
    folder, mark = data / "latents", identity(data / "vae")
    folder.mkdir(exist_ok=True)
    vae, parts = None, []
    for shard in range(count):
        file = folder / f"{shard:03d}.pt"
        part = torch.load(file, weights_only=True) if file.exists() else {}
        if part.get("vae") != mark:
            vae = vae or AutoencoderKL.from_pretrained(data / "vae").eval().to(device)
            part = {**make_shard(world, vae, shard, workers), "vae": mark}
            save_atomically(file, part)
            print(f"shard {shard}: {len(part['specs'])} pictures", flush=True)
        parts.append(part)
    specs = [Spec(*values) for part in parts for values in part["specs"]]
    mean, std = (torch.cat([part[key] for part in parts]).float() for key in ("mean", "std"))
    return specs, mean, std, len(parts[0]["specs"])

"""Step 2: train the autoencoder (128 px, factor 8, 4 latent channels) on the two base styles.

    python tools/tiny_base/train_vae.py DATA

Writes DATA/vae-state.pt every few minutes and goes on from it when started
again; ends by writing the diffusers folder DATA/vae with centred, whitened
latents. Held-out PSNR (glossy) is printed as it trains.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import BASE_STYLES, SCALING_FACTOR, make_optimizer, psnr, save_atomically, whiten
from diffusers import AutoencoderKL

CROP, BATCH = 96, 8


def build() -> AutoencoderKL:
    """The SD layout (four levels, factor 8) at an eighth of its width."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=128,
        scaling_factor=SCALING_FACTOR,
    )


def batch_at(pictures: torch.Tensor, step: int, crop: int = CROP) -> torch.Tensor:
    """Pictures (uint8, n,3,128,128) -> float (B,3,crop,crop) in -1..1; pure in step.

    Flips, turns, swapped colour channels and smooth shading: the autoencoder
    must draw pictures it has never seen (other styles, users' own).
    """
    g = torch.Generator().manual_seed(step)
    rows = torch.randint(len(pictures), (BATCH,), generator=g)
    out = []
    for row in rows:
        dice = torch.rand(8, generator=g).tolist()
        y, x = (int(d * (128 - crop + 1)) for d in dice[:2])
        picture = pictures[row, :, y : y + crop, x : x + crop].float() / 127.5 - 1
        if dice[2] < 0.5:
            picture = picture.flip(-1)
        if dice[3] < 0.25:
            picture = torch.rot90(picture, 1, (-2, -1))
        if dice[4] < 0.4:
            picture = picture[torch.randperm(3, generator=g)]
        if dice[5] < 0.4:  # smooth shading, tinted
            field = F.interpolate(torch.rand(1, 3, 3, 3, generator=g), size=(crop, crop), mode="bicubic")[0]
            picture = ((picture + 1) * (1 - 0.6 * dice[6] * field.clamp(0, 1)) - 1).clamp(-1, 1)
        if dice[7] < 0.1:
            picture = -picture
        out.append(picture)
    return torch.stack(out)


def loss_of(vae: AutoencoderKL, x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """L1 + L2 + edges + a small KL, so that latents are smooth enough to be denoised."""
    posterior = vae.encode(x).latent_dist
    mean, std = posterior.mean.float(), posterior.std.float()
    z = mean + std * torch.randn(mean.shape, generator=g).to(mean)
    y = vae.decode(z).sample.float()
    difference = y - x
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    kl = 0.5 * (mean**2 + std**2 - 1 - 2 * std.log()).sum() / x.numel()
    return difference.abs().mean() + 2 * difference.pow(2).mean() + 0.5 * edges + 5e-4 * kl


@torch.no_grad()
def held_out_psnr(vae: AutoencoderKL, pictures: torch.Tensor) -> float:
    """Mean PSNR in dB over pictures (uint8), each through encode (mean) and decode."""
    values = []
    for part in pictures.split(16):
        x = part.float() / 127.5 - 1
        y = vae.decode(vae.encode(x).latent_dist.mean).sample
        values += psnr(x, y).tolist()
    return float(np.mean(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--optimizer", default="muon", choices=["muon", "adamw"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    arrays = np.load(args.data / "pictures.npz")
    subjects = json.loads((args.data / "names.json").read_text())["subjects"]
    pictures = torch.from_numpy(np.concatenate([arrays[s] for s in BASE_STYLES])).permute(0, 3, 1, 2).contiguous()
    glossy = torch.from_numpy(arrays["glossy"][:subjects:5]).permute(0, 3, 1, 2).to(args.device)

    vae = build().to(args.device, memory_format=torch.channels_last)
    average = build().to(args.device).requires_grad_(False)
    average.load_state_dict(vae.state_dict())
    optimizer = make_optimizer(vae, args.optimizer, args.lr)
    start, state_file = 0, args.data / "vae-state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        start = state["step"]
        vae.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])

    began = saved = time.time()
    for step in range(start, args.steps):
        warm = min(1, (step + 1) / 200)
        rate = warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate
        x = batch_at(pictures, step).to(args.device, memory_format=torch.channels_last)
        with torch.autocast(args.device.split(":")[0], torch.bfloat16):
            loss = loss_of(vae, x, torch.Generator().manual_seed(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        keep = min(0.998, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(average.parameters()), list(vae.parameters()), 1 - keep)
        last = step + 1 == args.steps
        if last or time.time() - saved > 120:
            saved = time.time()
            save_atomically(
                state_file,
                {
                    "step": step + 1,
                    "model": vae.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                },
            )
            done = step + 1 - start
            print(
                f"step {step + 1} loss {loss.item():.4f} glossy {held_out_psnr(average, glossy):.2f} dB "
                f"{done * BATCH * CROP * CROP / (time.time() - began) / 1e3:.0f}k px/s",
                flush=True,
            )
    whiten(average, pictures[:: max(1, len(pictures) // 512)])
    average.save_pretrained(args.data / "vae")
    print(f"glossy after whitening: {held_out_psnr(average, glossy):.2f} dB -> {args.data}/vae")


if __name__ == "__main__":
    main()

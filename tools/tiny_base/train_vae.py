"""Step 2: train the autoencoder (128 px, factor 8, 4 latent channels) on pictures in all taught styles.

    python tools/tiny_base/train_vae.py DATA [--start sdlora/families/tiny/vae] [--minutes 12]

Writes DATA/vae-state.pt every few minutes and goes on from it when started
again; ends by writing the diffusers folder DATA/vae with centred, whitened
latents. As it trains it prints its PSNR on pictures that it never sees: one in
ten of the names, thin strokes and dark grounds among them, and the judged styles.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from captions import Spec, World
from common import SCALING_FACTOR, Budget, make_optimizer, psnr, save_atomically, whiten
from diffusers import AutoencoderKL
from grow import grow
from layers import of_subject, spread_out
from styles import JUDGED, draw

CROP, BATCH = 96, 8
CHECKED = ("noto", "comic", "outline", "negative", "blueprint", "neon", *JUDGED)


def split_names(listing: dict) -> tuple[list[int], list[int]]:
    """Rows of the names that the autoencoder is trained on, and of those it never sees: a tenth of the others."""
    unseen = list(range(listing["subjects"], len(listing["names"]), 10))
    return [i for i in range(len(listing["names"])) if i not in set(unseen)], unseen


def bank(world: World, rows: list[int], count: int, workers: int = 1, seed: int = 0) -> torch.Tensor:
    """uint8 (count, 3, 128, 128): subjects, styles, colours, grounds, sizes and pairs at random."""
    rng, known, specs = random.Random(seed), {*rows, None}, []
    while len(specs) < count:
        spec = world.variant(rng)
        if {spec.subject, spec.second} <= known:
            specs.append(spec if rng.random() < 0.4 else Spec(spec.style, spec.subject))
    pictures = np.stack(list(spread_out(world.picture, specs, workers)))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def unseen_pictures(world: World, rows: list[int], each: int = 16) -> dict[str, torch.Tensor]:
    """Per style a few pictures of names that are in no training picture, uint8 (each, 3, 128, 128)."""
    out = {}
    for style in CHECKED:
        drawn = [draw(style, of_subject(world.layers, row)) for row in rows[:each]]
        out[style] = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)
    return out


def build(channels: tuple[int, ...] = (16, 32, 64, 128), layers: int = 1) -> AutoencoderKL:
    """The SD layout (four levels, factor 8) at an eighth of its width."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=channels,
        layers_per_block=layers,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=128,
        scaling_factor=SCALING_FACTOR,
    )


def batch_at(pictures: torch.Tensor, step: int, batch: int = BATCH, crop: int = CROP) -> torch.Tensor:
    """Pictures (uint8, n,3,128,128) -> float (B,3,crop,crop) in -1..1 on their device; pure in step.

    Flips, turns, swapped colour channels and smooth shading: the autoencoder
    must draw pictures it has never seen (other styles, users' own).
    """
    g = torch.Generator().manual_seed(step)
    device = pictures.device
    dice = torch.rand(8, batch, generator=g)
    rows = (dice[0] * len(pictures)).long()
    y, x = ((d * (129 - crop)).long()[:, None] + torch.arange(crop) for d in dice[1:3])
    x = torch.where(dice[3][:, None] < 0.5, x.flip(-1), x)
    swapped = torch.rand(batch, 3, generator=g).argsort(-1)
    channels = torch.where(dice[4][:, None] < 0.4, swapped, torch.arange(3))
    index = rows[:, None, None, None], channels[:, :, None, None], y[:, None, :, None], x[:, None, None, :]
    out = pictures[tuple(i.to(device) for i in index)].float() / 127.5 - 1
    chosen = [(d[:, None, None, None]).to(device) for d in (dice[5] < 0.25, dice[6] < 0.4, dice[7] < 0.1)]
    out = torch.where(chosen[0], torch.rot90(out, 1, (-2, -1)), out)
    # Smooth shading, tinted.
    depth = 0.6 * torch.rand(batch, 1, 1, 1, generator=g).to(device)
    coarse = torch.rand(batch, 3, 3, 3, generator=g).to(device)
    field = F.interpolate(coarse, size=(crop, crop), mode="bicubic").clamp(0, 1)
    out = torch.where(chosen[1], ((out + 1) * (1 - depth * field) - 1).clamp(-1, 1), out)
    return torch.where(chosen[2], -out, out)


def loss_of(vae: AutoencoderKL, x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """L1 + L2 + edges + log L2 + a small KL, so that latents are smooth enough to be denoised."""
    posterior = vae.encode(x).latent_dist
    mean, std = posterior.mean.float(), posterior.std.float()
    z = mean + std * torch.randn(mean.shape, generator=g).to(mean)
    y = vae.decode(z).sample.float()
    difference = y - x
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    kl = 0.5 * (mean**2 + std**2 - 1 - 2 * std.log()).sum() / x.numel()
    square = difference.pow(2).mean((1, 2, 3))
    # The logarithm is PSNR itself: easy pictures go on counting when they are nearly right.
    return difference.abs().mean() + 2 * square.mean() + 0.5 * edges + 0.02 * (square + 1e-4).log().mean() + 5e-4 * kl


@torch.no_grad()
def copies(vae: AutoencoderKL, pictures: np.ndarray) -> np.ndarray:
    """uint8 (n, 128, 128, 3) through encode (mean) and decode."""
    out = []
    for part in torch.from_numpy(pictures).permute(0, 3, 1, 2).split(16):
        x = part.to(vae.quant_conv.weight.device).float() / 127.5 - 1
        y = vae.decode(vae.encode(x).latent_dist.mean).sample
        out.append(((y.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(out)


@torch.no_grad()
def held_out_psnr(vae: AutoencoderKL, pictures: torch.Tensor) -> float:
    """Mean PSNR in dB over pictures (uint8), each through encode (mean) and decode."""
    values = []
    for part in pictures.split(16):
        x = part.float() / 127.5 - 1
        y = vae.decode(vae.encode(x).latent_dist.mean).sample
        values += psnr(x, y).tolist()
    return float(np.mean(values))


@torch.no_grad()
def report(vae: AutoencoderKL, pictures: dict[str, torch.Tensor]) -> str:
    device = vae.quant_conv.weight.device
    values = {style: held_out_psnr(vae, p.to(device)) for style, p in pictures.items()}
    each = ", ".join(f"{style} {value:.1f}" for style, value in values.items())
    return f"unseen {np.mean(list(values.values())):.2f} dB ({each})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cuda = torch.cuda.is_available()
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, help="train for so long instead of --steps")
    parser.add_argument("--batch", type=int, default=64 if cuda else BATCH)
    parser.add_argument("--pictures", type=int, default=6000, help="how many are drawn to train on")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--optimizer", default="muon", choices=["muon", "adamw"])
    parser.add_argument("--channels", default="16,32,64,128", help="of the four levels")
    parser.add_argument("--layers", type=int, default=1, help="of each block")
    parser.add_argument(
        "--start", type=Path, help="a diffusers autoencoder to go on from, as wide as --channels or narrower"
    )
    parser.add_argument("--decoder-only", action="store_true", help="keep the latents: a UNet for them exists already")
    parser.add_argument("--save-seconds", type=float, default=120)
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    listing = json.loads((args.data / "names.json").read_text())
    world = World.open(args.data, subjects_only=False)
    rows, unseen = split_names(listing)
    pictures = bank(world, rows, args.pictures, args.workers).to(args.device)
    judged = unseen_pictures(world, unseen)

    shape = tuple(int(c) for c in args.channels.split(",")), args.layers
    vae = build(*shape)
    if args.start:
        grow(AutoencoderKL.from_pretrained(args.start), vae)
    # So narrow convolutions run a quarter faster on a CPU where each channel is a plane.
    layout = torch.contiguous_format if args.device == "cpu" else torch.channels_last
    vae = vae.to(args.device, memory_format=layout)
    average = build(*shape).to(args.device).requires_grad_(False)
    average.load_state_dict(vae.state_dict())
    if args.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    optimizer = make_optimizer(vae, args.optimizer, args.lr)
    start, used, state_file = 0, 0.0, args.data / "vae-state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True, map_location=args.device)
        start, used = state["step"], state["used"]
        vae.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    print(f"from step {start}: {report(average, judged)}", flush=True)

    budget, saved, step = Budget(args.steps, args.minutes, used), time.time(), start
    while budget.share(step) < 1:
        rate = budget.rate(step, 0.3)
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate
        x = batch_at(pictures, step, args.batch).to(memory_format=layout)
        with torch.autocast(args.device.split(":")[0], torch.bfloat16):
            loss = loss_of(vae, x, torch.Generator().manual_seed(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        keep = min(0.998, step / (step + 9))
        torch._foreach_lerp_(list(average.parameters()), list(vae.parameters()), 1 - keep)
        if budget.share(step) >= 1 or time.time() - saved > args.save_seconds:
            saved = time.time()
            parts = {"model": vae.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            save_atomically(state_file, {"step": step, "used": budget.spent(), **parts})
            print(
                f"step {step} ({budget.share(step):.0%}) loss {loss.item():.4f} {report(average, judged)}", flush=True
            )
    if not args.decoder_only:
        whiten(average, pictures[:: max(1, len(pictures) // 1024)])
    average.save_pretrained(args.data / "vae")
    print(f"after whitening: {report(average, judged)} -> {args.data}/vae")


if __name__ == "__main__":
    main()

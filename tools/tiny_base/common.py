"""What the steps share: optimizer, schedule, atomic saving, PSNR, whitening of the latents."""

import math
import os
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from pytorch_optimizer import AdamW, Muon  # Muon with a fallback to AdamW, on 2-D and convolution weights

SCALING_FACTOR = 0.18215  # SD 1.x's own, so that nothing downstream can forget it unnoticed


def make_optimizer(model: torch.nn.Module, kind: str, lr: float) -> torch.optim.Optimizer:
    """Muon for hidden matrices, AdamW (at a third of lr) for the rest; "adamw": AdamW for all."""
    inner, outer = [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        edge = "conv_in" in name or "conv_out" in name or "quant" in name or "embed" in name
        (outer if edge or parameter.ndim < 2 else inner).append(parameter)
    if kind == "adamw":
        optimizer = AdamW([{"params": inner + outer, "lr": lr}], lr=lr, betas=(0.9, 0.99), weight_decay=0.0)
    else:
        optimizer = Muon(
            [
                {"params": inner, "lr": lr * 5, "use_muon": True},
                {"params": outer, "lr": lr / 3, "use_muon": False},
            ],
            weight_decay=0.0,
            adamw_betas=(0.9, 0.99),
        )
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    return optimizer


class Budget:
    """How much of a training is done, counted in steps or in minutes of work, and its learning rate.

    Minutes are summed over all starts, so that a training that is stopped and
    goes on ends where one that was not would; its steps then depend on the machine.
    """

    def __init__(self, steps: int | None, minutes: float | None, used: float = 0.0):
        self.steps, self.seconds, self.used = steps, 60 * minutes if minutes else None, used
        self.began = time.time()

    def spent(self) -> float:
        """Seconds of work, this start's included."""
        return self.used + time.time() - self.began

    def share(self, step: int) -> float:
        """0 at the start, 1 when done."""
        return min(1.0, self.spent() / self.seconds if self.seconds else step / self.steps)

    def rate(self, step: int, decay_from: float, warm: int = 200) -> float:
        """Of the learning rate: rises over the first steps, falls as a half cosine to 2 % after decay_from."""
        left = min(1.0, (1 - self.share(step)) / (1 - decay_from))
        return min(1, (step + 1) / warm) * (0.02 + 0.98 * 0.5 * (1 - math.cos(math.pi * left)))


def save_atomically(path: Path, state: dict) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def psnr(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Per picture, in dB, after rounding y as a saved file would; x, y (B,3,H,W) in -1..1."""
    y = ((y.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
    return 10 * torch.log10(4 / (x - y).pow(2).mean((1, 2, 3)).clamp_min(1e-10))


@torch.no_grad()
def whiten(vae: AutoencoderKL, pictures: torch.Tensor) -> None:
    """Fold a 4x4 affine map into the 1x1 convolutions around the latents, in place.

    Afterwards ``scaling_factor * latents`` has zero mean and unit covariance over
    pictures (uint8, n,3,H,W), which a scaling factor alone can't give; decoding
    undoes the map exactly, so pictures do not change.
    """
    device = vae.quant_conv.weight.device
    parts = [vae.encode(p.to(device).float() / 127.5 - 1).latent_dist.mean for p in pictures.split(16)]
    rows = torch.cat(parts).permute(0, 2, 3, 1).reshape(-1, 4).double()
    mean, covariance = rows.mean(0), torch.cov(rows.T)
    values, vectors = torch.linalg.eigh(covariance)
    to_white = vectors @ torch.diag(values.rsqrt()) @ vectors.T / vae.config.scaling_factor
    back = torch.linalg.inv(to_white)

    quant, post = vae.quant_conv, vae.post_quant_conv
    weight, bias = quant.weight.double()[:, :, 0, 0], quant.bias.double()
    # The second half of quant_conv is the log-variance: shift it by the mean gain.
    gain = torch.linalg.det(to_white).abs().log() / 4
    weight[:4] = to_white @ weight[:4]
    bias[:4] = to_white @ (bias[:4] - mean)
    bias[4:] += 2 * gain
    quant.weight.copy_(weight[:, :, None, None])
    quant.bias.copy_(bias)
    weight, bias = post.weight.double()[:, :, 0, 0], post.bias.double()
    post.bias.copy_(bias + weight @ mean)
    post.weight.copy_((weight @ back)[:, :, None, None])

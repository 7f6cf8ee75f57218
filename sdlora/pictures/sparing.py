"""Pictures in less memory: the UNet one row of a batch at a time, the VAE in tiles, which may show faint seams."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

TILE = 32  # latents a side: 256 pixels of most models


@contextmanager
def row_by_row(unet: nn.Module) -> Iterator[None]:
    """While in here, a call of the UNet on B latents is B calls on one, whose outputs are laid together."""
    own, former = unet.forward, vars(unet).get("forward")

    def forward(sample: Tensor, *args: Any, **options: Any) -> Any:
        rows = []
        for row in range(len(sample)):
            less = [_row(value, row, len(sample)) for value in args]
            named = {name: _row(value, row, len(sample)) for name, value in options.items()}
            rows.append(own(sample[row : row + 1], *less, **named))
        if isinstance(rows[0], tuple):
            return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))
        return type(rows[0])(sample=torch.cat([output.sample for output in rows]))

    unet.forward = forward
    try:
        yield
    finally:
        if former is None:
            del unet.forward
        else:
            unet.forward = former


def tiled(vae: AutoencoderKL) -> AutoencoderKL:
    """The VAE itself, which from now on decodes larger latents than TILE x TILE in tiles that overlap."""
    vae.enable_tiling()
    vae.tile_latent_min_size = TILE
    vae.tile_sample_min_size = TILE * 2 ** (len(vae.config.block_out_channels) - 1)
    return vae


def _row(value: Any, row: int, count: int) -> Any:
    """Of what there is one of for each of ``count`` latents the one of ``row``; all else as it is."""
    if isinstance(value, dict):
        return {name: _row(part, row, count) for name, part in value.items()}
    if isinstance(value, Tensor) and value.ndim and len(value) == count:
        return value[row : row + 1]
    return value

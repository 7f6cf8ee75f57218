"""Is another VAE one of the base model's family? No torch.

SD 1.x and 2.x share one latent space (CompVis's kl-f8, scaling factor 0.18215), SDXL has its own (0.13025). Their VAEs
agree in every shape, so that one in the other's place trains in the wrong latent space without an error.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sdlora.families.shared.header import read_header, read_numbers
from sdlora.messages import say

FIRST = "encoder.conv_in.weight"  # under this name in the original and in diffusers' spelling
# Fine-tuned VAEs keep their encoder or nearly so (cosine near 1); those trained apart share nothing (near 0).
ALIKE = 0.5


def difference(own: Iterable[Path], own_scaling: float, other: Iterable[Path], other_scaling: float | None) -> str:
    """Why ``other`` is of another family than the base's ``own`` VAE; "" if it is not, or if nothing tells.

    own, other: the weight files, none where there are none. other_scaling: as its folder states it, else None.
    """
    if other_scaling and abs(other_scaling - own_scaling) > 1e-3 * own_scaling:
        return say("models.because_scaling_factor", given=f"{other_scaling:g}", own=f"{own_scaling:g}")
    first, second = _first_weights(own), _first_weights(other)
    if first is None or second is None or first.shape != second.shape:
        return ""
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    if length and float((first * second).sum()) / length < ALIKE:
        return say("models.because_other_encoder")
    return ""


def _first_weights(files: Iterable[Path]) -> np.ndarray | None:
    for file in files:
        header = read_header(file, "vae")
        for prefix in ("", "first_stage_model.", "vae."):
            if prefix + FIRST in header.tensors:
                return read_numbers(file, header, prefix + FIRST)
    return None

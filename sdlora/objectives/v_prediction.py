"""v, a mixture of noise and image that stays of one size at every timestep (Salimans & Ho 2022)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sdlora.objectives.objective import Numbers, Objective, add_noise, bounded_snr, snr_of

if TYPE_CHECKING:
    from torch import Tensor

# A v-prediction UNet's last attention norm has larger biases than an epsilon UNet's; ComfyUI tells SD 2 files so.
TELLTALE = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
TELLTALE_SPREAD = 0.09
# Marker tensors are lost in merges; makers of v-prediction models mostly say it in the file's name.
# Not behind a "no" ("nonVpred"), and not beside "eps" ("vpred converted to eps").
_NOT = "".join(f"(?<!{word})(?<!{word}[\\W_])" for word in ("no", "non", "not"))
V_NAME = re.compile(_NOT + r"v[\W_]?(pred|param)", re.IGNORECASE)
EPSILON_NAME = re.compile(r"(?<![a-z])eps(?![a-df-hj-z])", re.IGNORECASE)


def velocity(x0: Tensor, noise: Tensor, a: Tensor) -> Tensor:
    """v, (B, 4, h, w): sqrt(a) noise - sqrt(1 - a) x0 (Salimans & Ho 2022)."""
    a = a.view(-1, 1, 1, 1)
    return a.sqrt() * noise - (1 - a).sqrt() * x0


def _named(name: str) -> bool:
    """Does a model's name say that it predicts v?"""
    return bool(V_NAME.search(name) and not EPSILON_NAME.search(name))


def _shown(spread: Numbers) -> bool | None:
    """Does an SD 2 UNet look like one that predicts v? None for another size of UNet, which can't be told."""
    found = spread(TELLTALE)
    return None if found is None else found > TELLTALE_SPREAD


OBJECTIVE = Objective(
    name="v_prediction",
    title="v-prediction",
    noisy=add_noise,
    target=velocity,
    weight=lambda a, gamma: snr_of(a).clamp(max=gamma) / (snr_of(a) + 1),  # the same weight on x0
    debiased=lambda a: 1 / (bounded_snr(a) + 1),
    recorded="v",
    stated={
        "modelspec.prediction_type": ("v", "v_prediction"),
        "modelspec.architecture": ("stable-diffusion-v2-768-v",),
        "ss_v_parameterization": ("True",),
    },
    marker="v_pred",
    named=_named,
    shown=_shown,
)

"""LoRA in files: up · down, and LoCon's Tucker form of a convolution, up · mid · down."""

from collections.abc import Collection

import torch
from torch import Tensor

from sdlora.adapters.form import Form, Tensors
from sdlora.messages import say


def _shown(names: Collection[str]) -> str:
    return say("lorafiles.kind_tucker") if "mid" in names else "LoRA"


def _factors(parts: Tensors) -> tuple[Tensor, Tensor]:
    down, up = parts["down"], parts["up"]
    if "mid" not in parts:
        return down, up
    merged = torch.einsum("mnkl,nj->mjkl", parts["mid"], down.flatten(1))
    return merged, up.reshape(up.shape[0], up.shape[1], 1, 1)


def _product(parts: Tensors) -> Tensor:
    down, up = _factors(parts)
    return up.flatten(1) @ down.flatten(1)


def _size(parts: Tensors) -> tuple[int, int]:
    kernel = parts["mid"].shape[2:].numel() if "mid" in parts else 1
    return parts["up"].shape[0], parts["down"][0].numel() * kernel


def _fits(parts: Tensors) -> bool:
    down, up = parts["down"], parts["up"]
    if down.ndim not in (2, 4) or up.ndim not in (2, 4) or up.shape[2:].numel() != 1:
        return False
    if "mid" in parts:
        mid = parts["mid"]
        return mid.ndim == 4 and mid.shape[:2] == (up.shape[1], down.shape[0]) and down.shape[2:].numel() == 1
    return down.shape[0] == up.shape[1] and down.ndim == up.ndim


FORM = Form(
    name="lora",
    shown=_shown,
    needed=frozenset({"down", "up"}),
    optional=frozenset({"mid"}),
    product=_product,
    size=_size,
    kernel=lambda parts: tuple(parts["mid" if "mid" in parts else "down"].shape[2:]),
    fits=_fits,
    ranked=("down",),
    factors=_factors,
    leaves={
        "kohya": {"down": "lora_down.weight", "up": "lora_up.weight", "mid": "lora_mid.weight"},
        "diffusers": {"down": "lora_A.weight", "up": "lora_B.weight"},
    },
    # "(\.\w+)?" is peft's name of the adapter, usually "default"; the last two are diffusers' before peft
    spellings=(
        (r"\.lora_A(\.\w+)?\.weight", "down"),
        (r"\.lora_B(\.\w+)?\.weight", "up"),
        (r"(\.lora|\.lora_linear_layer|_lora)\.down\.weight", "down"),
        (r"(\.lora|\.lora_linear_layer|_lora)\.up\.weight", "up"),
    ),
)

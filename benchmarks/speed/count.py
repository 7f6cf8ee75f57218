"""What a training step asks of a device, counted and not timed: operations, kernels, FLOPs, bytes.

    python benchmarks/speed/count.py [OUT.json] [--family sd1 sdxl] [--targets attn-mlp] [--kind lora] [--rank 16]

At batch 1 a GPU waits for the launch of every operation, so their number is the time. It depends on the architecture
alone: the counts are of UNets with the real topology and few channels, which take seconds; FLOPs and bytes are of the
full size, on tensors without memory.

* operations  all that reach the dispatcher
* kernels     those that compute: views, and memory that is only reserved, are left out
* FLOPs       of matrix products, convolutions and attention (torch's own formulas)
* bytes       read and written by the kernels, as if nothing stayed in a cache
"""

import argparse
import json
import platform
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[2]))

from sdlora.adapters.inject import inject  # noqa: E402
from sdlora.train.optimizers.groups import make_optimizer  # noqa: E402

RESERVED = ("aten.empty", "aten.new_empty", "aten._unsafe_view")  # no alias in the schema, and nothing is computed
SD1 = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
NARROW = {
    "sd1": {"block_out_channels": (32, 64, 128, 128), "cross_attention_dim": 32},
    "sdxl": {
        "block_out_channels": (32, 64, 128), "attention_head_dim": (1, 2, 4), "cross_attention_dim": 64,
        "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 48 + 40,
    },
}  # fmt: skip
FAMILIES = {"sd1": SD1, "sdxl": SDXL}


class Counting(TorchDispatchMode):
    """Counts by name what is dispatched while it is on; kernels by name too, with the bytes they touch."""

    def __init__(self):
        super().__init__()
        self.operations, self.kernels, self.bytes = Counter(), Counter(), 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = str(function).rpartition(".")[0]
        self.operations[name] += 1
        if computes(function):
            self.kernels[name] += 1
            self.bytes += sum(t.numel() * t.element_size() for t in tree_leaves((args, kwargs, result)) if is_tensor(t))
        return result


def computes(function: Any) -> bool:
    """Is it more than another view of memory that is there, or a piece of memory?"""
    aliases = [returned.alias_info for returned in function._schema.returns]
    views = any(alias is not None and not alias.is_write for alias in aliases)
    return not views and not str(function).startswith(RESERVED)


def is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def make_unet(family: str, narrow: bool, device: str = "cpu") -> UNet2DConditionModel:
    """The family's UNet, frozen, with random weights."""
    config = FAMILIES[family] | (NARROW[family] if narrow else {})
    with torch.device(device):
        return UNet2DConditionModel(**config).eval().requires_grad_(False)


def inputs_of(unet: UNet2DConditionModel, side: int) -> tuple[tuple, dict]:
    """Arguments of one call with batch 1. side: of the latents."""
    config, device = unet.config, unet.device
    args = (torch.zeros(1, 4, side, side), torch.tensor([500]), torch.zeros(1, 77, config.cross_attention_dim))
    told = {}
    if config.addition_embed_type:
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        told = {"text_embeds": torch.zeros(1, pooled, device=device), "time_ids": torch.zeros(1, 6, device=device)}
    return tuple(tensor.to(device) for tensor in args), {"added_cond_kwargs": told}


def step_of(
    unet: UNet2DConditionModel, side: int, to_input: bool, call: Callable[..., Any] | None = None
) -> Callable[[], None]:
    """Forward, loss and backward; to_input: to the noisy latents, where nothing else learns. call: of the UNet."""
    (noisy, t, text), more = inputs_of(unet, side)
    target = torch.zeros_like(noisy)

    def step() -> None:
        x = noisy.requires_grad_(to_input)
        ((call or unet)(x, t, text, **more).sample - target).pow(2).mean().backward()

    return step


def counted(step: Callable[[], Any]) -> Counting:
    with Counting() as counting:
        step()
    return counting


def count(family: str, targets: str = "attn-mlp", kind: str = "lora", rank: int = 16, autocast: bool = False) -> dict:
    """Operations and kernels of a step of the UNet alone, with the adapter, and of what comes after the backward."""
    unet = make_unet(family, narrow=True)
    if autocast:
        unet.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        alone = counted(step_of(unet, 16, True))
        adapter = inject({"unet": unet}, targets, rank=rank, alpha=rank / 2, kind=kind)
        learning = counted(step_of(unet, 16, False, partial(adapter, unet)))  # as the trainer calls it
    parameters = list(adapter.parameters())
    optimizer = make_optimizer(adapter, {"unet": 1e-4}, 0.01)
    optimizer.step()  # the first makes the state
    clip = counted(lambda: torch.nn.utils.clip_grad_norm_(parameters, 1.0))
    update = counted(optimizer.step)
    parts = {"base": alone, "base_and_adapter": learning, "clip": clip, "optimizer": update}
    return {
        "layers": len(adapter.layers),
        "operations": {name: part.operations.total() for name, part in parts.items()},
        "kernels": {name: part.kernels.total() for name, part in parts.items()},
        "more_kernels": dict((learning.kernels - alone.kernels).most_common()),
        "fewer_kernels": dict((alone.kernels - learning.kernels).most_common()),
        "ratio": {
            "operations": learning.operations.total() / alone.operations.total(),
            "kernels": learning.kernels.total() / alone.kernels.total(),
        },
    }


def work(family: str, targets: str = "attn-mlp", kind: str = "lora", rank: int = 16, pixels: int = 512) -> dict:
    """FLOPs and bytes of a step at full size in fp32, with and without the adapter; nothing is computed."""
    unet, found = make_unet(family, narrow=False, device="meta"), {}
    for name in ("base", "base_and_adapter"):
        if name != "base":
            inject({"unet": unet}, targets, rank=rank, kind=kind)
        step = step_of(unet, pixels // 8, name == "base")
        with FlopCounterMode(display=False) as flops:
            step()
        found[name] = {"gflop": round(flops.get_total_flops() / 1e9, 1), "gb": round(counted(step).bytes / 1e9, 2)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--family", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--targets", default="attn-mlp")
    parser.add_argument("--kind", default="lora")
    parser.add_argument("--rank", type=int, default=16)
    args = parser.parse_args()
    rows = []
    for family in args.family:
        pixels = 1024 if family == "sdxl" else 512
        for autocast in (False, True):
            row = {"family": family, "targets": args.targets, "kind": args.kind, "rank": args.rank}
            row |= {"precision": "bf16" if autocast else "fp32"}
            row |= count(family, args.targets, args.kind, args.rank, autocast)
            if not autocast:
                row |= {"pixels": pixels, "work": work(family, args.targets, args.kind, args.rank, pixels)}
            rows.append(row)
            print(described(row), flush=True)
    if args.out:
        versions = {"torch": torch.__version__, "diffusers": diffusers.__version__, "python": platform.python_version()}
        args.out.write_text(json.dumps({"versions": versions, "rows": rows}, indent=1) + "\n")


def described(row: dict) -> str:
    """A few lines for people."""
    lines = [f"{row['family']}, {row['kind']} on {row['targets']} ({row['layers']} layers), {row['precision']}"]
    for what in ("kernels", "operations"):
        n = row[what]
        lines.append(
            f"  {what:10}  UNet alone {n['base']:6,}   with the adapter {n['base_and_adapter']:6,}"
            f" (x{row['ratio'][what]:.3f})   clip {n['clip']:,}   optimizer {n['optimizer']:,}"
        )
    more = ", ".join(f"{name.removeprefix('aten.')} {n}" for name, n in list(row["more_kernels"].items())[:8])
    lines.append(f"  the adapter's kernels: {more}")
    if "work" in row:
        work = "   ".join(f"{n} {w['gflop']:,} GFLOP, {w['gb']} GB" for n, w in row["work"].items())
        lines.append(f"  at {row['pixels']} px, fp32: {work.replace('_', ' ')}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

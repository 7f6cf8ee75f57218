"""Write a LoRA file that every tool reads: kohya's container by default, diffusers'/peft's by choice."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.lora.layer import LoRALayer
from sdlora.errors import Problem, UserError, explain
from sdlora.families.registry import roots
from sdlora.files.intact import write_atomically
from sdlora.lorafiles.metadata import complete_metadata
from sdlora.lorafiles.names import canonical, file_names
from sdlora.lorafiles.readers.tools import DORA_TOOLS, TOOLS, check_tools

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_LARGEST = 6e4  # A1111 computes with the factors in fp16 whatever the file's dtype; fp16 ends at 65504
_LOST = 0.01  # share of the whole change that a cast may lose; rounding alone stays below 0.004 (bf16)


@dataclass
class Factors:
    """One layer as the file has it: float32 on the CPU until the cast; the magnitude stays float32."""

    down: Tensor  # (rank, in) or (rank, in, k, k)
    up: Tensor  # (out, rank) or (out, rank, 1, 1)
    alpha: float | None = None
    magnitude: Tensor | None = None  # DoRA's, (1, in) or (1, in, 1, 1)


def write_lora(
    adapter: Adapter,
    path: Path | str,
    *,
    configs: Mapping[str, Any],
    family: str,
    container: str = "kohya",
    dtype: str = "fp16",
    metadata: Mapping[str, str] | None = None,
    cover: bytes | None = None,
) -> Path:
    """Write the adapter, at scale 1, to ``path`` as safetensors; atomically: the old file, the new or none.

    configs: root ("unet", "text_encoder", "text_encoder_2") -> configuration of the base's model; the UNet's, and of
        every text encoder that learns. family: its name in ``families.registry``.
    container: "kohya" (every tool) or "diffusers" (only diffusers). dtype: of the factors, "fp16", "bf16", "fp32".
    metadata: from ``build_metadata``; the hashes are added here. cover: a picture for the tools' model cards.
    DoRA: only the tools in ``tools.DORA_TOOLS`` read its magnitudes; the others see a plain LoRA.
    The base's dtype, training and the adapter are left as they are. Raises UserError: a layer that files have no name
    for, half a text encoder, values that are not finite or out of range, a key that a tool would drop, a disk that is
    full or can't be written.
    """
    if container not in ("kohya", "diffusers"):
        raise UserError(
            f"save.container is {container!r}.", fix="It must be kohya or diffusers.", where="save.container"
        )
    if dtype not in DTYPES:
        raise UserError(f"save.dtype is {dtype!r}.", fix=f"It must be one of {', '.join(DTYPES)}.", where="save.dtype")
    if adapter.dora and container == "diffusers":
        raise UserError(
            "diffusers has no DoRA with magnitudes per input channel.",
            fix="Set save.container to kohya, or merge the DoRA to a plain LoRA.",
            where="save.container",
        )
    names = file_names(family, configs)
    layers = {canonical(name): layer for name, layer in adapter.layers.items()}
    _check_names(layers, names)
    _check_finite(layers)
    fold = _for_kohya if container == "kohya" else _for_peft
    tensors = _tensors(_cast(_balanced(fold(layers)), dtype), names, container)
    readers = DORA_TOOLS if adapter.dora else TOOLS
    if problems := check_tools(tensors, family, configs, readers if container == "kohya" else ("diffusers",)):
        raise UserError(*problems)
    # lora_adapter_metadata is peft's own key and would be believed in place of the folded strength.
    kept = {key: value for key, value in (metadata or {}).items() if key != "lora_adapter_metadata"}
    kept = complete_metadata(tensors, kept | ({"format": "pt"} if container == "diffusers" else {}), cover)
    data = safetensors.torch.save(tensors, kept)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise explain(error) from error
    return path


# ---- checks


def _check_names(layers: Mapping[str, LoRALayer], names: Mapping[str, str]) -> None:
    nameless = [name for name in layers if name not in names]
    problems = [
        Problem(f"LoRA files have no name for {name}, most tools would drop it.", "Leave it out of the targets.")
        for name in nameless[:5]
    ]
    if len(nameless) > 5:
        problems.append(Problem(f"So it is with {len(nameless) - 5} more."))
    for root in roots("text"):
        text = [name for name in names if name.startswith(f"{root}.")]
        missing = [name for name in text if name not in layers]
        if missing and len(missing) < len(text):
            problems.append(
                Problem(
                    f"The LoRA has only a part of {root} ({missing[0]} is missing), which tools don't load.",
                    "Train all of its layers or none.",
                )
            )
    if problems:
        raise UserError(*problems)


def _check_finite(layers: Mapping[str, LoRALayer]) -> None:
    broken = [name for name, layer in layers.items() if not all(p.isfinite().all() for p in layer.parameters())]
    if broken:
        more = f" and {len(broken) - 1} more layers" if len(broken) > 1 else ""
        raise UserError(
            f"The LoRA is not finite in {broken[0]}{more}: training became unstable.",
            fix="Use an earlier checkpoint, or train again with a lower train.lr.",
        )


# ---- factors


def _for_kohya(layers: Mapping[str, LoRALayer]) -> dict[str, Factors]:
    """One alpha per network, the commonest, and the rest folded into up: diffusers mis-scales a second alpha.

    A rank of 1 gets a second row of zeros: stable-diffusion.cpp divides alpha by the wrong number at rank 1.
    """
    alphas: dict[str, Counter] = {}
    for name, layer in layers.items():
        alphas.setdefault(name.split(".")[0], Counter())[layer.alpha] += 1
    folded = {}
    for name, layer in layers.items():
        alpha = alphas[name.split(".")[0]].most_common(1)[0][0]
        down, up = _on_cpu(layer)
        if layer.rank == 1:
            down = torch.cat([down, torch.zeros_like(down)], dim=0)
            up = torch.cat([up, torch.zeros_like(up)], dim=1)
        # In fp16 a magnitude would lose more than the change is: it is as large as the weights themselves.
        magnitude = None if layer.magnitude is None else layer.magnitude.detach().to("cpu", torch.float32, copy=True)
        folded[name] = Factors(down, up * (layer.scale * down.shape[0] / alpha), alpha, magnitude)
    return folded


def _for_peft(layers: Mapping[str, LoRALayer]) -> dict[str, Factors]:
    """Without an alpha in the file the strength is 1: all of alpha/rank goes into up."""
    pairs = {name: (*_on_cpu(layer), layer.scale) for name, layer in layers.items()}
    return {name: Factors(down, up * scale) for name, (down, up, scale) in pairs.items()}


def _on_cpu(layer: LoRALayer) -> tuple[Tensor, Tensor]:
    return tuple(part.weight.detach().to("cpu", torch.float32, copy=True) for part in (layer.down, layer.up))


def _balanced(modules: Mapping[str, Factors]) -> dict[str, Factors]:
    """Equal norms of down and up: as far as can be from both ends of fp16. Their product stays."""
    for factors in modules.values():
        ratio = (factors.up.double().norm() / factors.down.double().norm()).sqrt()
        if ratio.isfinite() and ratio > 0:  # up is zero before the first step
            factors.down = (factors.down.double() * ratio).float()
            factors.up = (factors.up.double() / ratio).float()
    return dict(modules)


def _cast(modules: Mapping[str, Factors], dtype: str) -> dict[str, Factors]:
    """The factors in the file's dtype. UserError where the numbers don't fit into it."""
    lost = whole = 0.0
    cast, large = {}, []
    for name, factors in modules.items():
        down, up = factors.down.to(DTYPES[dtype]), factors.up.to(DTYPES[dtype])
        if not (_peak(down) <= _LARGEST and _peak(up) <= _LARGEST):
            large.append(name)
        size = float(factors.down.norm() * factors.up.norm())
        whole += size**2
        lost += (size * (_relative(down, factors.down) + _relative(up, factors.up))) ** 2
        cast[name] = Factors(down.contiguous(), up.contiguous(), factors.alpha, factors.magnitude)
    if large:
        raise UserError(
            f"The numbers of {large[0]} are too large for the LoRA file ({len(large)} such layers).",
            fix="Training became unstable: use an earlier checkpoint or a lower train.lr.",
        )
    if lost > (_LOST**2) * whole:
        raise UserError(
            f"The LoRA's numbers are too small for {dtype}: {(lost / whole) ** 0.5:.0%} of it would be lost.",
            fix="Set save.dtype to fp32, or train longer or with a higher train.lr.",
            where="save.dtype",
        )
    return cast


def _peak(tensor: Tensor) -> float:
    return float(tensor.float().abs().max())


def _relative(cast: Tensor, precise: Tensor) -> float:
    norm = float(precise.norm())
    return float((cast.float() - precise).norm()) / norm if norm else 0.0


def _tensors(modules: Mapping[str, Factors], names: Mapping[str, str], container: str) -> dict[str, Tensor]:
    tensors = {}
    for name, factors in modules.items():
        if container == "diffusers":
            tensors[f"{name}.lora_A.weight"] = factors.down
            tensors[f"{name}.lora_B.weight"] = factors.up
        else:
            tensors[f"{names[name]}.lora_down.weight"] = factors.down
            tensors[f"{names[name]}.lora_up.weight"] = factors.up
            tensors[f"{names[name]}.alpha"] = torch.tensor(factors.alpha, dtype=torch.float32)
            if factors.magnitude is not None:
                tensors[f"{names[name]}.dora_scale"] = factors.magnitude.contiguous()
    return tensors

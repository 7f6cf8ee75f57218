"""Write a LoRA file that every tool reads: kohya's container by default, diffusers'/peft's by choice."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.kind import Kind, why_not_in
from sdlora.adapters.layer import Layer
from sdlora.errors import Problem, UserError, explain
from sdlora.families.table import roots
from sdlora.files.intact import write_atomically
from sdlora.lorafiles.forms import leaf_of
from sdlora.lorafiles.metadata import complete_metadata
from sdlora.lorafiles.names import canonical, file_names
from sdlora.lorafiles.readers.tools import check_tools
from sdlora.messages import listed, say

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_LARGEST = 6e4  # A1111 computes with the factors in fp16 whatever the file's dtype; fp16 ends at 65504
_LOST = 0.01  # share of the whole change that a cast may lose; rounding alone stays below 0.004 (bf16)


@dataclass
class Folded:
    """One layer as the file has it: part -> tensor, float32 on the CPU until the cast; alpha, if the file says it."""

    tensors: dict[str, Tensor]
    alpha: float | None = None


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
        every text encoder that learns. family: its name in ``families.table``.
    container: "kohya" (every tool) or "diffusers" (only diffusers). dtype: of the factors, "fp16", "bf16", "fp32".
    metadata: from ``build_metadata``; the hashes are added here. cover: a picture for the tools' model cards.
    Only the tools in ``adapter.kind.readers`` do with the file what the adapter does.
    The base's dtype, training and the adapter are left as they are. Raises UserError: a layer that files have no name
    for, half a text encoder, values that are not finite or out of range, a key that a tool would drop, a disk that is
    full or can't be written.
    """
    if container not in ("kohya", "diffusers"):
        raise UserError(
            say("saving.container_is", given=repr(container)),
            fix=say("saving.use_kohya_or_diffusers"),
            where="container",
        )
    if dtype not in DTYPES:
        raise UserError(
            say("saving.dtype_is", given=repr(dtype)),
            fix=say("settings.must_be_one_of", choices=", ".join(DTYPES)),
            where="dtype",
        )
    if problem := why_not_in(container, adapter.kind):
        raise UserError(problem)
    names = file_names(family, configs)
    layers = {canonical(name): layer for name, layer in adapter.layers.items()}
    _check_names(layers, names)
    _check_finite(layers)
    fold = _for_kohya if container == "kohya" else _for_peft
    kind = adapter.kind
    tensors = _tensors(_cast(_balanced(fold(layers, kind), kind), dtype, kind), names, container)
    if problems := check_tools(tensors, family, configs, kind.readers if container == "kohya" else ("diffusers",)):
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


def _check_names(layers: Mapping[str, Layer], names: Mapping[str, str]) -> None:
    nameless = [name for name in layers if name not in names]
    problems = [
        Problem(say("saving.layer_without_name", name=name), say("saving.leave_layer_out")) for name in nameless[:5]
    ]
    if len(nameless) > 5:
        problems.append(Problem(say("adapters.and_more", count=len(nameless) - 5)))
    for root in roots("text"):
        text = [name for name in names if name.startswith(f"{root}.")]
        missing = [name for name in text if name not in layers]
        if missing and len(missing) < len(text):
            problems.append(
                Problem(
                    say("saving.part_incomplete", part=root, name=missing[0]),
                    say("saving.train_all_or_none"),
                )
            )
    if problems:
        raise UserError(*problems)


def _check_finite(layers: Mapping[str, Layer]) -> None:
    broken = [name for name, layer in layers.items() if not all(p.isfinite().all() for p in layer.tensors().values())]
    if broken:
        raise UserError(
            say("saving.not_finite", layers=listed(broken, 1)),
            fix=say("saving.use_earlier_or_lower_lr"),
        )


# ---- factors


def _for_kohya(layers: Mapping[str, Layer], kind: Kind) -> dict[str, Folded]:
    """One alpha per network, the commonest, and the rest folded into the last factor: diffusers mis-scales a second
    alpha.

    A rank of 1 gets a second rank of zeros: stable-diffusion.cpp divides alpha by the wrong number at rank 1. Where no
    factor has the rank, tools take the strength for 1, or for alpha: it is 1, and so is alpha.
    """
    alphas: dict[str, Counter] = {}
    for name, layer in layers.items():
        alphas.setdefault(name.split(".")[0], Counter())[layer.alpha] += 1
    folded = {}
    for name, layer in layers.items():
        alpha = alphas[name.split(".")[0]].most_common(1)[0][0]
        tensors, rank = _on_cpu(layer), max(2, layer.rank)
        ranked = kind.ranked_in(tensors)
        if layer.rank == 1:
            for part, axis in ranked.items():
                tensors[part] = torch.cat([tensors[part], torch.zeros_like(tensors[part])], dim=axis)
        if not ranked:
            alpha, rank = 1.0, 1
        last = kind.last_in(tensors)
        tensors[last] = tensors[last] * (layer.scale * rank / alpha)
        folded[name] = Folded(tensors, alpha)
    return folded


def _for_peft(layers: Mapping[str, Layer], kind: Kind) -> dict[str, Folded]:
    """Without an alpha in the file the strength is 1: all of alpha/rank goes into the last factor."""
    folded = {name: Folded(_on_cpu(layer)) for name, layer in layers.items()}
    for name, layer in layers.items():
        tensors = folded[name].tensors
        tensors[kind.last_in(tensors)] *= layer.scale
    return folded


def _on_cpu(layer: Layer) -> dict[str, Tensor]:
    return {part: t.detach().to("cpu", torch.float32, copy=True) for part, t in layer.tensors().items()}


def _balanced(modules: dict[str, Folded], kind: Kind) -> dict[str, Folded]:
    """Equal norms of all factors: as far as can be from both ends of fp16. Their product stays."""
    for folded in modules.values():
        norms = {part: folded.tensors[part].double().norm() for part in kind.factors_in(folded.tensors)}
        mean = torch.stack(list(norms.values())).prod() ** (1 / len(norms))
        if mean.isfinite() and mean > 0:  # one factor is zero before the first step
            for part, norm in norms.items():
                folded.tensors[part] = (folded.tensors[part].double() * (mean / norm)).float()
    return modules


def _cast(modules: Mapping[str, Folded], dtype: str, kind: Kind) -> dict[str, Folded]:
    """The factors in the file's dtype; what is beside them stays float32: in fp16 a magnitude, as large as the weights
    themselves, would lose more than the change is. UserError where the numbers don't fit into the dtype."""
    lost = whole = 0.0
    cast, large = {}, []
    for name, folded in modules.items():
        precise = {part: folded.tensors[part] for part in kind.factors_in(folded.tensors)}
        rounded = {part: tensor.to(DTYPES[dtype]) for part, tensor in precise.items()}
        if not all(_peak(tensor) <= _LARGEST for tensor in rounded.values()):
            large.append(name)
        size = math.prod(float(tensor.norm()) for tensor in precise.values())
        whole += size**2
        lost += (size * sum(_relative(rounded[part], precise[part]) for part in precise)) ** 2
        tensors = {part: tensor.contiguous() for part, tensor in (folded.tensors | rounded).items()}
        cast[name] = Folded(tensors, folded.alpha)
    if large:
        raise UserError(
            say("saving.overflow", name=large[0], count=len(large)),
            fix=say("saving.lower_lr_or_use_earlier"),
        )
    if lost > (_LOST**2) * whole:
        raise UserError(
            say("saving.underflow", dtype=dtype, share=f"{(lost / whole) ** 0.5:.0%}"),
            fix=say("saving.use_fp32"),
            where="dtype",
        )
    return cast


def _peak(tensor: Tensor) -> float:
    return float(tensor.float().abs().max())


def _relative(cast: Tensor, precise: Tensor) -> float:
    norm = float(precise.norm())
    return float((cast.float() - precise).norm()) / norm if norm else 0.0


def _tensors(modules: Mapping[str, Folded], names: Mapping[str, str], container: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, folded in modules.items():
        stem = name if container == "diffusers" else names[name]
        tensors |= {f"{stem}.{leaf_of(part, container)}": tensor for part, tensor in folded.tensors.items()}
        if folded.alpha is not None:
            tensors[f"{stem}.alpha"] = torch.tensor(folded.alpha, dtype=torch.float32)
    return tensors

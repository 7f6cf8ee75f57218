"""A LoRA from the difference of two checkpoints, layer by layer."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from sdlora.errors import UserError
from sdlora.lora import algebra
from sdlora.lora.kinds import Factors
from sdlora.toolbox.base import Checkpoint
from sdlora.toolbox.files import Result, choose_dtype, derived_metadata, output_path, write_lora
from sdlora.toolbox.resize import check_targets

# What kohya's tools know: inside transformers, or inside resnets and samplers.
_ATTENTION = re.compile(r"\.attentions\.|\.self_attn\.|\.mlp\.")
_CONVOLUTION = re.compile(r"\.(conv1|conv2|conv|conv_shortcut|time_emb_proj)$")


@torch.no_grad()
def extract_lora(
    tuned: Path | str,
    base: Path | str,
    out: Path | str,
    *,
    rank: int | None = None,
    energy: float | None = None,
    convolutions: bool = False,
    dtype: str = "fp16",
) -> Result:
    """Write ``tuned`` minus ``base`` as a LoRA: per layer the best approximation by SVD.

    tuned, base: diffusers folders or .safetensors checkpoints, in any combination, of one family. rank: the highest;
    energy: share (0 to 1) of each layer's squared Frobenius norm to keep. convolutions: those of the resnets too.
    A text encoder that is the same in both stays out; otherwise all of its layers are in. One layer's matrices are in
    memory at a time. The error is relative to the whole difference of the layers that are in.
    Raises UserError: other families or shapes, no difference.
    """
    check_targets(rank, None, energy)
    choose_dtype(dtype)
    path = output_path(out, [tuned, base])
    new, old = Checkpoint(tuned), Checkpoint(base)
    _check(new, old)
    modules: dict[str, Factors] = {}
    lost = whole = 0.0
    for name, difference in _differences(new, old, convolutions):
        found = algebra.decompose_matrix(difference.flatten(1))
        if not found.s.isfinite().all():
            raise UserError(f"{name} is not finite in {new.path.name} or {old.path.name}.", fix="Get the file again.")
        keep = algebra.choose_rank(found.s, rank, energy)
        down, up, cut = algebra.truncate(found, keep, difference.shape[1:])
        modules[name] = (down, up, 1.0)
        lost, whole = lost + cut**2, whole + float(found.s.norm()) ** 2
    if not whole:
        raise UserError(f"{new.path.name} and {old.path.name} do not differ in any layer a LoRA has.")
    metadata = derived_metadata(modules, old.family, name=path.stem)
    rounding = write_lora(path, modules, family=old.family, metadata=metadata, dtype=dtype)
    ranks = [down.shape[0] for down, _, _ in modules.values()]
    note = f"rank {min(ranks)}" + (f" to {max(ranks)}" if min(ranks) < max(ranks) else "")
    return Result(path, len(modules), math.hypot(math.sqrt(lost / whole), rounding), note)


def _check(new: Checkpoint, old: Checkpoint) -> None:
    for checkpoint in (new, old):
        if key := checkpoint.quantized:
            raise UserError(f"{checkpoint.path.name} is quantized ({key}).", fix="Give the original.")
    if new.family != old.family:
        raise UserError(f"{new.path.name} is {new.family}, {old.path.name} is {old.family}.", fix="Give one family.")
    for name in new.places:
        if name in old.places and _size(new, name) != _size(old, name):
            raise UserError(
                f"{new.path.name} and {old.path.name} are of different shape: {name} is {list(new.spec(name).shape)} "
                f"and {list(old.spec(name).shape)}."
            )


def _size(checkpoint: Checkpoint, name: str) -> tuple[int, int]:
    shape = checkpoint.spec(name).shape
    return shape[0], math.prod(shape[1:])


def _differences(new: Checkpoint, old: Checkpoint, convolutions: bool) -> Iterator[tuple[str, Tensor]]:
    wanted = [
        name
        for name in old.places
        if name in new.places and (_ATTENTION.search(name) or (convolutions and _CONVOLUTION.search(name)))
    ]
    for root in ("unet", "text_encoder", "text_encoder_2"):
        own = [name for name in wanted if name.startswith(f"{root}.")]
        changed = {name for name in own if not torch.equal(new.weight(name), _like(old, new, name))}
        for name in own:
            if name in changed or (changed and root != "unet"):
                weight = old.weight(name).double()
                yield name, new.weight(name).double().reshape(weight.shape) - weight


def _like(old: Checkpoint, new: Checkpoint, name: str) -> Tensor:
    weight = new.weight(name)
    return old.weight(name).to(weight.dtype).reshape(weight.shape)

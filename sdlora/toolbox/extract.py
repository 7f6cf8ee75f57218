"""A LoRA from the difference of two checkpoints, layer by layer."""

import math
import re
from pathlib import Path

import torch
from torch import Tensor

from sdlora.errors import UserError
from sdlora.families.table import is_denoiser, roots
from sdlora.lorafiles import algebra
from sdlora.lorafiles.changes import Factors
from sdlora.messages import say
from sdlora.toolbox.base import BaseWeights
from sdlora.toolbox.files import Result, choose_dtype, derived_metadata, output_path, rank_note, write_factors
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
    A layer that is the same in both up to the coarser number format counts as untouched, and the result names how many
    of those differ by rounding alone. A text encoder without touched layers stays out; otherwise all of its layers are
    in, the untouched ones as zeros. One layer's matrices are in memory at a time. The error is relative to the whole
    difference of the layers that are in.
    Raises UserError: other families or shapes, no difference.
    """
    check_targets(rank, None, energy)
    choose_dtype(dtype)
    path = output_path(out, [tuned, base])
    new, old = BaseWeights(tuned), BaseWeights(base)
    _check(new, old)
    modules: dict[str, Factors] = {}
    lost = whole = 0.0
    wanted = _wanted(new, old, convolutions)
    touched, rounded = _touched(new, old, wanted)
    for name in wanted:
        root = name.partition(".")[0]
        text = not is_denoiser(root) and any(t.startswith(f"{root}.") for t in touched)
        if name not in touched and not text:
            continue
        difference = _difference(new, old, name)
        difference = difference if name in touched else torch.zeros_like(difference)
        found = algebra.decompose_matrix(difference.flatten(1))
        if not found.s.isfinite().all():
            raise UserError(
                say("toolbox.not_finite", name=name, first=new.path.name, second=old.path.name),
                fix=say("lorafiles.get_file_again"),
            )
        keep = algebra.choose_rank(found.s, rank, energy)
        down, up, cut = algebra.truncate(found, keep, difference.shape[1:])
        modules[name] = (down, up, 1.0)
        lost, whole = lost + cut**2, whole + float(found.s.norm()) ** 2
    if not whole:
        by = say("toolbox.but_by_rounding", count=rounded) if rounded else ""
        raise UserError(say("toolbox.no_difference", first=new.path.name, second=old.path.name, by=by))
    metadata = derived_metadata(modules, old.family, name=path.stem)
    rounding = write_factors(path, modules, family=old.family, metadata=metadata, dtype=dtype)
    note = rank_note(down.shape[0] for down, _, _ in modules.values())
    left = say("toolbox.rounding_alone", count=rounded) if rounded else ""
    return Result(path, len(modules), math.hypot(math.sqrt(lost / whole), rounding), note, left)


def _check(new: BaseWeights, old: BaseWeights) -> None:
    for checkpoint in (new, old):
        if key := checkpoint.quantized:
            raise UserError(
                say("toolbox.quantized", file=checkpoint.path.name, key=key), fix=say("toolbox.give_original")
            )
    if new.family != old.family:
        raise UserError(
            say(
                "toolbox.families_of_models",
                first=new.path.name,
                family=new.family,
                second=old.path.name,
                other=old.family,
            ),
            fix=say("toolbox.give_one_family"),
        )
    for name in new.places:
        if name in old.places and _size(new, name) != _size(old, name):
            raise UserError(
                say(
                    "toolbox.shapes_differ",
                    first=new.path.name,
                    second=old.path.name,
                    name=name,
                    shape=list(new.spec(name).shape),
                    other=list(old.spec(name).shape),
                )
            )


def _size(checkpoint: BaseWeights, name: str) -> tuple[int, int]:
    shape = checkpoint.spec(name).shape
    return shape[0], math.prod(shape[1:])


def _wanted(new: BaseWeights, old: BaseWeights, convolutions: bool) -> list[str]:
    """The layers that a LoRA may have, root by root."""
    names = [
        name
        for name in old.places
        if name in new.places and (_ATTENTION.search(name) or (convolutions and _CONVOLUTION.search(name)))
    ]
    return [name for root in roots() for name in names if name.startswith(f"{root}.")]


def _difference(new: BaseWeights, old: BaseWeights, name: str) -> Tensor:
    weight = old.weight(name).double()
    return new.weight(name).double().reshape(weight.shape) - weight


def _touched(new: BaseWeights, old: BaseWeights, names: list[str]) -> tuple[set[str], int]:
    """(the layers that were changed, how many others differ by the rounding of their formats alone)"""
    touched, rounded = set(), 0
    for name in names:
        a, b = new.weight(name), old.weight(name)
        b = b.reshape(a.shape)
        if a.double().equal(b.double()):
            continue
        if same_but_for_rounding(a, b):
            rounded += 1
        else:
            touched.add(name)
    return touched, rounded


def same_but_for_rounding(a: Tensor, b: Tensor) -> bool:
    """Can two tensors of different dtypes come from the same numbers?

    Where one format holds every number of the other, the finer tensor rounded must be the coarser one. fp16 and bf16
    hold none of each other's: there each may be off by half a unit in its last place.
    """
    if a.dtype == b.dtype:
        return a.equal(b)
    if {a.dtype, b.dtype} == {torch.float16, torch.bfloat16}:
        x, y = a.double(), b.double()
        return bool(((x - y).abs() <= _half_unit(a) + _half_unit(b)).all())
    coarse, fine = sorted((a, b), key=lambda t: -torch.finfo(t.dtype).eps)
    return coarse.double().equal(fine.to(coarse.dtype).double())


def _half_unit(tensor: Tensor) -> Tensor:
    """The most by which rounding to the tensor's dtype can have moved each of its numbers, float64."""
    info = torch.finfo(tensor.dtype)
    power = torch.frexp(tensor.double().abs().clamp_min(info.smallest_normal))[1] - 1  # 2^power <= |x|
    return torch.ldexp(torch.full(tensor.shape, info.eps / 2, dtype=torch.float64), power)

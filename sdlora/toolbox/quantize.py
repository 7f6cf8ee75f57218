"""fp8 (float8_e4m3fn) versions of LoRA files and checkpoints.

Who reads what, from the loaders' own source:
    checkpoint, plain   ComfyUI (``comfy.utils.weight_dtype``, cast at use) and Forge (``backend/loader.py``: "Using
                        Detected UNet Type"). Not diffusers, kohya, InvokeAI.
    checkpoint, scaled  ComfyUI (``comfy.utils.convert_old_quants``: the marker ``scaled_fp8`` and ``.scale_weight`` of
                        each linear layer). Forge multiplies with ``.scale_weight`` too (``backend/operations.py``).
    LoRA                ComfyUI and Forge cast factors to the dtype they compute in.
Each number keeps 3 bits after its leading one: about 3 % of relative error.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from sdlora.errors import UserError
from sdlora.lorafiles import algebra
from sdlora.lorafiles.keys import kohya_name
from sdlora.lorafiles.metadata import add_hashes
from sdlora.lorafiles.read import read_lora
from sdlora.lorafiles.stream import Spec, TensorFile, TensorWriter, is_safetensors, library_order, write_tensors
from sdlora.messages import say
from sdlora.toolbox.advice import plain_fix
from sdlora.toolbox.files import Result, derived_metadata, left_out_of, output_path

FP8 = torch.float8_e4m3fn
_MAX = torch.finfo(FP8).max  # 448
_PREFIX = "model.diffusion_model."
_MARKER = f"{_PREFIX}scaled_fp8"


@torch.no_grad()
def quantize(model: Path | str, out: Path | str, *, scaled: bool = True, leave_out: bool = False) -> Result:
    """Write a LoRA or a single-file checkpoint with fp8 weights.

    A checkpoint's UNet only; its text encoders and autoencoder stay. scaled: each linear layer has its own scale, so
    that its largest weight is fp8's largest number; convolutions stay as they are then. Without: every matrix and
    convolution is cast as it is. A LoRA's factors are scaled in any case, against which alpha stands.
    leave_out: of a LoRA, pass over what a plain one can't hold.
    The result's error is relative, over the quantized weights. Raises UserError.
    """
    path = output_path(out, [model])
    if not is_safetensors(model):
        raise UserError(say("toolbox.not_safetensors", file=model), fix=say("toolbox.give_lora_or_checkpoint"))
    file = TensorFile(model)
    if any(key.startswith(_PREFIX) and key.endswith("attn1.to_q.weight") for key in file.entries):
        return _checkpoint(file, path, scaled)
    return _lora(model, path, leave_out)


# ---- checkpoints


def _checkpoint(file: TensorFile, path: Path, scaled: bool) -> Result:
    if done := [key for key, entry in file.entries.items() if entry.dtype.startswith("F8") or "scale_weight" in key]:
        raise UserError(
            say("toolbox.quantized_already", file=file.path.name, key=done[0]), fix=say("toolbox.give_original")
        )
    chosen = [key for key, entry in file.entries.items() if _is_chosen(key, entry, scaled)]
    plan = {key: Spec("F8_E4M3", e.shape) if key in chosen else e for key, e in file.entries.items()}
    if scaled:
        plan |= {_scale_key(key): Spec("F32", ()) for key in chosen} | {_MARKER: Spec("F8_E4M3", (2,))}
    lost = whole = 0.0
    metadata = {k: v for k, v in file.metadata.items() if not k.startswith(("modelspec.hash", "sshs_"))}
    with TensorWriter(path, library_order(plan), metadata) as writer:
        for key in file.entries:
            if key not in chosen:
                writer.write(key, file.raw(key))
                continue
            weight = file.tensor(key).float()
            scale = _scale(weight) if scaled else 1.0
            small = _cast((weight / scale).clamp(-_MAX, _MAX) if scaled else weight, key)
            writer.write(key, small)
            if scaled:
                writer.write(_scale_key(key), torch.tensor(scale, dtype=torch.float32))
            whole += float(weight.double().norm()) ** 2
            lost += float((small.float() * scale - weight).double().norm()) ** 2
        if scaled:
            writer.write(_MARKER, torch.zeros(2, dtype=FP8))  # two numbers: ComfyUI multiplies in full precision
    note = say("toolbox.fp8_scaled" if scaled else "toolbox.fp8_plain")
    return Result(path, len(chosen), math.sqrt(lost / whole) if whole else 0.0, note)


def _is_chosen(key: str, entry: Spec, scaled: bool) -> bool:
    """Scaled: the linear layers inside transformers, for those ComfyUI has a scale. Plain: every matrix and kernel."""
    if not key.startswith(_PREFIX) or not key.endswith(".weight") or entry.dtype not in ("F32", "F16", "BF16"):
        return False
    return len(entry.shape) == 2 if scaled else len(entry.shape) >= 2


def _scale_key(key: str) -> str:
    return key.removesuffix(".weight") + ".scale_weight"


def _scale(weight: Tensor) -> float:
    return float(weight.abs().max()) / _MAX or 1.0


def _cast(weight: Tensor, key: str) -> Tensor:
    if not weight.isfinite().all() or weight.abs().max() > _MAX:
        raise UserError(say("toolbox.fp8_overflow", key=key), fix=say("toolbox.use_scaled_fp8"))
    return weight.to(FP8)


# ---- LoRA


def _lora(model: Path | str, path: Path, leave_out: bool) -> Result:
    file = read_lora(model, leave_out=leave_out)
    if other := [name for name in file.changes if name not in file.modules]:
        raise UserError(
            say("toolbox.not_plain", file=file.path.name, kind=file.kind_shown(other[0]), name=other[0]),
            fix=plain_fix(file, other[0]),
        )
    tensors: dict[str, Tensor] = {}
    lost = whole = 0.0
    for name, down, up, scale in _spread(file.modules):
        small = down.to(FP8), up.to(FP8)
        key = kohya_name(name, file.family)
        tensors |= {f"{key}.lora_down.weight": small[0], f"{key}.lora_up.weight": small[1]}
        tensors[f"{key}.alpha"] = torch.tensor(scale * down.shape[0], dtype=torch.float32)
        whole += algebra.norm(down, up, scale) ** 2
        lost += algebra.distance((down, up, scale), (*(t.float() for t in small), scale)) ** 2
    metadata = derived_metadata(file.modules, file.family, name=path.stem, source=file.metadata)
    write_tensors(path, tensors, add_hashes(tensors, metadata | {"ss_network_alpha": "Dynamic"}))
    error = math.sqrt(lost / whole) if whole else 0.0
    return Result(path, len(file.modules), error, say("toolbox.fp8_lora"), left_out_of([file]))


def _spread(modules: dict) -> Iterator[tuple[str, Tensor, Tensor, float]]:
    """Factors whose largest number is fp8's, the strength adapted: small numbers would be lost below 2^-9."""
    for name, (down, up, scale) in modules.items():
        a, b = (_scale(t) for t in (down, up))
        yield name, down / a, up / b, scale * a * b

"""What a LoRA file must do, computed in float64 without any of the tools' code or our exporter's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from benchmarks.interop.bases import original_path

PREFIXES = {
    "sd1": {"unet": "lora_unet_", "text_encoder": "lora_te_"},
    "sd2": {"unet": "lora_unet_", "text_encoder": "lora_te_"},
    "sdxl": {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"},
}


@dataclass
class Change:
    """What one layer should get. down: (rank, in[, k, k]); up: (out, rank[, 1, 1]).

    magnitude: DoRA's, (1, in[, 1, 1]) per input channel or (out, 1[, 1, 1]) per output channel.
    """

    down: Tensor
    up: Tensor
    scale: float
    magnitude: Tensor | None = None


@dataclass
class Report:
    """How the patched weights compare. Errors are max |W - expected| / max |expected - W0| of the worst layer."""

    layers: int
    exact: int  # layers within the tolerance
    error: float
    worst: str = ""
    touched: list[str] = field(default_factory=list)  # layers that the file has not, and which were changed


def kohya_name(name: str, family: str) -> str:
    """Canonical layer name -> kohya's, for any layer of the model."""
    root, _, path = name.partition(".")
    if family == "sdxl" and root == "unet":
        path = original_path(path, family)
    return PREFIXES[family][root] + path.replace(".", "_")


def patched(weight: Tensor, change: Change) -> Tensor:
    """W0 + scale · up·down, in float64; with a magnitude m: m · V / ‖V‖ with V that sum, norms per channel of m."""
    down, up = change.down.double().flatten(1), change.up.double().flatten(1)
    total = weight.double() + change.scale * (up @ down).reshape(weight.shape)
    if change.magnitude is None:
        return total
    axis = 1 if change.magnitude.shape[0] == 1 else 0
    norm = total.square().sum(dim=[d for d in range(weight.dim()) if d != axis], keepdim=True).sqrt()
    return total * change.magnitude.double() / norm


def compare(
    weights: Mapping[str, Tensor], base: Mapping[str, Tensor], changes: Mapping[str, Change], tolerance: float
) -> Report:
    """Compare every layer of the base: those in ``changes`` with ``patched``, the others with the base itself.

    weights: canonical name -> weight with the LoRA; a layer may be missing there, which counts as unchanged.
    """
    report = Report(len(changes), 0, 0.0)
    for name, original in base.items():
        weight = weights.get(name, original)
        if name not in changes:
            if not torch.equal(weight.float(), original.float()):
                report.touched.append(name)
            continue
        expected = patched(original, changes[name])
        size = float((expected - original.double()).abs().max())
        error = float((weight.double() - expected).abs().max()) / size
        if error <= tolerance:
            report.exact += 1
        if not error <= report.error:  # also if it is NaN
            report.error, report.worst = error, name
    return report


# ---- files


def save_changes(path: Path, changes: Mapping[str, Change]) -> None:
    """Beside a LoRA file: what the adapter that it was made from does."""
    tensors = {}
    for name, change in changes.items():
        tensors |= {f"{name}.down": change.down.contiguous(), f"{name}.up": change.up.contiguous()}
        tensors[f"{name}.scale"] = torch.tensor(change.scale, dtype=torch.float64)
        if change.magnitude is not None:
            tensors[f"{name}.magnitude"] = change.magnitude.contiguous()
    safetensors.torch.save_file(tensors, path)


def load_changes(path: Path) -> dict[str, Change]:
    tensors = safetensors.torch.load_file(path)
    names = [key[: -len(".scale")] for key in tensors if key.endswith(".scale")]
    return {
        name: Change(
            tensors[f"{name}.down"],
            tensors[f"{name}.up"],
            float(tensors[f"{name}.scale"]),
            tensors.get(f"{name}.magnitude"),
        )
        for name in names
    }


def read_file(path: Path, family: str, layers: Mapping[str, Tensor]) -> tuple[dict[str, Change], list[str]]:
    """What the file's own numbers say, by the rules of kohya's or peft's container; and keys that fit no layer.

    layers: canonical name -> weight, of the whole base.
    """
    tensors = safetensors.torch.load_file(path)
    changes, left = {}, set(tensors)
    for name in layers:
        for stem, down_key, up_key in (
            (kohya_name(name, family), "lora_down.weight", "lora_up.weight"),
            (name, "lora_A.weight", "lora_B.weight"),
        ):
            keys = {part: f"{stem}.{part}" for part in (down_key, up_key, "alpha", "dora_scale")}
            if keys[down_key] not in tensors:
                continue
            down, up = tensors[keys[down_key]], tensors[keys[up_key]]
            alpha = tensors.get(keys["alpha"])
            scale = float(alpha) / down.shape[0] if alpha is not None else 1.0
            changes[name] = Change(down, up, scale, tensors.get(keys["dora_scale"]))
            left -= set(keys.values())
    return changes, sorted(left)

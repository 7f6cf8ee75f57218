"""LoRAs into a base model's weights: inference then costs nothing extra. Streaming: one tensor in memory at a time."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sdlora.errors import Problem, UserError, explain
from sdlora.files.paths import last_part
from sdlora.lorafiles.read import LoraFile
from sdlora.lorafiles.stream import TensorWriter, check_space, total_bytes
from sdlora.messages import say
from sdlora.toolbox.base import BaseWeights, WeightPlace, affected
from sdlora.toolbox.files import Result, left_out_of, output_path
from sdlora.toolbox.merge import Pairs, files_of, layer_weights, read_all

_PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".msgpack", ".onnx", ".onnx_data", ".h5")
_STALE = ("modelspec.hash", "sshs_", "modelspec.thumbnail")


@torch.no_grad()
def merge_into_base(
    base: Path | str, loras: Pairs, out: Path | str, *, blocks: Sequence[str] = (), leave_out: bool = False
) -> Result:
    """Write ``out``, the base model with weight · change of every LoRA added.

    base: a diffusers folder or a .safetensors checkpoint in the original layout; ``out`` is the same kind, and every
    tensor keeps its dtype and place. Sums are made in float32 (float64 for float64), then cast. Every change, DoRA's
    too, is relative to the base's own weights, so the order of the LoRAs does not matter. Changes of norms, biases and
    the text projection are added as well. leave_out: pass over keys that no base model takes.
    Peak memory: a few times the largest layer. Raises UserError, nothing half-written: another family, layers that the
    base has not, other shapes, a quantized base, no space.
    """
    checkpoint = BaseWeights(base)
    path = output_path(out, [base, *files_of(loras)], "" if checkpoint.is_folder else ".safetensors")
    files = read_all(loras, leave_out=leave_out, beside=True)
    weights = layer_weights(files, [weight for _, weight in loras], blocks)
    _check(checkpoint, files)
    merger = _Merger(checkpoint, list(zip(files, weights, strict=True)))
    if checkpoint.is_folder:
        _write_folder(checkpoint, merger, path, loras)
    else:
        _write_file(checkpoint, "", merger, path, loras)
    return Result(path, len(merger.names), merger.error, _shown_dtypes(merger.dtypes), left_out_of(files))


class _Merger:
    """Makes the new tensors, and measures what the cast loses of the change."""

    def __init__(self, checkpoint: BaseWeights, files: list[tuple[LoraFile, dict[str, float]]]):
        self.names = dict.fromkeys(name for file, own in files for name in file.changes if own[name])
        beside = dict.fromkeys(name for file, own in files for name in file.extras if own[name.rpartition(".")[0]])
        self.affected = affected(checkpoint.places, self.names)
        for place, names in affected(checkpoint.beside, beside).items():
            self.affected.setdefault(place, []).extend(names)
        self.dtypes: set[torch.dtype] = set()
        self._files = files
        self._lost = self._whole = 0.0

    @property
    def error(self) -> float:
        return math.sqrt(self._lost / self._whole) if self._whole else 0.0

    def changed(self, file: str, key: str, tensor: Tensor) -> Tensor:
        precise = tensor.to(torch.promote_types(tensor.dtype, torch.float32), copy=True)
        old = precise.clone()
        for name, place in self.affected[file, key]:
            self._add(name, place, old, precise)
        new = precise.to(tensor.dtype)
        if not new.isfinite().all():
            raise UserError(
                say("toolbox.merged_overflow", key=key, dtype=tensor.dtype), fix=say("toolbox.use_smaller_weights")
            )
        self.dtypes.add(tensor.dtype)
        self._whole += float((precise - old).double().norm()) ** 2
        self._lost += float((precise - new).double().norm()) ** 2
        return new

    def _add(self, name: str, place: WeightPlace, old: Tensor, new: Tensor) -> None:
        rows = place.rows(old.shape[0])
        for lora, weights in self._files:
            if name in lora.extras:
                change = lora.extras[name].to(new.dtype) * weights[name.rpartition(".")[0]]
                new[rows] += change.mT if place.turned else change
            elif weights.get(name):
                new[rows] += weights[name] * lora.delta(name, old[rows], new.dtype)


def _check(checkpoint: BaseWeights, files: Sequence[LoraFile]) -> None:
    where = str(checkpoint.path)
    if key := checkpoint.quantized:
        raise UserError(
            say("toolbox.quantized", file=checkpoint.path.name, key=key),
            fix=say("toolbox.merge_into_original"),
            where=where,
        )
    problems = []
    for file in files:
        missing = [name for name in file.changes if name not in checkpoint.places]
        missing += [name for name in file.extras if name not in checkpoint.beside]
        if file.family != checkpoint.family:
            problems.append(
                Problem(
                    say(
                        "toolbox.base_of_other_family",
                        file=file.path.name,
                        family=file.family,
                        base=checkpoint.path.name,
                        other=checkpoint.family,
                    )
                )
            )
        elif missing:
            more = say("toolbox.such_layers", count=len(missing)) if len(missing) > 1 else ""
            problems.append(
                Problem(
                    say(
                        "toolbox.base_lacks_layer",
                        base=checkpoint.path.name,
                        name=missing[0],
                        file=file.path.name,
                        more=more,
                    ),
                    where=where,
                )
            )
        else:
            problems += _wrong_shapes(checkpoint, file)
    if problems:
        raise UserError(*problems)


def _wrong_shapes(checkpoint: BaseWeights, file: LoraFile) -> list[Problem]:
    """The first layer, norm or bias of the file that has another shape in the base."""
    sizes = [(name, change.size(), checkpoint.spec(name).shape) for name, change in file.changes.items()]
    sizes += [(name, tuple(change.shape), checkpoint.shape_beside(name)) for name, change in file.extras.items()]
    for name, size, shape in sizes:
        if size not in (shape, (shape[0], math.prod(shape[1:]))):  # a convolution's change is a matrix
            what = say(
                "toolbox.base_shape_differs", file=file.path.name, name=name, shape=list(shape),
                base=checkpoint.path.name, other=list(size),
            )  # fmt: skip
            return [Problem(what)]
    return []


def _write_file(checkpoint: BaseWeights, file: str, merger: _Merger, path: Path, loras: Pairs) -> None:
    source = checkpoint.files[file]
    metadata = {key: value for key, value in source.metadata.items() if not key.startswith(_STALE)}
    merged = {last_part(str(lora)): weight for lora, weight in loras}
    metadata["sdlora_merged"] = json.dumps(merged)
    plan = dict(source.entries)
    with TensorWriter(path, plan, metadata) as writer:
        for key in plan:
            changes = (file, key) in merger.affected
            writer.write(key, merger.changed(file, key, source.tensor(key)) if changes else source.raw(key))


def _write_folder(checkpoint: BaseWeights, merger: _Merger, path: Path, loras: Pairs) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(say("toolbox.out_exists", path=path), fix=say("toolbox.name_a_new_folder"), where=str(path))
    source = checkpoint.path
    written = {file for file, _ in merger.affected}
    copied = [p for p in source.rglob("*") if p.is_file() and _is_copied(source, p, checkpoint, written)]
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        needed = total_bytes(e for file in written for e in checkpoint.files[file].entries.values())
        check_space(path.parent, needed + sum(p.stat().st_size for p in copied))
        temporary.mkdir()
        for file in copied:
            target = temporary / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        for name in written:
            _write_file(checkpoint, name, merger, temporary / name, loras)
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    except OSError as error:
        raise explain(error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_copied(source: Path, path: Path, checkpoint: BaseWeights, written: set[str]) -> bool:
    """All but the weights written anew and copies of weights in other formats, which would stay unmerged."""
    inside = path.relative_to(source)
    if any(part.startswith(".") for part in inside.parts):
        return False
    if inside.as_posix() in checkpoint.files:
        return inside.as_posix() not in written
    if path.suffix.lower() in _PICKLED:
        return False
    # A whole checkpoint beside the folders is the base unmerged.
    return not (len(inside.parts) == 1 and path.suffix.lower() == ".safetensors")


def _shown_dtypes(dtypes: set[torch.dtype]) -> str:
    return ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))

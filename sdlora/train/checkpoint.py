"""Write and read checkpoints: the LoRA's float32 factors and the optimizer's whole state; complete or not there."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdlora.adapters.adapter import Adapter
from sdlora.errors import Unstable, UserError
from sdlora.files.intact import Damaged, digest_of, write_json
from sdlora.messages import listed, say
from sdlora.runs.checkpoints import FORMAT, OPTIMIZER, STATE, TRAINED, WEIGHTS, set_aside, verified
from sdlora.train.average import Average
from sdlora.train.health import growth_of
from sdlora.train.optim_state import give_state, optimizer_name, take_state
from sdlora.train.optimizers import FIRST

SHOWN = 3  # names of layers in a note


def save_checkpoint(
    folder: Path,
    step: int,
    adapter: Adapter,
    optimizer: torch.optim.Optimizer,
    extra: dict,
    exported: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write ``folder/000500``: into a hidden folder first, fsynced, then renamed. Returns its path.

    exported: tensors of the adapter that are exported in place of its own.
    extra: small JSON values to find again in ``load_checkpoint`` (a GradScaler's state). Raises Unstable where a
    factor or the optimizer's state is not finite, OSError if the disk is full; then nothing is left of it, and an older
    checkpoint of that step stays.
    """
    target = folder / f"{step:06d}"
    temporary = folder / f".{step:06d}.tmp"
    weights = {name: value.detach().cpu().contiguous() for name, value in adapter.state_dict().items()}
    tensors, plain = take_state(adapter, optimizer)
    files = {WEIGHTS: weights, OPTIMIZER: tensors}
    if exported:
        averages = {name: value.detach().cpu().contiguous() for name, value in exported.items()}
        files |= {WEIGHTS: weights | averages, TRAINED: weights}
    for inside in files.values():
        _check_finite(step, inside)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        for name, inside in files.items():
            save_file(inside, temporary / name)
        state = {
            "format": FORMAT,
            "step": step,
            **extra,
            "optimizer": {"kind": optimizer_name(optimizer), "values": plain},
        }
        state["files"] = {name: digest_of(temporary / name) for name in files}
        write_json(temporary / STATE, state | _strengths(adapter) | growth_of(adapter))
        for file in temporary.iterdir():
            with open(file, "rb+") as handle:
                os.fsync(handle.fileno())
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target, ignore_errors=True)
        elif os.path.lexists(target):  # a file or a link of that name would end the run
            set_aside(target)
        os.replace(temporary, target)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, SafetensorError):  # its way of saying that the disk is full
            raise UserError(
                say("runs.checkpoint_not_written", step=step, reason=error),
                fix=say("runs.free_space_and_resume"),
            ) from error
        raise
    return target


def load_checkpoint(
    folder: Path, adapter: Adapter, optimizer: torch.optim.Optimizer, average: Average | None = None
) -> dict:
    """Restore all in place, bit for bit, and return the saved state ({"step": …, …}).

    UserError for a damaged checkpoint, one of another rank or target set, or of another optimizer; the adapter is then
    as before.
    """
    state, weights, tensors = _read(folder)
    adapter.load_state_dict(_trained(folder, state) or weights)
    told = _optimizer_of(state)
    give_state(adapter, optimizer, tensors, told["values"], told["kind"])
    if average:
        average.begin(adapter, weights)
    return state


def load_what_fits(folder: Path, adapter: Adapter, optimizer: torch.optim.Optimizer) -> tuple[dict, list[str]]:
    """Restore what fits a run whose settings differ: (saved state, sentences on what was left out or is new).

    Layers that both have get the saved factors; where alpha / rank is another one here, the last factor is scaled so
    that the LoRA does what it did. The optimizer's state follows where optimizer, layers and strengths are the same.
    Of a run that exports an average, that is what is gone on from, unless the optimizer's state can follow, which
    belongs to what was trained.
    UserError for another rank or shape, for another kind of adapter, or if no layer is in both.
    """
    state, weights, tensors = _read(folder)
    if _optimizer_of(state)["kind"] == optimizer_name(optimizer):
        weights = _trained(folder, state) or weights
    current, notes = adapter.state_dict(), list[str]()
    common = current.keys() & weights.keys()
    if not common or _parts_of(current) != _parts_of(weights):
        adapter.load_state_dict(weights)  # says what is missing
    adapter.load_state_dict({name: weights[name] if name in common else value for name, value in current.items()})
    scaled = _keep_strengths(adapter, state, common)
    new, gone = (
        {name.rpartition(".")[0] for name in names} for names in (current.keys() - common, weights.keys() - common)
    )
    if new:
        notes.append(say("runs.layers_begin", names_of_layers=listed(sorted(new), SHOWN)))
    if gone:
        notes.append(say("runs.layers_left_out", names_of_layers=listed(sorted(gone), SHOWN)))
    told = _optimizer_of(state)
    if told["kind"] != optimizer_name(optimizer):
        notes.append(say("runs.optimizer_begins_kind", kind=told["kind"]))
    elif scaled:
        notes.append(say("runs.optimizer_begins_strength"))
    else:
        give_state(adapter, optimizer, tensors, told["values"], told["kind"], only=set(common))
    return state, notes


def load_weights(folder: Path, adapter: Adapter) -> dict:
    """The LoRA alone, at the strength that it was saved with; returns the saved state. UserError as above."""
    state, weights, _ = _read(folder)
    adapter.load_state_dict(weights)
    _keep_strengths(adapter, state, set(weights))
    return state


def _read(folder: Path) -> tuple[dict, dict[str, Tensor], dict[str, Tensor]]:
    """(state, the LoRA's factors, the tensors of the optimizer's state) of a checkpoint that is whole."""
    try:
        state = verified(folder)
        return state, load_file(folder / WEIGHTS), load_file(folder / OPTIMIZER)
    except (Damaged, OSError, SafetensorError) as error:
        fix = say("runs.delete_or_use_another")
        raise UserError(say("runs.checkpoint_damaged", name=folder.name, fault=error), fix=fix) from error


def _trained(folder: Path, state: dict) -> dict[str, Tensor] | None:
    """The factors as they are trained, where a checkpoint holds them beside their average. It has been verified."""
    return load_file(folder / TRAINED) if TRAINED in state.get("files", {}) else None


def _optimizer_of(state: dict) -> dict[str, Any]:
    return state.get("optimizer") or {"kind": FIRST.title, "values": {}}  # format 1 knew no other


def _check_finite(step: int, tensors: dict[str, Tensor]) -> None:
    broken = [name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise Unstable(say("training.unstable_not_saved", step=step, name=broken[0], count=len(broken)))


# ---- alpha / rank, which the factors alone don't tell


def _strengths(adapter: Adapter) -> dict[str, Any]:
    """{"strength": the commonest alpha / rank, "strengths": the others by layer}."""
    all_of = {name: layer.scale for name, layer in adapter.layers.items()}
    common = Counter(all_of.values()).most_common(1)[0][0]
    return {"strength": common, "strengths": {name: s for name, s in all_of.items() if s != common}}


@torch.no_grad()
def _keep_strengths(adapter: Adapter, state: dict, common: set[str]) -> bool:
    """Scale each last factor by what alpha / rank was when it was saved against now; was there anything to scale?"""
    scaled = False
    for name, parameter in adapter.tensors().items():
        layer = name.rpartition(".")[0]
        own = adapter.layers[layer].scale
        before = state.get("strengths", {}).get(layer, state.get("strength", own))
        last = adapter.kind.last_in(adapter.layers[layer].tensors())
        if name.endswith(f".{last}") and name in common and before != own:
            parameter.mul_(before / own)
            scaled = True
    return scaled


def _parts_of(names: Iterable[str]) -> set[str]:
    """The tensors that a layer has: another set is another kind of adapter."""
    return {name.rpartition(".")[2] for name in names}

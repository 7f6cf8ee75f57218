"""Checkpoints: the LoRA's float32 factors and the optimizer's state, as safetensors; complete or not there at all."""

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sdlora.errors import UserError
from sdlora.lora.adapter import Adapter

WEIGHTS, OPTIMIZER, STATE = "lora.safetensors", "optimizer.safetensors", "state.json"


def save_checkpoint(folder: Path, step: int, adapter: Adapter, optimizer: torch.optim.Optimizer, extra: dict) -> Path:
    """Write ``folder/000500``: into a hidden folder first, fsynced, then renamed. Returns its path.

    extra: small JSON values to find again in ``load_checkpoint`` (a GradScaler's scale). OSError if the disk is full;
    then nothing is left of it.
    """
    target = folder / f"{step:06d}"
    temporary = folder / f".{step:06d}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        save_file({k: v.cpu().contiguous() for k, v in adapter.state_dict().items()}, temporary / WEIGHTS)
        save_file(_optimizer_tensors(adapter, optimizer), temporary / OPTIMIZER)
        (temporary / STATE).write_text(json.dumps({"step": step, **extra}))
        for file in temporary.iterdir():
            with open(file, "rb+") as handle:
                os.fsync(handle.fileno())
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, SafetensorError):  # its way of saying that the disk is full
            raise UserError(
                f"The checkpoint of step {step} could not be written: {error}.",
                fix="Free some space on the disk and resume the run.",
            ) from error
        raise
    return target


def load_checkpoint(folder: Path, adapter: Adapter, optimizer: torch.optim.Optimizer) -> dict:
    """Restore both in place, bit for bit, and return the saved state ({"step": …, …}).

    UserError for a damaged checkpoint or one of another rank or target set; the adapter is then as before.
    """
    weights, tensors = read_weights(folder / WEIGHTS), read_weights(folder / OPTIMIZER)
    try:
        state = json.loads((folder / STATE).read_text())
    except (OSError, ValueError) as error:
        raise _damaged(folder, error) from error
    adapter.load_state_dict(weights)
    for name, parameter in _named(adapter):
        if f"{name}.exp_avg" not in tensors:
            continue  # saved before the first step
        optimizer.state[parameter] = {
            "step": tensors[f"{name}.step"].clone(),
            "exp_avg": tensors[f"{name}.exp_avg"].to(parameter.device),
            "exp_avg_sq": tensors[f"{name}.exp_avg_sq"].to(parameter.device),
        }
    return state


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of one of a checkpoint's files; UserError if it is damaged."""
    try:
        return load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise _damaged(path.parent, error) from error


def _damaged(folder: Path, error: Exception) -> UserError:
    return UserError(
        f"The checkpoint {folder.name} is damaged ({error}).",
        fix=f"Delete the folder {folder.name}; the one before it will be used.",
    )


def _named(adapter: Adapter):
    for name, layer in adapter.layers.items():
        yield f"{name}.down", layer.down.weight
        yield f"{name}.up", layer.up.weight
        if adapter.dora:
            yield f"{name}.magnitude", layer.magnitude


def _optimizer_tensors(adapter: Adapter, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.detach().cpu().clone()
        for name, parameter in _named(adapter)
        for key, value in optimizer.state.get(parameter, {}).items()
    }

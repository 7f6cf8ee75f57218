"""Checkpoints on disk: is one whole, which is the newest that is, and what becomes of one that is not. No torch.

checkpoints/000500/
  lora.safetensors       the LoRA's factors, float32
  optimizer.safetensors  the tensors of the optimizer's state
  trained.safetensors    the factors as they are trained, where lora.safetensors holds their average
  state.json             the step, the digests of the others, and all that is no tensor
  measured               there where it was saved for what was measured at its step alone; empty

Whoever fills and reads them is ``sdlora.train.checkpoint``.
"""

from sdlora.messages import reason_of, say, words_of
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdlora.files.intact import Damaged, digest_of, read_json

WEIGHTS, OPTIMIZER, STATE = "lora.safetensors", "optimizer.safetensors", "state.json"
TRAINED = "trained.safetensors"
FORMAT = 2  # of state.json; 1 had no digests, AdamW's moments alone, and a GradScaler's scale without its count
MEASURED = "measured"  # marks a checkpoint that goes when another step measures better
ASIDE = "damaged"  # the end of a folder's name that is no checkpoint any more
MOMENTS = {"step", "exp_avg", "exp_avg_sq"}  # what format 1 keeps of each parameter


def checkpoints_in(folder: Path | str) -> list[tuple[int, Path]]:
    """(step, folder) of every checkpoint in a run's folder "checkpoints", whole or not, oldest first."""
    folder = Path(folder)
    found = [p for p in folder.glob("*") if _is_number(p.name) and p.is_dir()] if folder.is_dir() else []
    return sorted((int(p.name), p) for p in found)


def verified(folder: Path | str) -> dict[str, Any]:
    """What state.json says of a checkpoint that is whole: every file there, with the bytes that were written.

    Raises Damaged, whose text names the file and what is wrong with it. A checkpoint of format 1 has no digests; of it
    is checked what can be: the files' own structure, that they fit each other, and that all numbers are finite.
    """
    folder = Path(folder)
    try:
        state = _state(folder / STATE)
        if state["step"] != (int(folder.name) if _is_number(folder.name) else state["step"]):
            raise Damaged(say("runs.fault_other_step", file=STATE, number=state['step']))
        if "format" not in state:
            _check_format_1(folder)
        for name, digest in state.get("files", {}).items():
            if digest_of(folder / name) != digest:
                raise Damaged(say("runs.fault_changed", file=name))
    except FileNotFoundError as error:
        raise Damaged(say("models.weight_missing", weight=Path(error.filename).name)) from None
    except OSError as error:
        raise Damaged(say("runs.fault_unreadable", file=Path(error.filename or folder).name, reason=reason_of(error))) from None
    return state


def is_whole(folder: Path | str) -> bool:
    """Is a checkpoint what was written? Reads all of it."""
    try:
        return bool(verified(folder))
    except Damaged:
        return False


def newest_intact(
    folder: Path | str, last: int | None = None
) -> tuple[tuple[int, Path] | None, list[tuple[Path, str]]]:
    """((step, folder) of the newest whole checkpoint or None, [(folder, what is wrong with it)] of the newer ones).

    folder: a run's "checkpoints". last: the run's steps; a later checkpoint is none of this run.
    """
    damaged = []
    for step, path in reversed(checkpoints_in(folder)):
        try:
            if last is not None and step > last:
                raise Damaged(say("runs.fault_beyond_run", number=last))
            verified(path)
        except Damaged as error:
            damaged.append((path, words_of(error)))
        else:
            return (step, path), damaged
    return None, damaged


def is_good(folder: Path | str) -> bool:
    """Was the LoRA sound when it was saved, as far as state.json tells? True where it is too old to say."""
    try:
        return _state(Path(folder) / STATE).get("good", True) is True
    except (Damaged, OSError):
        return False


def mark_measured(folder: Path) -> None:
    """Note that this checkpoint is there for what was measured at its step, and for nothing else."""
    (folder / MEASURED).touch()


def is_measured(folder: Path) -> bool:
    """Is it there for what was measured at its step, and for nothing else?"""
    return (folder / MEASURED).exists()


def settle(folder: Path) -> None:
    """Make one like all others of a checkpoint that was saved for what was measured: now it is asked for by itself."""
    (folder / MEASURED).unlink(missing_ok=True)


def set_aside(folder: Path) -> Path:
    """Rename a checkpoint so that it is none any more ("000500.damaged"); returns its new place. Raises OSError."""
    for attempt in range(1, 1000):
        target = folder.with_name(f"{folder.name}.{ASIDE}" + (f"-{attempt}" if attempt > 1 else ""))
        if not os.path.lexists(target):
            break
    os.replace(folder, target)
    return target


def strangers_in(folder: Path | str) -> list[str]:
    """Names of what lies among the checkpoints and is none: neither a number, nor set aside, nor hidden."""
    known = re.compile(rf"\d+\.{ASIDE}(-\d+)?|\..*", re.ASCII)
    names = os.listdir(folder) if Path(folder).is_dir() else []
    whole = {path.name for _, path in checkpoints_in(folder)}
    return sorted(name for name in names if name not in whole and not known.fullmatch(name))


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 19


def _state(path: Path) -> dict[str, Any]:
    """state.json, with a step that can be one. Raises Damaged and OSError."""
    try:
        try:
            state = read_json(path)
        except Damaged:
            state = read_json(path, digest=False)
            if "format" in state:  # then it had a digest once
                raise
    except Damaged as error:
        raise Damaged(say("runs.fault_of_file", file=STATE, why=words_of(error))) from None
    step, files = state.get("step"), state.get("files", {})
    if type(step) is not int or step < 0:
        raise Damaged(say("runs.fault_no_step", file=STATE))
    if state.get("format", FORMAT) != FORMAT:
        raise Damaged(say("runs.fault_newer_version", file=STATE))
    if "format" in state and set(files) != {WEIGHTS, OPTIMIZER}:
        raise Damaged(say("runs.fault_lists_no_files", file=STATE))
    return state


# ---- format 1, which has no digests


def _check_format_1(folder: Path) -> None:
    """Are the two files whole, do they fit each other, are their numbers finite? Raises Damaged and OSError."""
    weights, moments = (_shapes(folder / name) for name in (WEIGHTS, OPTIMIZER))
    for name in weights:
        layer, _, part = name.rpartition(".")
        if part not in ("down", "up", "magnitude") or f"{layer}.{'up' if part == 'down' else 'down'}" not in weights:
            raise Damaged(say("runs.fault_lacks", file=WEIGHTS, name_of_layer=layer))
    kept: dict[str, set[str]] = {}
    for name, shape in moments.items():
        parameter, _, part = name.rpartition(".")
        if parameter not in weights or part not in MOMENTS or shape not in ((), weights[parameter]):
            raise Damaged(say("runs.fault_fits_nothing", name_of_layer=name, file=OPTIMIZER))
        kept.setdefault(parameter, set()).add(part)
    for name in weights:
        layer = name.rpartition(".")[0]
        if kept.get(name, set()) != (MOMENTS if f"{layer}.down" in kept or f"{layer}.up" in kept else set()):
            raise Damaged(say("runs.fault_lacks", file=OPTIMIZER, name_of_layer=name))


def _shapes(path: Path) -> dict[str, Sequence[int]]:
    """The tensors' shapes; Damaged for a file that is none, or has numbers that are not finite."""
    import numpy as np  # here, for what only lists runs shall start at once
    from safetensors import SafetensorError, safe_open

    if not path.stat().st_size:
        raise Damaged(say("runs.fault_empty", file=path.name))
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
    except (SafetensorError, ValueError, TypeError) as error:
        raise Damaged(say("runs.fault_not_safetensors", file=path.name, why=str(error).splitlines()[0][:120])) from None
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise Damaged(say("runs.fault_not_finite", name_of_layer=name, file=path.name))
    return {name: values.shape for name, values in tensors.items()}

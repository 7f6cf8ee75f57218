"""The mean of several LoRAs, such as checkpoints of one run: of what they do, not of the numbers that do it.

What is averaged are the changes, up · down of each layer. One change has many pairs of factors, so that the mean of
factors depends on which pair a training, or a tool that made the file, happened to choose; the mean of changes does
not, and is right for files of different runs as well. It is exact as factors laid side by side, n times the rank; cut
down to the inputs' rank it is the nearest there is (Eckart and Young 1936), and what that loses is measured.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file

from sdlora.adapters.table import PLAIN
from sdlora.errors import UserError
from sdlora.families.base import inspect_base
from sdlora.lorafiles.changes import Factors
from sdlora.lorafiles.names import canonical
from sdlora.lorafiles.read import LoraFile
from sdlora.messages import say
from sdlora.runs.checkpoints import WEIGHTS, verified
from sdlora.runs.origin import choose_checkpoint, parse_origin
from sdlora.toolbox.files import Result, derived_metadata, output_path, write_factors
from sdlora.toolbox.merge import merge_loras, read_all

# What is of one length of a training, and wrong of a mean.
OF_ONE_STEP = ("ss_steps", "ss_epoch", "ss_num_epochs", "ss_max_train_steps", "ss_training_finished_at")


def average_loras(
    sources: Sequence[str],
    out: Path | str,
    *,
    rank: int | None = None,
    exact: bool = False,
    dtype: str = "",
    container: str = "kohya",
    leave_out: bool = False,
) -> Result:
    """Write the mean of LoRA files, or of runs' checkpoints ("RUN@STEP", or "RUN" for its newest), as a LoRA file.

    All must hold the same layers of the same shapes. rank: of the mean; the highest of the inputs by default. exact:
    all of it, with the ranks added up. dtype: the inputs', that of the run's own file for a checkpoint. The result's
    error is relative to the exact mean. Raises UserError: fewer than two, what can't be read, layers that differ.
    """
    if len(sources) < 2:
        raise UserError(say("toolbox.average_one"), fix=say("toolbox.average_give_two"))
    path = output_path(out, [source for source in sources if Path(source).is_file()])
    with TemporaryDirectory() as folder:
        given = [source_file(source, Path(folder)) for source in sources]
        pairs = [(file, 1 / len(given)) for file, _ in given]
        files = read_all(pairs, leave_out=leave_out)
        _check_layers(files)
        if rank is None and not exact:
            rank = max(change.rank for file in files for change in file.changes.values()) or None
        return merge_loras(
            pairs,
            path,
            rank=rank,
            dtype=dtype or next((own for _, own in given if own), ""),
            container=container,
            leave_out=leave_out,
            told=common_metadata(files),
        )


def source_file(source: str, folder: Path) -> tuple[Path, str]:
    """(a LoRA file, the dtype that it should have, "" for its own): the file itself, or a run's checkpoint as one.

    folder: where that is written, with the run and the step as its name.
    """
    if Path(source).is_file() or source.endswith(".safetensors"):
        return Path(source), ""
    run, wanted = parse_origin(source)
    step, checkpoint, _ = choose_checkpoint(run, wanted)
    settings = run.settings()
    if checkpoint is None or settings.adapter.kind != PLAIN.name:
        what = say("toolbox.average_not_plain", name=run.name, kind=settings.adapter.kind)
        raise UserError(what, fix=say("toolbox.average_export_plain"))
    family = inspect_base(settings.model.base, settings.model.revision).family
    modules = checkpoint_factors(checkpoint, settings.adapter.alpha / settings.adapter.rank)
    path = folder / f"{run.name}@{step}.safetensors"
    metadata = derived_metadata(modules, family, name=path.stem) | _trigger(settings.data.trigger)
    write_factors(path, modules, family=family, metadata=metadata, dtype="fp32", container="diffusers")
    return path, settings.save.dtype


def checkpoint_factors(checkpoint: Path, strength: float) -> dict[str, Factors]:
    """Canonical name -> (down, up, scale) of a whole checkpoint of a plain LoRA; float32.

    strength: alpha / rank, where the checkpoint is too old to tell it.
    """
    state, tensors = verified(checkpoint), load_file(checkpoint / WEIGHTS)
    common, single = state.get("strength", strength), state.get("strengths", {})
    layers = dict.fromkeys(name.rpartition(".")[0] for name in tensors)
    return {
        canonical(layer): (tensors[f"{layer}.down"], tensors[f"{layer}.up"], float(single.get(layer, common)))
        for layer in layers
    }


def common_metadata(files: Sequence[LoraFile]) -> dict[str, str]:
    """What all files say alike, and what is not of one length of the training."""
    first, *others = (file.metadata for file in files)
    return {
        key: value
        for key, value in first.items()
        if key not in OF_ONE_STEP and all(other.get(key) == value for other in others)
    }


def _trigger(words: str) -> dict[str, str]:
    return {"modelspec.trigger_phrase": words} if words else {}


def _check_layers(files: Iterable[LoraFile]) -> None:
    """UserError naming a layer that only one of two files holds."""
    first, *others = files
    for other in others:
        if odd := sorted(first.changes.keys() ^ other.changes.keys()):
            has, lacks = (first, other) if odd[0] in first.changes else (other, first)
            what = say("toolbox.average_layers", first=has.path.name, second=lacks.path.name, name=odd[0])
            raise UserError(what, fix=say("toolbox.average_use_merge"))

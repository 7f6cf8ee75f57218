"""Convert a LoRA to another container or dtype, or an old pickled one to safetensors."""

from pathlib import Path

from sdlora.errors import UserError
from sdlora.lorafiles.read import LoraFile, chosen, look
from sdlora.messages import say
from sdlora.toolbox.advice import plain_fix
from sdlora.toolbox.files import Result, choose_dtype, derived_metadata, left_out_of, output_path, write_factors
from sdlora.toolbox.unpickle import is_pickle, read_pickle


def convert_lora(
    lora: Path | str, out: Path | str, *, container: str = "kohya", dtype: str = "", leave_out: bool = False
) -> Result:
    """Write any layout as ``container`` "kohya" (every tool) or "diffusers", with factors in ``dtype``.

    lora: a safetensors file, or an old pickled one (.bin, .pt, .ckpt), of which tensors alone are read. leave_out: pass
    over what a plain LoRA can't hold. Ranks and strength stay; LoHa and LoKr become plain LoRA where that is exact and
    smaller. The family stays: a LoRA can't be made to fit another. Within one dtype the factors keep their bits, or are
    scaled by powers of two. The result's error is the rounding to ``dtype``. Raises UserError for DoRA and for layers
    without exact factors (``resize`` approximates them).
    """
    path = output_path(out, [lora])
    file = read_any(lora, leave_out)
    if other := [name for name in file.changes if name not in file.modules]:
        raise UserError(
            say("toolbox.not_plain", file=file.path.name, kind=file.kind_shown(other[0]), name=other[0]),
            fix=plain_fix(file, other[0]),
            where=str(file.path),
        )
    metadata = derived_metadata(file.modules, file.family, name=path.stem, source=file.metadata)
    for key in ("ss_output_name", "modelspec.title"):  # it is the same LoRA
        if key in file.metadata:
            metadata[key] = file.metadata[key]
    cast = choose_dtype(dtype, [file])
    error = write_factors(path, file.modules, family=file.family, metadata=metadata, dtype=cast, container=container)
    return Result(path, len(file.modules), error, f"{container}, {cast}", left_out_of([file]))


def read_any(lora: Path | str, leave_out: bool) -> LoraFile:
    """A LoRA in safetensors or, told by its first bytes, in a pickle."""
    return chosen(look(read_pickle(lora) if is_pickle(lora) else lora), leave_out=leave_out)

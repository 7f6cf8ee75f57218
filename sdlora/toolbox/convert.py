"""The same LoRA in another container or dtype."""

from pathlib import Path

from sdlora.errors import UserError
from sdlora.lora.lorafile import read_lora
from sdlora.toolbox.files import Result, choose_dtype, derived_metadata, output_path, write_lora


def convert_lora(lora: Path | str, out: Path | str, *, container: str = "kohya", dtype: str = "") -> Result:
    """Write any layout as ``container`` "kohya" (every tool) or "diffusers", with factors in ``dtype``.

    Ranks and strength stay; LoHa and LoKr become plain LoRA where that is exact and smaller. The family stays: a LoRA
    can't be made to fit another. The result's error is the rounding to ``dtype``. Raises UserError for DoRA and for
    layers without exact factors (``resize`` approximates them).
    """
    path = output_path(out, [lora])
    file = read_lora(lora)
    if other := [name for name in file.changes if name not in file.modules]:
        raise UserError(
            f"{file.path.name} has a {file.kind_shown(other[0])} in {other[0]}, which is no plain LoRA.",
            fix="Approximate it with `sdlora resize --rank N`.",
            where=str(file.path),
        )
    metadata = derived_metadata(file.modules, file.family, name=path.stem, source=file.metadata)
    for key in ("ss_output_name", "modelspec.title"):  # it is the same LoRA
        if key in file.metadata:
            metadata[key] = file.metadata[key]
    cast = choose_dtype(dtype, [file])
    error = write_lora(path, file.modules, family=file.family, metadata=metadata, dtype=cast, container=container)
    return Result(path, len(file.modules), error, f"{container}, {cast}")

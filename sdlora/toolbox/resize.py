"""A LoRA of another rank, and other kinds as plain LoRA."""

import math
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from sdlora.errors import Problem, UserError
from sdlora.lorafiles import algebra
from sdlora.lorafiles.changes import Factors
from sdlora.lorafiles.read import LoraFile, read_lora
from sdlora.messages import say
from sdlora.toolbox.base import BaseWeights
from sdlora.toolbox.files import (
    Result,
    choose_dtype,
    derived_metadata,
    left_out_of,
    output_path,
    rank_note,
    write_factors,
)


def resize_lora(
    lora: Path | str,
    out: Path | str,
    *,
    rank: int | None = None,
    conv_rank: int | None = None,
    energy: float | None = None,
    ratio: float | None = None,
    base: Path | str | None = None,
    dtype: str = "",
    container: str = "kohya",
    leave_out: bool = False,
) -> Result:
    """Write the LoRA at another rank: for every layer the best approximation there is (Eckart and Young).

    rank: the highest; conv_rank: that of 3x3 convolutions, ``rank`` by default. energy: share (0 to 1) of each layer's
    squared Frobenius norm to keep (kohya's ``sv_fro`` is its square root); ratio: keep singular values larger than the
    layer's largest / ratio (kohya's ``sv_ratio``). Any of them together: the smallest rank wins. LoHa, LoKr, full
    differences become plain LoRA so; DoRA too if ``base``, its base model, is given.
    leave_out: pass over what a plain LoRA can't hold. The result's error is relative to the whole change. Raises
    UserError.
    """
    check_targets(rank, conv_rank, energy, ratio)
    path = output_path(out, [lora])
    file = read_lora(lora, leave_out=leave_out)
    weight_of = BaseWeights(base).weight if base else None
    new: dict[str, Factors] = {}
    lost = whole = 0.0
    for name in file.changes:
        found = decomposed_layer(file, name, weight_of)
        inputs = file.inputs_of(name)
        highest = conv_rank if conv_rank and math.prod(inputs[1:]) > 1 else rank
        keep = algebra.choose_rank(found.s, highest, energy, ratio)
        down, up, cut = algebra.truncate(found, keep, inputs)
        new[name] = (down, up, 1.0)
        lost, whole = lost + cut**2, whole + float(found.s.norm()) ** 2
    metadata = derived_metadata(new, file.family, name=path.stem, source=file.metadata)
    cast = choose_dtype(dtype, [file])
    rounding = write_factors(path, new, family=file.family, metadata=metadata, dtype=cast, container=container)
    note = rank_note(down.shape[0] for down, _, _ in new.values())
    error = math.hypot(math.sqrt(lost / whole) if whole else 0.0, rounding)
    return Result(path, len(new), error, note, left_out_of([file]))


def decomposed_layer(file: LoraFile, name: str, weight_of: Callable[[str], Tensor] | None = None) -> algebra.Decomposed:
    """A layer's singular values and vectors, from the factors where there are any."""
    if name in file.modules:
        return algebra.decompose(*file.modules[name])
    weight = weight_of(name) if weight_of and file.changes[name].magnitudes is not None else None
    return algebra.decompose_matrix(file.delta(name, weight).flatten(1))


def check_targets(
    rank: int | None, conv_rank: int | None = None, energy: float | None = None, ratio: float | None = None
) -> None:
    """UserError with everything that is wrong with the numbers."""
    wrong = []
    if rank is None and energy is None and ratio is None:
        wrong.append(Problem(say("toolbox.no_size"), say("toolbox.give_size")))
    if any(r is not None and r < 1 for r in (rank, conv_rank)):
        wrong.append(
            Problem(
                say("toolbox.new_rank_is", given=rank if rank is not None and rank < 1 else conv_rank),
                say("toolbox.must_be_at_least_1"),
            )
        )
    if energy is not None and not 0 < energy <= 1:
        wrong.append(Problem(say("toolbox.energy_is", given=energy), say("toolbox.must_be_energy")))
    if ratio is not None and not 1 <= ratio < math.inf:
        wrong.append(Problem(say("toolbox.ratio_is", given=ratio), say("toolbox.must_be_ratio")))
    if wrong:
        raise UserError(*wrong)

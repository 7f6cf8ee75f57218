"""Several LoRAs with weights into one: exactly by concatenation, or to a chosen rank by SVD; linear, TIES, DARE."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sdlora.errors import Problem, UserError
from sdlora.lorafiles import algebra
from sdlora.lorafiles.changes import Factors
from sdlora.lorafiles.read import LoraFile, read_lora
from sdlora.messages import say
from sdlora.toolbox.advice import plain_fix
from sdlora.toolbox.blocks import Blocks, check_blocks, parse_blocks, weight_of
from sdlora.toolbox.files import (
    Result,
    choose_dtype,
    common_family,
    derived_metadata,
    left_out_of,
    output_path,
    rank_note,
    write_factors,
)

METHODS = ("linear", "ties", "dare")
Pairs = Sequence[tuple[Path | str, float]]


def merge_loras(
    loras: Pairs,
    out: Path | str,
    *,
    rank: int | None = None,
    blocks: Sequence[str] = (),
    method: str = "linear",
    density: float = 0.5,
    seed: int = 0,
    dtype: str = "",
    container: str = "kohya",
    leave_out: bool = False,
    told: Mapping[str, str] | None = None,
) -> Result:
    """Merge ``loras``, pairs of (file, weight), into the LoRA file ``out``.

    Without ``rank`` the result is the exact weighted sum, and the ranks add up; with it every layer is the best
    approximation of that rank. The result's error is relative to the exact merge, the rounding to ``dtype`` included.
    blocks: "IN04=0.5 MID=1 …" for all files, or one such text for each. method: "linear" (weighted sum), "ties" (Yadav
    et al. 2023) or "dare" (Yu et al. 2024: each entry stays with probability ``density``, then the weighted sum); these
    two need a rank. density: share of the entries that stay, 0 to 1. dtype: the inputs' by default.
    leave_out: pass over what a plain LoRA can't hold. told: metadata that holds for the result, too; of a single file
    its own by default.
    Raises UserError: files that can't be read or are for different families, layers of different shape, DoRA.
    """
    check_method(method, rank, density)
    path = output_path(out, [file for file, _ in loras])
    files = read_all(loras, leave_out=leave_out)
    family = common_family(files)
    weights = layer_weights(files, [weight for _, weight in loras], blocks)
    dense = method != "linear"
    names = list(dict.fromkeys(name for file in files for name in file.changes))
    merged: dict[str, Factors] = {}
    lost = whole = 0.0
    for index, name in enumerate(names):
        weighted = [(file, w[name]) for file, w in zip(files, weights, strict=True) if name in file.changes and w[name]]
        if not weighted:
            continue
        _check_shapes(name, weighted)
        if dense or not all(name in file.modules for file, _ in weighted):
            draw = torch.Generator().manual_seed(seed * 1_000_003 + index)
            svd = algebra.decompose_matrix(_dense(name, weighted, method, density, draw, rank))
            down, up, cut = algebra.truncate(svd, _within(svd, rank), weighted[0][0].inputs_of(name))
            merged[name], size = (down, up, 1.0), float(svd.s.norm())
        else:
            merged[name], cut, size = _from_factors(name, weighted, rank)
        lost, whole = lost + cut**2, whole + size**2
    metadata = derived_metadata(
        merged,
        family,
        name=path.stem,
        source=files[0].metadata if len(files) == 1 and told is None else told,
        merged_from=files_of(loras),
    )
    rounding = write_factors(
        path, merged, family=family, metadata=metadata, dtype=choose_dtype(dtype, files), container=container
    )
    error = math.hypot(math.sqrt(lost / whole) if whole else 0.0, rounding)
    note = rank_note(down.shape[0] for down, _, _ in merged.values())
    return Result(path, len(merged), error, note, left_out_of(files))


def check_method(method: str, rank: int | None, density: float) -> None:
    """UserError with everything that is wrong in the choices."""
    wrong = []
    if method not in METHODS:
        wrong.append(
            Problem(
                say("toolbox.method_is", given=repr(method)), say("settings.must_be_one_of", choices=", ".join(METHODS))
            )
        )
    elif method != "linear" and rank is None:
        wrong.append(Problem(say("toolbox.method_needs_rank", method=method), say("toolbox.give_rank")))
    if rank is not None and rank < 1:
        wrong.append(Problem(say("toolbox.rank_is", given=rank), say("toolbox.must_be_at_least_1")))
    if not 0 < density <= 1:
        wrong.append(Problem(say("toolbox.density_is", given=density), say("toolbox.must_be_share")))
    if wrong:
        raise UserError(*wrong)


def read_all(loras: Pairs, *, leave_out: bool = False, beside: bool = False) -> list[LoraFile]:
    """Every file; UserError with the faults of all, a weight that is no number among them."""
    files, problems = [], []
    if not loras:
        problems.append(Problem(say("toolbox.no_lora"), say("toolbox.give_files")))
    for path, weight in loras:
        if not math.isfinite(weight):
            problems.append(Problem(say("toolbox.weight_not_a_number", file=path), say("toolbox.give_weight")))
        try:
            files.append(read_lora(path, leave_out=leave_out, beside=beside))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return files


def layer_weights(files: Sequence[LoraFile], weights: Sequence[float], blocks: Sequence[str]) -> list[dict[str, float]]:
    """File by file: layer, or norm -> weight, the file's times its block's."""
    if len(blocks) not in (0, 1, len(files)):
        raise UserError(
            say("toolbox.blocks_given_times", count=len(blocks), files=len(files)), fix=say("toolbox.give_once_or_each")
        )
    parsed: list[Blocks] = [parse_blocks(text) for text in blocks] or [Blocks()]
    per_file = []
    for i, (file, weight) in enumerate(zip(files, weights, strict=True)):
        blocks_of_file = parsed[i] if len(parsed) > 1 else parsed[0]
        names = dict.fromkeys([*file.changes, *(name.rpartition(".")[0] for name in file.extras)])
        check_blocks(names, file.family, blocks_of_file)
        per_file.append({name: weight * weight_of(name, file.family, blocks_of_file) for name in names})
    return per_file


def files_of(loras: Pairs) -> list[Path | str]:
    """The files alone."""
    return [file for file, _ in loras]


def _check_shapes(name: str, weighted: Sequence[tuple[LoraFile, float]]) -> None:
    first = weighted[0][0]
    for file, _ in weighted[1:]:
        if file.changes[name].size() != first.changes[name].size():
            raise UserError(
                say(
                    "toolbox.bases_differ",
                    first=first.path.name,
                    second=file.path.name,
                    name=name,
                    shape=list(first.changes[name].size()),
                    other=list(file.changes[name].size()),
                )
            )


def _from_factors(
    name: str, weighted: Sequence[tuple[LoraFile, float]], rank: int | None
) -> tuple[Factors, float, float]:
    """(factors, norm of what was cut off, norm of the whole)"""
    down, up, scale = algebra.concat([(d, u, s * w) for file, w in weighted for d, u, s in [file.modules[name]]])
    if rank is None or down.shape[0] <= rank:
        if len(weighted) == 1:  # as it was, with its own scale
            d, u, s = weighted[0][0].modules[name]
            down, up, scale = d, u, s * weighted[0][1]
        return (down, up, scale), 0.0, algebra.norm(down, up, scale)
    svd = algebra.decompose(down, up, scale)
    new_down, new_up, cut = algebra.truncate(svd, min(rank, len(svd.s)), down.shape[1:])
    return (new_down, new_up, 1.0), cut, float(svd.s.norm())


def _dense(
    name: str,
    weighted: Sequence[tuple[LoraFile, float]],
    method: str,
    density: float,
    draw: torch.Generator,
    rank: int | None,
) -> Tensor:
    if dora := next((file for file, _ in weighted if file.changes[name].magnitudes is not None), None):
        raise UserError(
            say("toolbox.dora_in_sum", file=dora.path.name, kind=dora.kind_shown(name), name=name),
            fix=plain_fix(dora, name),
            where=str(dora.path),
        )
    if rank is None:
        file = next(file for file, _ in weighted if name not in file.modules)
        raise UserError(
            say("toolbox.sum_without_rank", file=file.path.name, kind=file.kind_shown(name), name=name),
            fix=say("toolbox.give_rank"),
            where=str(file.path),
        )
    changes = [file.delta(name).flatten(1) for file, _ in weighted]
    if method == "ties":
        return algebra.ties(changes, [weight for _, weight in weighted], density)
    if method == "dare":
        changes = [algebra.dare(change, density, draw) for change in changes]
    return torch.stack([change * weight for change, (_, weight) in zip(changes, weighted, strict=True)]).sum(0)


def _within(svd: algebra.Decomposed, rank: int | None) -> int:
    return algebra.choose_rank(svd.s, rank)

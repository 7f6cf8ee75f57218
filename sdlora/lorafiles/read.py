"""LoRA files of every layout and kind, as changes of named layers; and the sentences for what is wrong with a file."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdlora.errors import Problem, UserError
from sdlora.families.registry import tell
from sdlora.files.kinds import told_by_names
from sdlora.lorafiles import algebra
from sdlora.lorafiles.beside import changes_beside, words_for
from sdlora.lorafiles.changes import Change, Factors, decomposed, kind_of, make_change, what_is_wrong
from sdlora.lorafiles.keys import Layout, evidence, foreign_kind, kernel_of, sort_keys
from sdlora.lorafiles.numbered import KEY, numbered_aliases
from sdlora.lorafiles.stream import TensorFile, TensorSource

_SHOWN = 5  # sentences of one kind; a foreign file would bring hundreds
_NAMES = {"lora": "LoRA with a Tucker core", "loha": "LoHa", "lokr": "LoKr", "full": "full difference"}


@dataclass(frozen=True)
class LoraFile:
    """A LoRA file in our terms.

    path, metadata: the file's. family: its name, told by shapes and keys.
    changes: canonical module name (``sdlora.lorafiles.names``) -> its change, in the file's dtype, on the CPU.
    layout: how the file spells them.
    extras: canonical name of a parameter (``unet.….norm1.weight``, ``….to_q.bias``, the text projection's weight) ->
        what is added to it at strength 1, float32: what no plain LoRA holds, and a base model takes exactly.
    left_out: what was passed over on demand -> how many.
    """

    path: Path
    family: str
    changes: dict[str, Change] = field(repr=False)
    metadata: dict[str, str] = field(repr=False)
    layout: Layout = field(repr=False)
    extras: dict[str, Tensor] = field(default_factory=dict, repr=False)
    left_out: dict[str, int] = field(default_factory=dict)

    @cached_property
    def modules(self) -> dict[str, Factors]:
        """Name -> (down, up, scale) of every layer that has exact factors smaller than its weight; float32.

        down (rank, in) or (rank, in, k, k), up (out, rank) or (out, rank, 1, 1); the change is scale · up · down.
        DoRA layers and differences without factors are not here: ``delta`` and ``as_factors`` give them.
        """
        found = {name: change.compact() for name, change in self.changes.items() if change.magnitudes is None}
        return {name: self.shaped(name, *factors) for name, factors in found.items() if factors}

    def delta(self, name: str, weight: Tensor | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
        """The exact change of one layer's weight at strength 1, in ``dtype`` and the weight's shape.

        weight: the base's, any dtype; needed for DoRA, whose change depends on it, and to check the shape.
        Raises UserError if the change is for another shape, or DoRA without the base.
        """
        change = self.changes[name]
        matrix = change.matrix(dtype)
        if weight is None:
            if change.magnitudes is not None:
                raise self._needs_base(name)
            return matrix.view(matrix.shape[0], *self.inputs_of(name))
        rows = weight.to(dtype).flatten(1)
        if rows.shape != matrix.shape:
            raise UserError(
                f"{self.path.name} is for another base model: {name} is {list(weight.shape)} there, "
                f"the LoRA changes {list(matrix.shape)}.",
                where=str(self.path),
            )
        if change.magnitudes is not None:
            matrix = decomposed(rows, matrix, change.magnitudes)
        return matrix.view(weight.shape)

    def as_factors(
        self,
        rank: int | None = None,
        energy: float | None = None,
        weight_of: Callable[[str], Tensor] | None = None,
    ) -> tuple[dict[str, Factors], float]:
        """(name -> (down, up, scale), relative error): the whole file as a plain LoRA.

        Layers that have exact factors keep them. The others (LoKr and LoHa of high rank, differences, DoRA) are
        approximated by SVD to ``rank``, to a share ``energy`` of the squared norm, or both.
        weight_of: name -> the base's weight, for DoRA. The error is the Frobenius norm of what was cut off, over that
        of the whole change. Raises UserError for DoRA without ``weight_of``, and if neither rank nor energy is given
        where it is needed.
        """
        plain, lost, whole = dict(self.modules), 0.0, 0.0
        for name, change in self.changes.items():
            if name in plain:
                whole += algebra.norm(*plain[name]) ** 2
                continue
            if rank is None and energy is None:
                raise UserError(
                    f"{self.path.name} has no plain LoRA factors in {name} ({self.kind_shown(name)}).",
                    fix="Give a rank to approximate them.",
                    where=str(self.path),
                )
            weight = weight_of(name) if change.magnitudes is not None and weight_of else None
            matrix = self.delta(name, weight).flatten(1)
            found = algebra.decompose_matrix(matrix)
            down, up, cut = algebra.truncate(found, algebra.choose_rank(found.s, rank, energy), self.inputs_of(name))
            plain[name] = (down, up, 1.0)
            lost += cut**2
            whole += float(found.s.norm()) ** 2
        return {name: plain[name] for name in self.changes}, math.sqrt(lost / whole) if whole else 0.0

    def kind_shown(self, name: str) -> str:
        """ "LoRA", "LoHa", "LoKr", "full difference", "DoRA" … for people."""
        change = self.changes[name]
        shown = "LoRA" if change.kind == "lora" and "mid" not in change.parts else _NAMES[change.kind]
        shown += " with a sparse remainder" if change.sparse is not None else ""
        return shown if change.magnitudes is None else f"DoRA ({shown})"

    def inputs_of(self, name: str) -> tuple[int, ...]:
        """The layer's weight without its first axis."""
        change = self.changes[name]
        kernel = change.kernel()
        if kernel is None:
            side = kernel_of(name, self.family)
            kernel = (side, side) if side else ()
        columns, area = change.size()[1], math.prod(kernel)
        return (columns // area, *kernel) if columns % area == 0 else (columns,)

    def shaped(self, name: str, down: Tensor, up: Tensor, scale: float) -> Factors:
        """Factors with the axes that the layer's weight has."""
        inputs = self.inputs_of(name)
        down = down.reshape(down.shape[0], *inputs)
        return down, up.reshape(up.shape[0], up.shape[1], *(1 for _ in inputs[1:])), scale

    def _needs_base(self, name: str) -> UserError:
        return UserError(
            f"{self.path.name} is a DoRA: the change of {name} depends on the base model's weights.",
            fix="Make a plain LoRA of it with `sdlora resize --rank N --base MODEL`, or merge it into that base model "
            "with `sdlora merge --into`.",
            where=str(self.path),
        )


def read_lora(path: Path | str, *, leave_out: bool = False, beside: bool = False) -> LoraFile:
    """A LoRA file of any layout: kohya, LyCORIS, peft, old diffusers, generic, numbered; LoRA, LoCon, LoHa, LoKr, full,
    DoRA.

    leave_out: pass over what a plain LoRA can't hold (foreign keys, norms, biases, sparse remainders); ``left_out`` of
    the result counts it. beside: take changes of norms, biases and the text projection as ``extras``.
    Raises UserError, one sentence for each fault: no file, truncated or lying; a whole model; foreign keys; the same
    layer twice; half pairs; factors that don't fit; values that are not finite.
    """
    return chosen(look(path), leave_out=leave_out, beside=beside)


def chosen(found: "Survey", *, leave_out: bool = False, beside: bool = False) -> LoraFile:
    """``read_lora`` of a file that was looked at."""
    problems = [*found.faults, *([] if leave_out else found.foreign), *([] if leave_out or beside else found.beside)]
    if problems or found.lora is None:
        raise UserError(*problems)
    return _without(found.lora, beside) if leave_out else found.lora


def _without(lora: LoraFile, beside: bool) -> LoraFile:
    """The file without foreign keys and, unless they are wanted, without what no plain LoRA holds."""
    left = Counter(foreign_kind(key) or "an unknown key" for key in lora.layout.foreign)
    if not beside:
        sparse = sum(change.sparse is not None for change in lora.changes.values())
        left.update(words_for(lora.layout.beside) | ({"sparse remainder": sparse} if sparse else {}))
        changes = {name: replace(change, sparse=None) for name, change in lora.changes.items()}
        lora = replace(lora, changes=changes, extras={})
        if not changes:
            raise UserError(f"{lora.path.name} has no layer of a plain LoRA.", where=str(lora.path))
    return replace(lora, left_out=dict(left))


@dataclass
class Survey:
    """What can be read of a file; None if nothing can. faults: why it can't be used; foreign: keys of another kind;
    beside: what a plain LoRA can't hold. Problems."""

    lora: LoraFile | None = None
    faults: list[Problem] = field(default_factory=list)
    foreign: list[Problem] = field(default_factory=list)
    beside: list[Problem] = field(default_factory=list)


def survey(path: Path | str) -> tuple[LoraFile | None, list[Problem]]:
    """What can be read of a file, and what is wrong with the rest; None if nothing can."""
    found = look(path)
    return found.lora, [*found.faults, *found.foreign, *found.beside]


def look(path: Path | str | TensorSource) -> Survey:
    """All that is known of a file or of tensors in memory. Never raises for what is wrong in it."""
    try:
        file = path if isinstance(path, TensorSource) else TensorFile(path)
    except UserError as error:
        return Survey(faults=error.problems)
    aliases = numbered_aliases({key: entry.shape for key, entry in file.entries.items()})
    layout = sort_keys(file.entries, aliases)
    found = Survey()
    changes: dict[str, Change] = {}
    wrong = []
    for name, keys in layout.keys.items():
        parts = _parts(file, keys)
        if why := what_is_wrong(name, parts):
            wrong.append(Problem(f"{file.path.name} {why}.", _fix(why), str(file.path)))
            continue
        try:
            scale = None if {"alpha", "scale"} & set(parts) else _told_scale(file, name, kind_of(set(parts)), parts)
        except UserError as error:  # peft's configuration: the same sentence for every layer
            wrong += [problem for problem in error.problems if problem not in wrong]
            continue
        changes[name] = make_change(parts, scale)
    extras, odd = changes_beside(layout.beside, file.tensor, changes)
    wrong += [Problem(f"{file.path.name} {why}.", _fix(why), str(file.path)) for why in odd]
    _sort_out(found, file, layout, len(changes))
    found.faults += _some(wrong)
    family = tell(evidence(layout, changes, file.metadata))
    found.lora = LoraFile(file.path, family, changes, file.metadata, layout, extras) if changes or extras else None
    return found


# ---- what is wrong


def _sort_out(found: Survey, file: TensorSource, layout: Layout, usable: int) -> None:
    """Sentences for the keys that are no layer's."""
    name, where, count = file.path.name, str(file.path), len(file.entries)
    if not count:
        found.faults.append(Problem(f"{name} is no LoRA for Stable Diffusion: it is empty.", where=where))
        return
    whole = [key for key in layout.foreign if foreign_kind(key) == "a weight of a whole model" or key.endswith(_BASE)]
    bare = not layout.keys and not layout.beside
    if whole and len(layout.foreign) > count / 2 and not (bare and told_by_names(layout.foreign)):
        fix = "Make a LoRA of it with `sdlora extract`."
        found.faults.append(Problem(f"{name} is a whole model ({whole[0][:120]}), not a LoRA.", fix, where))
        return
    if bare:
        found.faults.append(_no_lora(file, layout.foreign))
    elif flux := next((key for key in layout.foreign if _TRANSFORMER in foreign_kind(key)), ""):
        found.faults.append(_no_lora(file, [flux, *(key for key in layout.foreign if key != flux)]))
    else:
        found.foreign += _foreign(file, layout.foreign, usable)
    if layout.beside:
        what = " and ".join(_counted(n, word) for word, n in words_for(layout.beside).items())
        key = next(iter(next(iter(layout.beside.values())).values()))
        found.beside.append(
            Problem(
                f"{name} has {what} ({key[:120]}), which a plain LoRA can't hold.",
                f"`sdlora merge --into` applies them; "
                f"`sdlora convert --leave-out` takes the other {_counted(usable, 'layer')}.",
                where,
            )
        )
    found.faults += _some(
        [
            Problem(f"{name} has the same layer twice, as {a[:120]} and {b[:120]}.", "Don't use it.", where)
            for a, b in layout.twice
        ]
    )


_TRANSFORMER = "diffusion transformer"


def _no_lora(file: TensorSource, foreign: list[str]) -> Problem:
    where = str(file.path)
    if what := told_by_names(foreign):
        return Problem(f"{file.path.name} is {what}, not a LoRA.", where=where)
    if any(KEY.fullmatch(key) for key in foreign):
        numbers = sum(key.endswith(":up") for key in foreign)
        return Problem(f"{file.path.name} has {numbers} numbered layers, in no order that is known.", where=where)
    what, more = _described(foreign)
    return Problem(
        f"{file.path.name} is no LoRA for Stable Diffusion: it has {foreign[0][:120]}{what}{more}.", "", where
    )


def _described(keys: list[str]) -> tuple[str, str]:
    """(what the first is, how many more)"""
    what = f", {foreign_kind(keys[0])}" if foreign_kind(keys[0]) else ""
    if "encoder_layers_" in keys[0] and "text_model_" not in keys[0]:
        what = ", whose name lacks text_model_"
    return what, f" and {len(keys) - 1} more such keys" if len(keys) > 1 else ""


def _foreign(file: TensorSource, foreign: list[str], usable: int) -> list[Problem]:
    """A sentence for each kind of foreign key."""
    kinds: dict[str, list[str]] = {}
    for key in foreign:
        kinds.setdefault(_described([key])[0], []).append(key)
    return [
        Problem(
            f"{file.path.name} has {keys[0][:120]}{what}{_described(keys)[1]}: no layer that a LoRA can have.",
            f"`sdlora convert --leave-out` takes the other {_counted(usable, 'layer')}.",
            str(file.path),
        )
        for what, keys in kinds.items()
    ]


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {'biases' if word == 'bias' else word + 's'}"


_BASE = (".attn1.to_q.weight", ".self_attn.q_proj.weight", ".attn1.to_k.weight", ".proj_in.weight", ".norm1.weight")


def _fix(why: str) -> str:
    if why.startswith("is not finite"):
        return "It comes from a failed training; don't use it."
    return "Get the file again."


def _some(problems: list[Problem]) -> list[Problem]:
    if len(problems) <= _SHOWN:
        return problems
    return [*problems[:_SHOWN], Problem(f"So it is with {len(problems) - _SHOWN} more layers.")]


# ---- peft's metadata


def _parts(file: TensorSource, keys: Mapping[str, str]) -> dict[str, Tensor]:
    parts = {part: file.tensor(key) for part, key in keys.items()}
    if "magnitude" in parts and ".lora_magnitude_vector" in keys["magnitude"]:
        parts["magnitude"] = parts["magnitude"].reshape(-1, 1)  # (out,) or (1, out, 1, 1): per output channel
    return parts


def _told_scale(file: TensorSource, name: str, kind: str, parts: Mapping[str, Tensor]) -> float | None:
    """peft's strength of a layer: in the metadata as diffusers writes it, or in adapter_config.json beside the file."""
    if kind != "lora" or "mid" in parts:
        return None
    config = _peft_config(file, name.partition(".")[0])
    if not config:
        return None
    path, rank = name.partition(".")[2], parts["down"].shape[0]
    alpha = _of_pattern(config.get("alpha_pattern"), path, config.get("lora_alpha"))
    if alpha is None:
        return None
    if not isinstance(alpha, (int, float)) or not math.isfinite(alpha):
        raise UserError(f"{file.path.name}: the lora_alpha of {name} is no number.", where=str(file.path))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") is True else rank)


def _peft_config(file: TensorSource, root: str) -> dict[str, Any]:
    text, prefix = file.metadata.get("lora_adapter_metadata"), f"{root}."
    if text is None:
        beside = file.path.with_name("adapter_config.json")
        if file.path.name != "adapter_model.safetensors" or not beside.is_file():
            return {}
        text, prefix = beside.read_text(encoding="utf-8", errors="replace"), ""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise UserError(f"{file.path.name}: its peft configuration is no JSON object.", where=str(file.path))
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def _of_pattern(patterns: Any, path: str, default: Any) -> Any:
    """The value whose key is the layer's path or its end; peft's patterns are such paths."""
    pairs: Iterable[tuple[str, Any]] = patterns.items() if isinstance(patterns, dict) else ()
    for key, value in pairs:
        if path == key or path.endswith(f".{key}") or path.removeprefix("text_model.") == key:
            return value
    return default

"""LoRA files of every layout and kind, as changes of named layers; and the sentences for what is wrong with a file."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdlora.adapters.table import PLAIN
from sdlora.errors import Problem, UserError
from sdlora.families.table import tell
from sdlora.files.kinds import told_by_names
from sdlora.lorafiles.beside import changes_beside, counted, kinds_of
from sdlora.lorafiles.changes import Change, Factors, decomposed, kind_of_parts, make_change, what_is_wrong
from sdlora.lorafiles.keys import Layout, foreign_kind, kernel_of, lora_evidence, sort_keys
from sdlora.lorafiles.numbered import KEY, numbered_aliases
from sdlora.lorafiles.stream import TensorFile, TensorSource
from sdlora.messages import Message, all_of, say

_SHOWN = 5  # sentences of one kind; a foreign file would bring hundreds


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
        DoRA layers and differences without factors are not here: ``delta`` gives them.
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
                say(
                    "lorafiles.other_base_shape",
                    file=self.path.name,
                    name=name,
                    here=list(weight.shape),
                    there=list(matrix.shape),
                ),
                where=str(self.path),
            )
        if change.magnitudes is not None:
            matrix = decomposed(rows, matrix, change.magnitudes)
        return matrix.view(weight.shape)

    def kind_shown(self, name: str) -> str:
        """ "LoRA", "LoHa", "LoKr", "full difference", "DoRA" … for people."""
        change = self.changes[name]
        shown = change.form.shown(change.parts)
        if change.sparse is not None:
            shown = say("lorafiles.kind_sparse", kind=shown)
        return shown if change.magnitudes is None else say("lorafiles.kind_dora", kind=shown)

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
            say("lorafiles.dora_needs_base", file=self.path.name, name=name),
            fix=say("lorafiles.resize_or_merge"),
            where=str(self.path),
        )


def read_lora(path: Path | str, *, leave_out: bool = False, beside: bool = False) -> LoraFile:
    """Read a LoRA file of any layout and kind.

    Layouts: kohya, LyCORIS, peft, old diffusers, generic, numbered. Kinds: LoRA, LoCon, LoHa, LoKr, full, DoRA.

    leave_out: pass over what a plain LoRA can't hold (foreign keys, norms, biases, sparse remainders); ``left_out`` of
    the result counts it. beside: take changes of norms, biases and the text projection as ``extras``.
    Raises UserError, one sentence for each fault: no file, truncated or lying; a whole model; foreign keys; the same
    layer twice; half pairs; factors that don't fit; values that are not finite.
    """
    return chosen(look(path), leave_out=leave_out, beside=beside)


def chosen(found: "Survey", *, leave_out: bool = False, beside: bool = False) -> LoraFile:
    """The LoRA file out of a survey, as ``read_lora`` gives it; UserError with its faults."""
    problems = [*found.faults, *([] if leave_out else found.foreign), *([] if leave_out or beside else found.beside)]
    if problems or found.lora is None:
        raise UserError(*problems)
    return _without(found.lora, beside) if leave_out else found.lora


def _without(lora: LoraFile, beside: bool) -> LoraFile:
    """The file without foreign keys and, unless they are wanted, without what no plain LoRA holds."""
    left = Counter(foreign_kind(key) or say("lorafiles.foreign_unknown") for key in lora.layout.foreign)
    if not beside:
        sparse = sum(change.sparse is not None for change in lora.changes.values())
        left.update(kinds_of(lora.layout.beside) | ({"sparse remainder": sparse} if sparse else {}))
        changes = {name: replace(change, sparse=None) for name, change in lora.changes.items()}
        lora = replace(lora, changes=changes, extras={})
        if not changes:
            raise UserError(say("lorafiles.no_plain_layer", file=lora.path.name), where=str(lora.path))
    return replace(lora, left_out=dict(left))


@dataclass
class Survey:
    """What can be read of a LoRA file, and what is wrong with the rest.

    lora: None if nothing can be read. faults: why it can't be used; foreign: keys of another kind; beside: what a plain
    LoRA can't hold.
    """

    lora: LoraFile | None = None
    faults: list[Problem] = field(default_factory=list)
    foreign: list[Problem] = field(default_factory=list)
    beside: list[Problem] = field(default_factory=list)


def survey(path: Path | str) -> tuple[LoraFile | None, list[Problem]]:
    """(what can be read of a LoRA file or None, everything that is wrong with the rest)."""
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
            wrong.append(Problem(say("common.fault", name=file.path.name, fault=why), _fix(why), str(file.path)))
            continue
        try:
            scale = (
                None if {"alpha", "scale"} & set(parts) else _told_scale(file, name, kind_of_parts(set(parts)), parts)
            )
        except UserError as error:  # peft's configuration: the same sentence for every layer
            wrong += [problem for problem in error.problems if problem not in wrong]
            continue
        changes[name] = make_change(parts, scale)
    extras, odd = changes_beside(layout.beside, file.tensor, changes)
    wrong += [Problem(say("common.fault", name=file.path.name, fault=why), _fix(why), str(file.path)) for why in odd]
    _sort_out(found, file, layout, len(changes))
    found.faults += _some(wrong)
    family = tell(lora_evidence(layout, changes, file.metadata))
    found.lora = LoraFile(file.path, family, changes, file.metadata, layout, extras) if changes or extras else None
    return found


# ---- what is wrong


def _sort_out(found: Survey, file: TensorSource, layout: Layout, usable: int) -> None:
    """Sentences for the keys that are no layer's."""
    name, where, count = file.path.name, str(file.path), len(file.entries)
    if not count:
        found.faults.append(Problem(say("lorafiles.no_lora_empty", file=name), where=where))
        return
    whole = [
        key
        for key in layout.foreign
        if foreign_kind(key) == say("lorafiles.foreign_whole_model") or key.endswith(_BASE)
    ]
    bare = not layout.keys and not layout.beside
    if whole and len(layout.foreign) > count / 2 and not (bare and told_by_names(layout.foreign)):
        fix = say("lorafiles.extract_lora")
        found.faults.append(Problem(say("lorafiles.whole_model", file=name, name=whole[0][:120]), fix, where))
        return
    if bare:
        found.faults.append(_no_lora(file, layout.foreign))
    elif flux := next((key for key in layout.foreign if foreign_kind(key) == say("lorafiles.foreign_transformer")), ""):
        found.faults.append(_no_lora(file, [flux, *(key for key in layout.foreign if key != flux)]))
    else:
        found.foreign += _foreign(file, layout.foreign, usable)
    if layout.beside:
        what = all_of([counted(n, kind) for kind, n in kinds_of(layout.beside).items()])
        key = next(iter(next(iter(layout.beside.values())).values()))
        found.beside.append(
            Problem(
                say("lorafiles.not_plain", file=name, beside=what, key_in_file=key[:120]),
                say("lorafiles.merge_or_convert", layers_left=counted(usable, "layer")),
                where,
            )
        )
    found.faults += _some(
        [
            Problem(
                say("lorafiles.layer_twice", file=name, first=a[:120], second=b[:120]),
                say("lorafiles.dont_use"),
                where,
            )
            for a, b in layout.twice
        ]
    )


def _no_lora(file: TensorSource, foreign: list[str]) -> Problem:
    where = str(file.path)
    if what := told_by_names(foreign):
        return Problem(say("lorafiles.not_a_lora", file=file.path.name, contents=what), where=where)
    if any(KEY.fullmatch(key) for key in foreign):
        numbers = sum(key.endswith(":up") for key in foreign)
        return Problem(say("lorafiles.layers_numbered_oddly", file=file.path.name, count=numbers), where=where)
    what, more = _described(foreign)
    return Problem(
        say(
            "lorafiles.no_lora_of_sd",
            file=file.path.name,
            key_in_file=foreign[0][:120],
            foreign=what,
            more_keys=more,
        ),
        "",
        where,
    )


def _described(keys: list[str]) -> tuple[str, str]:
    """(what the first is, how many more)"""
    kind = foreign_kind(keys[0])
    what: str = say("lorafiles.foreign_is", kind=kind) if kind else ""
    if "encoder_layers_" in keys[0] and "text_model_" not in keys[0]:
        what = say("lorafiles.foreign_lacks_text_model")
    return what, say("lorafiles.and_more_keys", count=len(keys) - 1) if len(keys) > 1 else ""


def _foreign(file: TensorSource, foreign: list[str], usable: int) -> list[Problem]:
    """A sentence for each kind of foreign key."""
    kinds: dict[str, list[str]] = {}
    for key in foreign:
        kinds.setdefault(_described([key])[0], []).append(key)
    return [
        Problem(
            say(
                "lorafiles.foreign_layers",
                file=file.path.name,
                key_in_file=keys[0][:120],
                foreign=what,
                more_keys=_described(keys)[1],
            ),
            say("lorafiles.convert_without_them", layers_left=counted(usable, "layer")),
            str(file.path),
        )
        for what, keys in kinds.items()
    ]


_BASE = (".attn1.to_q.weight", ".self_attn.q_proj.weight", ".attn1.to_k.weight", ".proj_in.weight", ".norm1.weight")


def _fix(why: str) -> str:
    if isinstance(why, Message) and why.key == "lorafiles.fault_not_finite":
        return say("lorafiles.dont_use_failed")
    return say("lorafiles.get_file_again")


def _some(problems: list[Problem]) -> list[Problem]:
    if len(problems) <= _SHOWN:
        return problems
    return [*problems[:_SHOWN], Problem(say("lorafiles.and_more_layers", count=len(problems) - _SHOWN))]


# ---- peft's metadata


def _parts(file: TensorSource, keys: Mapping[str, str]) -> dict[str, Tensor]:
    parts = {part: file.tensor(key) for part, key in keys.items()}
    if "magnitude" in parts and ".lora_magnitude_vector" in keys["magnitude"]:
        parts["magnitude"] = parts["magnitude"].reshape(-1, 1)  # (out,) or (1, out, 1, 1): per output channel
    return parts


def _told_scale(file: TensorSource, name: str, kind: str, parts: Mapping[str, Tensor]) -> float | None:
    """peft's strength of a layer: in the metadata as diffusers writes it, or in adapter_config.json beside the file."""
    if kind != PLAIN.name or "mid" in parts:
        return None
    config = _peft_config(file, name.partition(".")[0])
    if not config:
        return None
    path, rank = name.partition(".")[2], parts["down"].shape[0]
    alpha = _of_pattern(config.get("alpha_pattern"), path, config.get("lora_alpha"))
    if alpha is None:
        return None
    if not isinstance(alpha, (int, float)) or not math.isfinite(alpha):
        raise UserError(say("lorafiles.alpha_not_a_number", file=file.path.name, name=name), where=str(file.path))
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
        raise UserError(say("lorafiles.peft_config_not_json", file=file.path.name), where=str(file.path))
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def _of_pattern(patterns: Any, path: str, default: Any) -> Any:
    """The value whose key is the layer's path or its end; peft's patterns are such paths."""
    pairs: Iterable[tuple[str, Any]] = patterns.items() if isinstance(patterns, dict) else ()
    for key, value in pairs:
        if path == key or path.endswith(f".{key}") or path.removeprefix("text_model.") == key:
            return value
    return default

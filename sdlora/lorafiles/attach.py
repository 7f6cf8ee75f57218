"""Read LoRA files, of every layout and kind, into adapters and models: to go on training, to stack, to use them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdlora.adapters import weights
from sdlora.adapters.adapter import Adapter
from sdlora.adapters.inject import inject
from sdlora.adapters.kind import Kind, inputs_of
from sdlora.adapters.layer import shape_of
from sdlora.adapters.table import KINDS, PLAIN
from sdlora.errors import UserError
from sdlora.lorafiles.changes import Change, by_output
from sdlora.lorafiles.names import canonical
from sdlora.lorafiles.read import LoraFile, read_lora, survey
from sdlora.messages import say

__all__ = ["LoraFile", "load_into", "load_lora", "merge_into_modules", "read_lora", "survey"]


@dataclass
class Own:
    """One layer of a file in the tensors of an adapter kind: part -> float32; scale: what their product is times."""

    tensors: dict[str, Tensor]
    scale: float


def load_into(adapter: Adapter, path: Path | str) -> dict[str, str]:
    """Give the adapter a file's weights, to continue its training or to use it; returns the file's metadata.

    The file's strength is folded into the last factor, so the adapter keeps its own alpha. An adapter with more than
    factors (DoRA's magnitudes) takes files without it, too: then it is what changes nothing. Raises UserError, the
    adapter unchanged, if the file can't be read, is of another kind, or its layers, ranks or shapes are others than the
    adapter's.
    """
    lora = read_lora(path)
    own = {name: _as_kind(lora, name, adapter.kind) or _factors_of(lora, name, adapter.kind) for name in lora.changes}
    if other := [name for name, layer in own.items() if layer is None]:
        what, fitting = lora.kind_shown(other[0]), _kind_of(lora.changes[other[0]])
        or_kind = say("lorafiles.or_set_kind", name=fitting.name) if fitting else ""
        raise UserError(
            say(
                "lorafiles.not_of_kind", file=lora.path.name, kind_of_lora=what, name=other[0], title=adapter.kind.title
            ),
            fix=say("lorafiles.resize_to_lora", or_kind=or_kind),
            where=str(path),
        )
    _fill(adapter, {name: layer for name, layer in own.items() if layer is not None})
    return lora.metadata


def _kind_of(change: Change) -> Kind | None:
    """The kind of adapter whose tensors these are, one for one."""
    if change.sparse is not None or (change.magnitudes is not None and by_output(change.magnitudes)):
        return None
    parts = {*change.parts, *(() if change.magnitudes is None else ("magnitude",))}
    kind = next((kind for kind in KINDS.values() if parts in kind.sets), None)
    ranked = kind.ranked_in(parts) if kind else {}
    return kind if len({change.parts[part].shape[axis] for part, axis in ranked.items()}) <= 1 else None


def _as_kind(lora: LoraFile, name: str, kind: Kind) -> Own | None:
    """The layer in the tensors of ``kind``, where it has exactly these."""
    change = lora.changes[name]
    if _kind_of(change) is not kind:
        return None
    tensors = dict(change.parts) | ({} if change.magnitudes is None else {"magnitude": change.magnitudes})
    return Own({part: tensors[part].float() for part in kind.parts if part in tensors}, change.scale)


def _factors_of(lora: LoraFile, name: str, kind: Kind) -> Own | None:
    """The layer in the factors of ``kind`` alone, where it has them or a plain LoRA's exact ones will do."""
    change = lora.changes[name]
    if kind.factors.keys() == PLAIN.factors.keys() and name in lora.modules:
        return _plain(lora.modules[name])
    alone = _kind_of(change) if change.magnitudes is None else None
    return _as_kind(lora, name, alone) if alone and alone.factors.keys() == kind.factors.keys() else None


def _plain(factors: tuple[Tensor, Tensor, float]) -> Own:
    return Own(dict(zip(PLAIN.factors, factors[:2], strict=True)), factors[2])


@torch.no_grad()
def _fill(adapter: Adapter, own: Mapping[str, Own]) -> None:
    live = {canonical(name): (name, layer) for name, layer in adapter.layers.items()}
    kind = adapter.kind
    state: dict[str, Tensor] = {}
    for name, layer_of_file in own.items():
        here, layer = live.get(name, (name, None))
        tensors = layer_of_file.tensors
        if layer is not None:
            like = layer.tensors()
            tensors = _without_padding(tensors, kind, layer.rank)
            tensors = {part: _in_shape(t, like[part].shape) if part in like else t for part, t in tensors.items()}
            last = kind.last_in(tensors)
            tensors[last] = tensors[last] * (layer_of_file.scale / layer.scale)
        state |= {f"{here}.{part}": tensor for part, tensor in tensors.items()}
    parameters = adapter.tensors()
    missing = [key for key in parameters if key not in state and key.rpartition(".")[2] in kind.undecayed]
    adapter.load_state_dict(state | {key: parameters[key].detach() for key in missing})
    for key in missing:
        name, _, part = key.rpartition(".")
        parameters[key].copy_(adapter.layers[name].neutral(adapter.base_weight(name))[part])


def _in_shape(tensor: Tensor, shape: torch.Size) -> Tensor:
    """With the axes at the end that ``shape`` has: files write a kernel as columns, or leave out axes of length 1."""
    same = tensor.shape[0] == shape[0] and tensor.numel() == shape.numel()
    return tensor.reshape(shape) if same else tensor


def load_lora(modules: Mapping[str, nn.Module], path: Path | str) -> Adapter:
    """An adapter on {"unet": …, "text_encoder": …, "text_encoder_2": …} that does exactly what the file says.

    A file all of whose layers are of one kind that learns here (LoRA, DoRA with magnitudes per input channel …) keeps
    its tensors and ranks. Of others (full, mixed and so on) every layer becomes exact factors of a plain LoRA, of full
    rank where it has none. Raises UserError if the file can't be read or doesn't fit the model; no hook is left
    behind then.
    """
    lora = read_lora(path)
    live = _live(modules)
    _check_known(lora, live)
    kinds = {_kind_of(change) for change in lora.changes.values()}
    kind = kinds.pop() if len(kinds) == 1 else None
    options = _options_of(lora, kind, live) if kind else {}
    kind = kind if options is not None else None
    own = {}
    for name in lora.changes:
        as_it_is = _as_kind(lora, name, kind) if kind and kind is not PLAIN else None
        if as_it_is is None:
            weight = weights.read(live[name][1]).float().cpu()
            as_it_is = _plain(lora.modules.get(name) or _full_rank(lora.delta(name, weight)))
        own[name] = as_it_is
    kind = kind or PLAIN
    ranks = {live[name][0]: _rank_of(layer, kind, live[name][1], options or {}) for name, layer in own.items()}
    alphas = {live[name][0]: abs(layer.scale) * ranks[live[name][0]] or 1.0 for name, layer in own.items()}
    adapter = inject(modules, list(ranks), rank_pattern=ranks, alpha_pattern=alphas, kind=kind.name, options=options)
    try:
        _fill(adapter, own)
    except UserError:
        adapter.remove()
        raise
    return adapter


def _options_of(lora: LoraFile, kind: Kind, live: Mapping[str, tuple[str, nn.Module]]) -> dict[str, Any] | None:
    """What the kind's layers have to be told so that their tensors are the file's; None where nothing will do."""
    if not kind.options:
        return {}
    layers = [(shape_of(live[name][1]), change.parts) for name, change in lora.changes.items()]
    layer: Any = kind.layer_class()
    return layer.options_of(layers)


def _rank_of(layer: Own, kind: Kind, base: nn.Module, options: Mapping[str, Any]) -> int:
    """The rank that gives a layer of the kind tensors of these shapes."""
    full = kind.full(shape_of(base), **options)
    for part, axis in kind.ranked_in(layer.tensors).items():
        rank = layer.tensors[part].shape[axis]
        return min(rank, full - 1) if full else rank  # above is padding
    return full or 1


@torch.no_grad()
def merge_into_modules(modules: Mapping[str, nn.Module], path: Path | str, strength: float = 1.0) -> int:
    """Add strength · change to the weights of live modules, in place: in float32, then cast. Exact for every kind.

    Changes of norms, biases and the text projection are added too.

    modules: {"unet": …, "text_encoder": …, "text_encoder_2": …}; what the file has for a root that is not among them
    is left out. Returns the number of changed layers. Raises UserError, and nothing is changed, if the file can't be
    read or doesn't fit.
    """
    lora = read_lora(path, beside=True)
    lora = replace(
        lora,
        changes={n: c for n, c in lora.changes.items() if n.split(".")[0] in modules},
        extras={n: t for n, t in lora.extras.items() if n.split(".")[0] in modules},
    )
    live = _live(modules)
    _check_known(lora, live)
    for name, change in lora.changes.items():
        shape = shape_of(live[name][1])
        if change.size() != (shape[0], inputs_of(shape)):
            lora.delta(name, weights.read(live[name][1]).cpu())  # says what doesn't fit
    vectors = _vectors(lora, modules)
    for name in lora.changes:
        old = weights.read(live[name][1]).cpu()
        weights.write(live[name][1], old.add(lora.delta(name, old, old.dtype), alpha=strength))
    for parameter, change in vectors:
        precise = torch.promote_types(parameter.dtype, torch.float32)
        new = parameter.data.to("cpu", precise).add(change.to(precise), alpha=strength)
        parameter.data = new.to(parameter.device, parameter.dtype)
    return len(lora.changes)


def _vectors(lora: LoraFile, modules: Mapping[str, nn.Module]) -> list[tuple[nn.Parameter, Tensor]]:
    """(live parameter, what is added to it) of everything beside the layers; UserError if one is not there."""
    live = {
        f"{root}.{name}" if name.startswith("text_projection") else canonical(f"{root}.{name}"): parameter
        for root, top in modules.items()
        for name, parameter in top.named_parameters()
    }
    for name, change in lora.extras.items():
        if name not in live:
            raise UserError(
                say("lorafiles.other_base_layer", file=lora.path.name, name=name, count=1), where=str(lora.path)
            )
        if live[name].shape != change.shape:
            raise UserError(
                say(
                    "lorafiles.other_base_shape",
                    file=lora.path.name,
                    name=name,
                    here=list(live[name].shape),
                    there=list(change.shape),
                ),
                where=str(lora.path),
            )
    return [(live[name], change) for name, change in lora.extras.items()]


def _live(modules: Mapping[str, nn.Module]) -> dict[str, tuple[str, nn.Module]]:
    """Canonical name -> (name in the adapter, module) of every layer with a weight."""
    return {
        canonical(f"{root}.{name}"): (f"{root}.{name}", module)
        for root, top in modules.items()
        for name, module in top.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d))
    }


def _check_known(lora: LoraFile, live: Mapping[str, Any]) -> None:
    if lost := [name for name in lora.changes if name not in live]:
        what = say("lorafiles.other_base_layer", file=lora.path.name, name=lost[0], count=len(lost))
        raise UserError(what, where=str(lora.path))


def _full_rank(change: Tensor) -> tuple[Tensor, Tensor, float]:
    """Exact factors of any change: itself and the identity of its smaller side."""
    rows, columns = change.shape[0], change[0].numel()
    ones = (1,) * (change.ndim - 2)
    if rows <= columns:
        return change, torch.eye(rows).reshape(rows, rows, *ones), 1.0
    return torch.eye(columns).reshape(columns, *change.shape[1:]), change.reshape(rows, columns, *ones), 1.0


def _without_padding(tensors: dict[str, Tensor], kind: Kind, rank: int) -> dict[str, Tensor]:
    """Take off the zeros that ``write_lora`` adds to rank 1, if the adapter has that rank."""
    ranked = kind.ranked_in(tensors)
    beyond = [tensors[p].narrow(axis, rank, tensors[p].shape[axis] - rank) for p, axis in ranked.items()
              if tensors[p].shape[axis] > rank]  # fmt: skip
    if not beyond or any(tensor.any() for tensor in beyond):
        return tensors
    return {part: t.narrow(ranked[part], 0, rank) if part in ranked else t for part, t in tensors.items()}

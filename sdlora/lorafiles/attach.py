"""Read LoRA files, of every layout and kind, into adapters and models: to go on training, to stack, to use them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.inject import inject
from sdlora.errors import UserError
from sdlora.lorafiles.changes import Factors, by_output
from sdlora.lorafiles.names import canonical
from sdlora.lorafiles.read import LoraFile, read_lora, survey

__all__ = ["LoraFile", "load_into", "load_lora", "merge_into_modules", "read_lora", "survey"]


def load_into(adapter: Adapter, path: Path | str) -> dict[str, str]:
    """Give the adapter a file's weights, to continue its training or to use it; returns the file's metadata.

    The file's strength is folded into up, so the adapter keeps its own alpha. A DoRA adapter takes DoRA files with
    magnitudes per input channel, and plain ones: its magnitudes then are those that change nothing. Raises UserError,
    the adapter unchanged, if the file can't be read, is no plain LoRA, or its layers, ranks or shapes are others than
    the adapter's.
    """
    lora = read_lora(path)
    factors = {
        name: lora.modules.get(name) or (_of_dora(lora, name) if adapter.dora else None) for name in lora.changes
    }
    if other := [name for name, own in factors.items() if own is None]:
        what = lora.kind_shown(other[0])
        dora = " or, if it is a DoRA, set adapter.dora" if lora.changes[other[0]].magnitude is not None else ""
        raise UserError(
            f"{lora.path.name} has a {what} in {other[0]}, which is no plain LoRA.",
            fix=f"Make it one with `sdlora resize --rank N`{dora}.",
            where=str(path),
        )
    _fill(adapter, lora, {name: own for name, own in factors.items() if own is not None})
    return lora.metadata


def _of_dora(lora: LoraFile, name: str) -> Factors | None:
    """The factors beside a magnitude per input channel; None for other kinds."""
    change = lora.changes[name]
    factors = change.compact() if change.magnitude is not None and not by_output(change.magnitude) else None
    return lora.shaped(name, *factors) if factors else None


def _fill(adapter: Adapter, lora: LoraFile, factors: Mapping[str, Factors]) -> None:
    live = {canonical(name): (name, layer) for name, layer in adapter.layers.items()}
    state: dict[str, Tensor] = {}
    for name, (down, up, scale) in factors.items():
        here, layer = live.get(name, (name, None))
        if layer is not None:
            down, up = _without_padding(down, up, layer.rank)
            up = up * (scale / layer.scale)
        state |= {f"{here}.down": down, f"{here}.up": up}
        if layer is not None and layer.magnitude is not None:
            state[f"{here}.magnitude"] = _magnitude(lora, name, layer.magnitude, adapter._bases[here].weight)
    adapter.load_state_dict(state)


def _magnitude(lora: LoraFile, name: str, like: Tensor, weight: Tensor) -> Tensor:
    """The file's; of a plain LoRA the norms of the changed weight, so that it stays what it is."""
    told = lora.changes[name].magnitude
    if told is not None:
        return told.float().reshape(like.shape) if told.numel() == like.numel() else told
    rows = weight.detach().float().cpu().flatten(1)
    change = lora.changes[name].matrix()
    if change.shape != rows.shape:
        return change.new_zeros(0)  # the factors' own shapes are said to be others
    return (rows + change).view(len(rows), like.numel(), -1).square().sum(dim=(0, 2)).sqrt().view(like.shape)


def load_lora(modules: Mapping[str, nn.Module], path: Path | str) -> Adapter:
    """An adapter on {"unet": …, "text_encoder": …, "text_encoder_2": …} that does exactly what the file says.

    Plain LoRA layers keep their ranks, and so do DoRA files with magnitudes per input channel. Others (LoKr, full,
    mixed and so on) become exact factors of full rank. Raises UserError if the file can't be read or doesn't fit the
    model; no hook is left behind then.
    """
    lora = read_lora(path)
    live = _live(modules)
    _check_known(lora, live)
    own = {name: _of_dora(lora, name) for name in lora.changes}
    dora = all(own.values())
    factors = {}
    for name in lora.changes:
        weight = live[name][1].weight
        plain = own[name] if dora else lora.modules.get(name)
        factors[name] = plain or _full_rank(lora.delta(name, weight.detach().float().cpu()))
    ranks = {live[name][0]: down.shape[0] for name, (down, _, _) in factors.items()}
    alphas = {live[name][0]: abs(scale) * down.shape[0] or 1.0 for name, (down, _, scale) in factors.items()}
    adapter = inject(modules, list(ranks), rank_pattern=ranks, alpha_pattern=alphas, dora=dora)
    try:
        _fill(adapter, lora, {name: own for name, own in factors.items() if own is not None})
    except UserError:
        adapter.remove()
        raise
    return adapter


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
        weight = live[name][1].weight
        if change.size() != (weight.shape[0], weight[0].numel()):
            lora.delta(name, weight.cpu())  # says what doesn't fit
    vectors = _vectors(lora, modules)
    for name in lora.changes:
        weight = live[name][1].weight
        precise = torch.promote_types(weight.dtype, torch.float32)
        old = weight.data.to("cpu", precise)
        new = old.add(lora.delta(name, old, precise), alpha=strength)
        weight.data = new.to(weight.device, weight.dtype)
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
            raise UserError(f"{lora.path.name} is for another base model: here is no {name}.", where=str(lora.path))
        if live[name].shape != change.shape:
            raise UserError(
                f"{lora.path.name} is for another base model: {name} is {list(live[name].shape)} there, "
                f"the LoRA changes {list(change.shape)}.",
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
        more = f" ({len(lost)} such layers)" if len(lost) > 1 else ""
        raise UserError(
            f"{lora.path.name} is for another base model: here is no {lost[0]}{more}.", where=str(lora.path)
        )


def _full_rank(change: Tensor) -> Factors:
    """Exact factors of any change: itself and the identity of its smaller side."""
    rows, columns = change.shape[0], change[0].numel()
    ones = (1,) * (change.ndim - 2)
    if rows <= columns:
        return change, torch.eye(rows).reshape(rows, rows, *ones), 1.0
    return torch.eye(columns).reshape(columns, *change.shape[1:]), change.reshape(rows, columns, *ones), 1.0


def _without_padding(down: Tensor, up: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Take off the zero rows that ``write_lora`` adds to rank 1, if the adapter has that rank."""
    if down.shape[0] > rank and not down[rank:].any() and not up[:, rank:].any():
        return down[:rank], up[:, :rank]
    return down, up

"""The whole state of any optimizer by name: what is a tensor, what is a plain value; an entry is never passed over."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sdlora.adapters.adapter import Adapter
from sdlora.errors import Problem, UserError
from sdlora.messages import say

SETTINGS = ("params", "lr", "initial_lr", "name")  # of a group: they come from the settings and the schedule
PLAIN = (bool, int, float, str, type(None))
GROUP = "group "  # before a group's name; no module of a model is called so


def optimizer_name(optimizer: torch.optim.Optimizer) -> str:
    """The optimizer's name, as checkpoints have it."""
    return type(optimizer).__name__


def take_state(adapter: Adapter, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, plain values), each "<parameter's name>.<key>", in the CPU's memory and in their own dtype.

    What an optimizer keeps in its groups (Prodigy's d) is there as "group <name>.<key>", as far as it differs from the
    optimizer's defaults. ValueError for anything that is neither a tensor nor a plain value.
    """
    found: dict[str, Any] = {}
    names = {id(parameter): name for name, parameter in adapter.tensors().items()}
    for parameter, entry in optimizer.state.items():
        if id(parameter) not in names:
            raise ValueError(f"state of no parameter: {sorted(entry)}")
        found |= {f"{names[id(parameter)]}.{key}": value for key, value in entry.items()}
    for name, group in _groups(optimizer):
        found |= {f"{name}.{key}": group[key] for key in _own(optimizer, group)}
    plain = {key: value for key, value in found.items() if not isinstance(value, Tensor)}
    odd = [key for key, value in plain.items() if not _is_plain(value)]
    if odd:
        raise ValueError(say("runs.fault_of_file", file=odd[0], why=type(plain[odd[0]]).__name__))
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in found.items() if key not in plain}
    return tensors, plain


def give_state(
    adapter: Adapter,
    optimizer: torch.optim.Optimizer,
    tensors: dict[str, Tensor],
    plain: dict[str, Any],
    kind: str,
    only: set[str] | None = None,
) -> None:
    """Put back what ``take_state`` took, bit for bit.

    only: names of parameters to take; others in the state are then not missed, and not wanted. UserError, and nothing
    changed, for the state of another kind of optimizer, an entry that nothing here has, one that is missing.
    """
    parameters = adapter.tensors()
    groups = dict(_groups(optimizer))
    if kind != optimizer_name(optimizer):
        what = say("runs.optimizer_differs", kind=kind, other=optimizer_name(optimizer))
        raise UserError(what, fix=say("runs.use_same_optimizer"))
    entries: dict[str, dict[str, Any]] = {}
    for key, value in {**tensors, **plain}.items():
        name, _, part = key.rpartition(".")
        entries.setdefault(name, {})[part] = value
    if only is not None:
        entries = {name: entry for name, entry in entries.items() if name in only or name in groups}
    problems = [*_unknown(entries, {*parameters, *groups}), *_missing(optimizer, parameters, entries)]
    if problems:
        raise UserError(*problems)
    for name, group in groups.items():
        ours = _own(optimizer, group)  # told by how the optimizer was made, so by the settings
        group |= {
            key: tuple(value) if isinstance(group.get(key), tuple) else value
            for key, value in entries.pop(name, {}).items()
            if key not in ours
        }
    _load(optimizer, {parameters[name]: entry for name, entry in entries.items()})


def _load(optimizer: torch.optim.Optimizer, entries: dict[nn.Parameter, dict[str, Any]]) -> None:
    """Through the optimizer's own load_state_dict, which knows the devices; what it cast is put back as it was."""
    own = optimizer.state_dict()["param_groups"]
    numbers = {
        parameter: number
        for group, saved in zip(optimizer.param_groups, own, strict=True)
        for parameter, number in zip(group["params"], saved["params"], strict=True)
    }
    fresh = {p: {k: v.clone() if isinstance(v, Tensor) else v for k, v in e.items()} for p, e in entries.items()}
    optimizer.load_state_dict({"state": {numbers[p]: entry for p, entry in fresh.items()}, "param_groups": own})
    for parameter, entry in entries.items():
        for key, value in entry.items():
            put = optimizer.state[parameter].get(key)
            if isinstance(value, Tensor) and (not isinstance(put, Tensor) or put.dtype != value.dtype):
                optimizer.state[parameter][key] = value.clone().to(parameter.device)


def _unknown(entries: dict[str, dict], known: set[str]) -> list[Problem]:
    names = [name for name in entries if name not in known]
    if not names:
        return []
    what = say("runs.state_of_unknown", name=names[0], count=len(names))
    return [Problem(what, say("adapters.use_same_model_and_targets"))]


def _missing(optimizer: torch.optim.Optimizer, parameters: dict, entries: dict[str, dict]) -> list[Problem]:
    """A parameter may have no state at all: what never got a gradient has none. Half a state is an error."""
    group_of = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    kept: dict[tuple[int, int], set[str]] = {}
    problems = []
    for name, entry in entries.items():
        parameter = parameters.get(name)
        if parameter is None or parameter not in group_of:
            continue
        group = group_of[parameter]
        kind = (id(group), parameter.ndim)
        kept[kind] = kept.get(kind) or _keys_kept(optimizer, group, parameter)
        if lost := sorted(kept[kind] - set(entry)):
            what = say("runs.state_lacks", entry=lost[0], name=name)
            problems.append(Problem(what, say("runs.use_same_optimizer")))
    return problems[:3]


def _keys_kept(optimizer: torch.optim.Optimizer, group: dict, parameter: nn.Parameter) -> set[str]:
    """What this optimizer keeps of such a parameter: told by a step of a small one of its kind."""
    small = nn.Parameter(torch.zeros([2] * parameter.ndim, device=parameter.device))
    small.grad = torch.zeros_like(small)
    twin = type(optimizer)([{**group, "params": [small]}])
    twin.step()
    return set(twin.state[small])


def _groups(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, group in enumerate(optimizer.param_groups):
        yield f"{GROUP}{group.get('name', number)}", group


def _own(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> list[str]:
    """The keys of a group that are not the optimizer's defaults."""
    return [
        key
        for key, value in group.items()
        if key not in SETTINGS and (key not in optimizer.defaults or not _equal(value, optimizer.defaults[key]))
    ]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)
    return one == other


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN) or (isinstance(value, (list, tuple)) and all(isinstance(v, PLAIN) for v in value))

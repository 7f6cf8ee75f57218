"""What the adapters of the tools share: their result, stand-ins for imports that have nothing to do with LoRA, logs."""

import ast
import importlib.abc
import importlib.machinery
import logging
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Patched:
    """A base with a LoRA in it. weights: canonical name -> weight; unmatched: the file's keys that the tool dropped."""

    weights: dict[str, Tensor]
    unmatched: list[str] = field(default_factory=list)
    says: str = ""  # what else the tool itself says about the file


# ---- imports


class _Nothing:
    def __init__(self, *args: Any, **kwargs: Any):
        """Takes anything."""

    def __class_getitem__(cls, item: Any) -> type:
        return cls


class _StandIn(types.ModuleType):
    """A module whose every name is an empty class. Enough to be imported from, useless to be called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Nothing,), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, packages: set[str]):
        self.packages = packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.split(".")[0] in self.packages:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def stand_in(*packages: str) -> None:
    """Let those packages be imported where they are not installed. Real ones come first."""
    # Both look at what is installed, and must not take a stand-in for it.
    import diffusers.utils.import_utils
    import transformers.utils.import_utils
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    del diffusers, transformers, StableDiffusionPipeline, StableDiffusionXLPipeline
    sys.meta_path.append(_Finder(set(packages)))


def module(name: str, **members: Any) -> types.ModuleType:
    """A hand-made module in place of one of the tool's own, with just those members."""
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    parent, _, leaf = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], leaf, made)
    return made


def functions(path: Path, names: list[str], around: Mapping[str, Any]) -> dict[str, Any]:
    """The functions and constants of those names from the tool's file, without running the rest of it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted = []
    for node in tree.body:
        assigned = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
        if getattr(node, "name", None) in names or set(assigned) & set(names):
            wanted.append(node)
    space = dict(around)
    exec(compile(ast.Module(wanted, []), str(path), "exec"), space)
    return {name: space[name] for name in names}


# ---- models


def module_tree(state: Mapping[str, Tensor]) -> nn.Module:
    """Plain torch modules under exactly the names of a state dict: Linear, Conv2d, MultiheadAttention or a norm."""
    root = nn.Module()
    for prefix in {key.rpartition(".")[0] for key in state}:
        weight, bias = state.get(f"{prefix}.weight"), state.get(f"{prefix}.bias")
        if f"{prefix}.in_proj_weight" in state:
            made = nn.MultiheadAttention(state[f"{prefix}.in_proj_weight"].shape[1], 1)
        elif prefix.endswith(".attn.out_proj"):
            continue  # belongs to the attention
        elif weight.dim() == 4:
            made = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], padding=weight.shape[2] // 2)
            made.bias = None if bias is None else made.bias
        elif weight.dim() == 2:
            made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        else:
            made = nn.LayerNorm(weight.shape)
        _place(root, prefix, made)
    root.load_state_dict(dict(state), strict=True)
    return root.requires_grad_(False)


def _place(root: nn.Module, path: str, made: nn.Module) -> None:
    *parents, leaf = path.split(".")
    for part in parents:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root._modules[part]
    root.add_module(leaf, made)


def copy_of(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32, copy=True)


# ---- logs


class _Keep(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def log_of(*names: str) -> Iterator[list[str]]:
    """What those loggers (the root logger if none) say meanwhile, down to DEBUG."""
    keep, loggers = _Keep(), [logging.getLogger(name) for name in names or ("",)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(keep)
        logger.setLevel(logging.DEBUG)
    try:
        yield keep.lines
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(keep)
            logger.setLevel(level)

"""Put adapter layers beside a model's own, by name patterns; the model's modules and state dict stay as they are."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.layer import why_not
from sdlora.adapters.table import PLAIN, kind_named
from sdlora.adapters.targets import target_patterns
from sdlora.errors import Problem, UserError
from sdlora.messages import say

Value = TypeVar("Value")


def inject(
    modules: nn.Module | Mapping[str, nn.Module],
    targets: str | Sequence[str] = "attn-mlp",
    rank: int = 16,
    alpha: float = 8.0,
    rank_pattern: Mapping[str, int] | None = None,
    alpha_pattern: Mapping[str, float] | None = None,
    seed: int = 0,
    kind: str = PLAIN.name,
    options: Mapping[str, Any] | None = None,
    rslora: bool = False,
) -> Adapter:
    """Freeze ``modules`` and attach an adapter layer to every nn.Linear and nn.Conv2d whose name fits ``targets``.

    modules: any module, or several under root names: {"unet": unet, "text_encoder": text_encoder} gives names such
        as "unet.down_blocks.0.attentions.0.proj_in". Move them to their device first; the factors go to the same.
    targets: the name of a set in ``sdlora.adapters.targets`` or patterns (fnmatch, on the full name).
    rank, alpha: the adapter acts with strength alpha / rank.
    rslora: with alpha / sqrt(rank), Kalajdzievski 2023. A layer's own alpha is then alpha · sqrt(rank), so that
        alpha / rank is the strength for whoever reads it from there, or from a file.
    rank_pattern, alpha_pattern: other values by pattern; the first that fits counts.
    kind: what is attached, a name of ``sdlora.adapters.table``: "lora", "dora" and so on.
    options: what the kind's layers take beside rank and alpha ({"factor": 8} of "lokr"); the usual where left out.
    seed: of the Gaussian factors; same seed, same names, same ranks: same numbers on every device.
    Raises UserError, with all problems at once: nothing fits, unknown set or kind, a pattern that fits nothing, rank
    or alpha out of range, grouped convolutions.
    """
    found = kind_named(kind)
    roots = dict(modules) if isinstance(modules, Mapping) else {"": modules}
    rank_pattern, alpha_pattern = dict(rank_pattern or {}), dict(alpha_pattern or {})
    bases = _fitting(roots, _patterns(targets))
    plan = {name: (picked(rank_pattern, name, rank), picked(alpha_pattern, name, alpha)) for name in bases}
    problems = [Problem(why) for name, base in bases.items() if (why := why_not(base, *plan[name], name))]
    for key, patterns in {"rank_pattern": list(rank_pattern), "alpha_pattern": list(alpha_pattern)}.items():
        idle = [p for p in patterns if not any(fnmatchcase(name, p) for name in bases)]
        problems += [
            Problem(
                say("adapters.pattern_unused", setting=key, pattern=repr(p)),
                say("adapters.correct_pattern"),
                key,
            )
            for p in idle
        ]
    if problems:
        raise UserError(*problems)

    if rslora:
        plan = {name: (own, strength * own**0.5) for name, (own, strength) in plan.items()}
    generator = torch.Generator().manual_seed(seed)
    layer = found.layer_class()
    told = {name: value for name, value in (options or {}).items() if name in found.options}
    layers = {name: layer(base, *plan[name], generator, name, **told) for name, base in bases.items()}
    return Adapter(layers, bases, roots, found, told)


def _patterns(targets: str | Sequence[str]) -> list[str]:
    if isinstance(targets, str):
        return [targets] if any(sign in targets for sign in "*?[") else target_patterns(targets)
    return list(targets)


def _fitting(roots: Mapping[str, nn.Module], patterns: list[str]) -> dict[str, nn.Module]:
    """Full name -> module, in the model's order. UserError if there is none."""
    named = {".".join(filter(None, (root, path))): m for root, top in roots.items() for path, m in top.named_modules()}
    fitting = {name: m for name, m in named.items() if any(fnmatchcase(name, p) for p in patterns)}
    layers = {name: m for name, m in fitting.items() if _adaptable(m)}
    if layers:
        return layers
    shown = ", ".join(patterns[:3]) + (", …" if len(patterns) > 3 else "")
    if fitting:
        kinds = ", ".join(sorted({type(m).__name__ for m in fitting.values()})[:3])
        raise UserError(say("adapters.nothing_trainable_matches", patterns=shown, kinds=kinds), where="targets")
    examples = ", ".join([name for name, m in named.items() if _adaptable(m)][:3])
    fix = say("adapters.layer_names", names=examples) if examples else say("adapters.model_without_layers")
    raise UserError(say("adapters.nothing_matches", patterns=shown), fix=fix, where="targets")


def _adaptable(module: nn.Module) -> bool:
    # nn.MultiheadAttention reads the weight of its own kind of Linear and never calls it: a LoRA would do nothing.
    return isinstance(module, (nn.Linear, nn.Conv2d)) and not isinstance(module, NonDynamicallyQuantizableLinear)


def picked(patterns: Mapping[str, Value], name: str, default: Value) -> Any:
    """The value of the first pattern that fits a module's full name, or the default."""
    return next((value for pattern, value in patterns.items() if fnmatchcase(name, pattern)), default)

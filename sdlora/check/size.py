"""How large a LoRA will be, from the base model's headers and the settings alone: no torch, nothing loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from functools import lru_cache, partial
from typing import Any

from sdlora.adapters.kind import BYTES, Kind, Shape, overhead
from sdlora.adapters.table import KINDS
from sdlora.adapters.targets import target_patterns
from sdlora.families.base import BaseInfo
from sdlora.families.layers import layer_shapes
from sdlora.settings import Settings


@dataclass(frozen=True)
class Growth:
    """The size of a set of adapter layers as a function of the rank: linear, or linear up to some rank.

    layers: how many learn. slope: parameters for each rank. fixed: parameters that it does not change: of layers whose
    rank a pattern sets, and magnitudes. overhead: bytes of names and alphas in the file.
    ends: (a rank, parameters for each rank below it, parameters from it on, by how many bytes the overhead is less
        then) of layers that a rank fills (LoKr's).
    """

    layers: int
    slope: int
    fixed: int
    overhead: int
    ends: tuple[tuple[int, int, int, int], ...] = ()

    def trainable(self, rank: int) -> int:
        """Parameters that learn."""
        ending = sum(slope * rank if rank < end else most for end, slope, most, _ in self.ends)
        return self.slope * rank + self.fixed + ending

    def file_bytes(self, rank: int, dtype: str = "fp16") -> int:
        """About the size of the file without its metadata, as ``Adapter.file_bytes`` has it."""
        less = sum(less for end, *_, less in self.ends if rank >= end)
        return self.trainable(rank) * BYTES[dtype] + self.overhead - less


def growth(info: BaseInfo, settings: Settings) -> Growth:
    """The size of the LoRA that these settings make; UserError for a base model with unknown kinds of blocks."""
    adapter = settings.adapter
    target_patterns(adapter.targets, sets=info.spec.targets)  # a sentence for a set that the family does not have
    return growths(info, adapter.rank_pattern, vars(adapter))[adapter.targets, adapter.text_encoder, adapter.kind]


def growths(
    info: BaseInfo, rank_pattern: Mapping[str, int], values: Mapping[str, Any] | None = None
) -> dict[tuple[str, bool, str], Growth]:
    """The size by (adapter.targets, adapter.text_encoder, adapter.kind), for every choice there is.

    values: of adapter.*, for kinds that have options; those have their own defaults without.
    """
    told = {name: tuple(kind.told(values).items()) for name, kind in KINDS.items() if values and kind.options}
    return _growths(info, tuple(rank_pattern.items()), tuple(told.items()))


def layers_of(info: BaseInfo, targets: str, text_encoder: bool) -> dict[str, Shape]:
    """Name -> shape of the weight under every layer that learns, as ``inject`` names them ("unet.mid_block. …").

    UserError for a set of layers that the family does not have.
    """
    spec = info.spec
    patterns = target_patterns(targets, text_encoder, spec.targets, spec.text_targets)
    return _chosen(_layers(info, text_encoder), patterns)


def _layers(info: BaseInfo, text_encoder: bool) -> dict[str, Shape]:
    roots = (info.denoiser, *(info.text_encoders if text_encoder else ()))
    return {f"{root}.{path}": shape for root in roots for path, shape in layer_shapes(info, root).items()}


@lru_cache(maxsize=16)
def _growths(
    info: BaseInfo, patterns: tuple[tuple[str, int], ...], told: tuple[tuple[str, tuple], ...]
) -> dict[tuple[str, bool, str], Growth]:
    spec, found, options = info.spec, {}, {name: dict(own) for name, own in told}
    for text_encoder in (False, True):
        layers = _layers(info, text_encoder)
        for name in spec.targets:
            chosen = _chosen(layers, target_patterns(name, text_encoder, spec.targets, spec.text_targets))
            for kind in KINDS.values():
                found[name, text_encoder, kind.name] = _grow(chosen, patterns, kind, options.get(kind.name, {}))
    return found


def _chosen(layers: Mapping[str, Shape], patterns: list[str]) -> dict[str, Shape]:
    fits = re.compile("|".join(translate(pattern) for pattern in patterns)).match
    return {name: shape for name, shape in layers.items() if fits(name)}


def _grow(
    layers: Mapping[str, Shape], patterns: tuple[tuple[str, int], ...], kind: Kind, options: Mapping[str, Any]
) -> Growth:
    slope = fixed = bytes_beside = 0
    ends: dict[int, tuple[int, int, int]] = {}
    most_tensors, fewest = max(map(len, kind.sets)), min(map(len, kind.sets))
    for name, shape in layers.items():
        own = next((rank for pattern, rank in patterns if fnmatchcase(name, pattern)), None)
        size, end = partial(kind.size, shape, **options), kind.full(shape, **options)
        if own is not None or (end is not None and end <= 1):
            fixed += size(own or 1)
            bytes_beside += overhead(name, fewest if end is not None and (own or 1) >= end else most_tensors)
            continue
        bytes_beside += overhead(name, most_tensors)
        for_each = size(2) - size(1) if end != 2 else 0
        fixed += size(1) - for_each
        if end is None:
            slope += for_each
        else:
            before, most, less = ends.get(end, (0, 0, 0))
            less += overhead(name, most_tensors) - overhead(name, fewest)
            ends[end] = before + for_each, most + size(end) - (size(1) - for_each), less
    return Growth(len(layers), slope, fixed, bytes_beside, tuple((end, *own) for end, own in sorted(ends.items())))

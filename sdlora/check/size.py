"""How large a LoRA will be, from the base model's headers and the settings alone: no torch, nothing loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from functools import lru_cache

from sdlora.adapters.kind import BYTES, Kind, Shape, overhead
from sdlora.adapters.table import KINDS
from sdlora.adapters.targets import target_patterns
from sdlora.families.base import BaseInfo
from sdlora.families.layers import layer_shapes
from sdlora.settings import Settings


@dataclass(frozen=True)
class Growth:
    """The size of a set of adapter layers as a linear function of the rank.

    layers: how many learn. slope: parameters for each rank. fixed: parameters that it does not change: of layers whose
    rank a pattern sets, and magnitudes. overhead: bytes of names and alphas in the file.
    """

    layers: int
    slope: int
    fixed: int
    overhead: int

    def trainable(self, rank: int) -> int:
        """Parameters that learn."""
        return self.slope * rank + self.fixed

    def file_bytes(self, rank: int, dtype: str = "fp16") -> int:
        """About the size of the file without its metadata, as ``Adapter.file_bytes`` has it."""
        return self.trainable(rank) * BYTES[dtype] + self.overhead


def growth(info: BaseInfo, settings: Settings) -> Growth:
    """The size of the LoRA that these settings make; UserError for a base model with unknown kinds of blocks."""
    adapter = settings.adapter
    target_patterns(adapter.targets, sets=info.spec.targets)  # a sentence for a set that the family does not have
    return growths(info, adapter.rank_pattern)[adapter.targets, adapter.text_encoder, adapter.kind]


def growths(info: BaseInfo, rank_pattern: Mapping[str, int]) -> dict[tuple[str, bool, str], Growth]:
    """The size by (adapter.targets, adapter.text_encoder, adapter.kind), for every choice there is."""
    return _growths(info, tuple(rank_pattern.items()))


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
def _growths(info: BaseInfo, patterns: tuple[tuple[str, int], ...]) -> dict[tuple[str, bool, str], Growth]:
    spec, found = info.spec, {}
    for text_encoder in (False, True):
        layers = _layers(info, text_encoder)
        for name in spec.targets:
            chosen = _chosen(layers, target_patterns(name, text_encoder, spec.targets, spec.text_targets))
            for kind in KINDS.values():
                found[name, text_encoder, kind.name] = _grow(chosen, patterns, kind)
    return found


def _chosen(layers: Mapping[str, Shape], patterns: list[str]) -> dict[str, Shape]:
    fits = re.compile("|".join(translate(pattern) for pattern in patterns)).match
    return {name: shape for name, shape in layers.items() if fits(name)}


def _grow(layers: Mapping[str, Shape], patterns: tuple[tuple[str, int], ...], kind: Kind) -> Growth:
    slope = fixed = bytes_beside = 0
    for name, shape in layers.items():
        own = next((rank for pattern, rank in patterns if fnmatchcase(name, pattern)), None)
        if own is None:
            for_each = kind.size(shape, 2) - kind.size(shape, 1)
            slope += for_each
            fixed += kind.size(shape, 1) - for_each
        else:
            fixed += kind.size(shape, own)
        bytes_beside += overhead(name, kind)
    return Growth(len(layers), slope, fixed, bytes_beside)

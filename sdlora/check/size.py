"""How large a LoRA will be, from the base model's headers and the settings alone: no torch, nothing loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from functools import lru_cache

from sdlora.adapters.kind import BYTES, Kind, Shape, overhead
from sdlora.adapters.table import KINDS
from sdlora.adapters.targets import TEXT_ENCODER, UNET_SETS
from sdlora.families.base import BaseInfo
from sdlora.families.shared.unet_paths import unet_paths
from sdlora.settings import Settings


@dataclass(frozen=True)
class Growth:
    """How the size of one set of layers grows with the rank, which every kind of adapter does in a straight line.

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
    """Of the layers that these settings let learn; UserError for a base model with unknown kinds of blocks."""
    adapter = settings.adapter
    return growths(info, adapter.rank_pattern)[adapter.targets, adapter.text_encoder, adapter.kind]


def growths(info: BaseInfo, rank_pattern: Mapping[str, int]) -> dict[tuple[str, bool, str], Growth]:
    """By (adapter.targets, adapter.text_encoder, adapter.kind), for every choice there is."""
    return _growths(info, tuple(rank_pattern.items()))


def layers_of(info: BaseInfo, targets: str, text_encoder: bool) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the weight under every layer that learns, as ``inject`` names them ("unet.mid_block. …")."""
    unet = {f"unet.{path}": shape for path, shape in _unet_layers(info).items()}
    text = {f"{root}.{path}": s for root in info.text_encoders for path, s in _text_layers(info, root).items()}
    return _chosen(unet, UNET_SETS[targets]) | (_chosen(text, TEXT_ENCODER) if text_encoder else {})


@lru_cache(maxsize=16)
def _growths(info: BaseInfo, patterns: tuple[tuple[str, int], ...]) -> dict[tuple[str, bool, str], Growth]:
    unet = {f"unet.{path}": shape for path, shape in _unet_layers(info).items()}
    text = {f"{root}.{path}": s for root in info.text_encoders for path, s in _text_layers(info, root).items()}
    words = _chosen(text, TEXT_ENCODER)
    found = {}
    for name, wanted in UNET_SETS.items():
        layers = _chosen(unet, wanted)
        for kind in KINDS.values():
            found[name, False, kind.name] = _grow(layers, patterns, kind)
            found[name, True, kind.name] = _grow(layers | words, patterns, kind)
    return found


def _chosen(layers: Mapping[str, tuple[int, ...]], patterns: list[str]) -> dict[str, tuple[int, ...]]:
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


def _unet_layers(info: BaseInfo) -> dict[str, tuple[int, ...]]:
    """Diffusers' path -> shape of the weight; a single file's own names are those of the original code."""
    weights = _weights(info, "unet")
    if not info.single_file:
        return weights
    prefix = "model.diffusion_model."
    found = {}
    for path, original in unet_paths(info.config("unet")):
        if shape := weights.get(prefix + original):
            found[path] = shape
    return found


def _text_layers(info: BaseInfo, root: str) -> dict[str, tuple[int, ...]]:
    """The projections of a text encoder. A single file may have them under OpenCLIP's names, so there by its sizes."""
    if not info.single_file:
        return _weights(info, root)
    config = info.config(root)
    wide, inner = config["hidden_size"], config["intermediate_size"]
    layer = {f"self_attn.{x}_proj": (wide, wide) for x in ("q", "k", "v", "out")}
    layer |= {"mlp.fc1": (inner, wide), "mlp.fc2": (wide, inner)}
    start = "text_model.encoder" if root == "text_encoder_2" else "encoder"  # the loaded model's names
    count = range(config["num_hidden_layers"])
    return {f"{start}.layers.{n}.{name}": shape for n in count for name, shape in layer.items()}


def _weights(info: BaseInfo, part: str) -> dict[str, tuple[int, ...]]:
    shapes = info.shapes(part)
    return {name.removesuffix(".weight"): s for name, s in shapes.items() if name.endswith(".weight") and len(s) > 1}

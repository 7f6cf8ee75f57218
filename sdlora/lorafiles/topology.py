"""Every layer of a base model that some tool could put a LoRA on: its weight's shape and its names.

This is the measure that ``tools`` holds files against. It is made from the models' own code (diffusers' UNet without
weights) and from the tools' own arithmetic for the original code's names, and shares nothing with ``formats`` and
``unet_paths``, which write the files: a mistake there is seen here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from sdlora.adapters.layer import shape_of
from sdlora.families.table import FAMILIES
from sdlora.families.table import family as family_entry


@dataclass(frozen=True)
class Topology:
    """The layers of a base model, and how tools find them.

    shapes: canonical name -> shape of the weight. The others give canonical names by underscored paths: diffusers,
    original: of the UNet, with the block names of either code; text: of the text encoders, by root.
    """

    family: str
    shapes: Mapping[str, tuple[int, ...]]
    diffusers: Mapping[str, str]
    original: Mapping[str, str]
    text: Mapping[str, Mapping[str, str]]


def topology(family: str, configs: Mapping[str, Any] | None = None) -> Topology:
    """The layers of a base model. configs: by root, of models that differ from the published ones in size."""
    known = family_entry(family).published
    given = {root: _plain(config) for root, config in (configs or {}).items() if root in known and config is not None}
    return _topology(family, json.dumps({**known, **given}, sort_keys=True, default=str))


def _plain(config: Any) -> dict:
    return dict(config) if isinstance(config, Mapping) else config.to_dict()


@lru_cache(maxsize=8)
def _topology(family: str, configs: str) -> Topology:
    parts = json.loads(configs)
    root = FAMILIES[family].denoiser.root
    unet = _unet_shapes(parts.pop(root))
    layers = [sum(f"down_blocks.{i}.resnets.{j}.conv1" in unet for j in range(99)) for i in range(99)]
    original = {path: _original(path, layers, unet) for path in unet}
    shapes = {f"{root}.{path}": shape for path, shape in unet.items()}
    text = {}
    for encoder, config in parts.items():
        own = _text_shapes(config)
        shapes |= {f"{encoder}.{path}": shape for path, shape in own.items()}
        text[encoder] = {path.replace(".", "_"): f"{encoder}.{path}" for path in own}
    return Topology(
        family,
        shapes,
        {path.replace(".", "_"): f"{root}.{path}" for path in unet},
        {name.replace(".", "_"): f"{root}.{path}" for path, name in original.items()},
        text,
    )


def _unet_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    from diffusers import UNet2DConditionModel

    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config({k: v for k, v in lists.items() if not k.startswith("_")})
    layers = {name: m for name, m in unet.named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))}
    return {name: shape_of(module) for name, module in layers.items()}


def _text_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    wide, inner = config["hidden_size"], config["intermediate_size"]
    layer = {f"self_attn.{x}_proj": (wide, wide) for x in ("q", "k", "v", "out")}
    layer |= {"mlp.fc1": (inner, wide), "mlp.fc2": (wide, inner)}
    count = config["num_hidden_layers"]
    return {f"text_model.encoder.layers.{n}.{name}": shape for n in range(count) for name, shape in layer.items()}


_RESNET = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_SINGLE = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def _original(path: str, layers: list[int], unet: Mapping[str, object]) -> str:
    """The original code's name, by A1111's arithmetic (``convert_diffusers_name_to_compvis``).

    layers: resnets in each down block; A1111 counts on two. An up block has one more.
    """
    if path in _SINGLE:
        return _SINGLE[path]
    if found := re.fullmatch(r"mid_block\.(attentions|resnets)\.(\d+)\.(.+)", path):
        index = 1 if found[1] == "attentions" else 2 * int(found[2])
        return f"middle_block.{index}.{_RESNET.get(found[3], found[3])}"
    found = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", path)
    assert found  # a UNet has no module {path}
    way, block, kind, layer, rest = found.groups()
    i, j = int(block), int(layer)
    sizes = [n + 1 for n in layers if n]
    before = sum((sizes if way == "down" else sizes[::-1])[:i])
    match kind:
        case "downsamplers":
            return f"input_blocks.{before + sizes[i]}.0.op"
        case "upsamplers":
            place = 2 if f"up_blocks.{i}.attentions.0.proj_in" in unet else 1
            return f"output_blocks.{before + sizes[::-1][i] - 1}.{place}.conv"
        case "attentions":
            part = f"1.{rest}"
        case _:
            part = f"0.{_RESNET[rest]}"
    return f"input_blocks.{1 + before + j}.{part}" if way == "down" else f"output_blocks.{before + j}.{part}"

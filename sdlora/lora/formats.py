"""How LoRA files name the layers, per family of base models.

Three spellings of one layer:
    canonical, as diffusers' and peft's files say it   unet.mid_block.attentions.0.proj_in
                                                       text_encoder.text_model.encoder.layers.0.mlp.fc1
    kohya's, read by every tool                        lora_unet_mid_block_attentions_0_proj_in
                                                       lora_te_text_model_encoder_layers_0_mlp_fc1
    of the live model, in the adapter                  canonical, but "text_model." may be absent

The tables come from the models' configurations and never from ``named_modules()``: transformers 5.6 dropped
"text_model." from CLIPTextModel's module names, the files of every tool keep it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sdlora.errors import UserError


@dataclass(frozen=True)
class Family:
    """kohya's prefixes by root. SD1 and SD2 keep diffusers' block names below them."""

    prefixes: Mapping[str, str]


_SD = Family({"unet": "lora_unet_", "text_encoder": "lora_te_"})
FAMILIES: dict[str, Family] = {"sd1": _SD, "sd2": _SD}


def file_names(family: str, unet_config: Any, text_config: Any = None) -> dict[str, str]:
    """Canonical name -> kohya name of every layer that a portable LoRA file can hold.

    family: "sd1" or "sd2". unet_config: of a UNet2DConditionModel; text_config: of its CLIPTextModel or None. Both
    as an object or a mapping, with any number of blocks and layers.
    Raises UserError for another family or unknown kinds of blocks.
    """
    if family not in FAMILIES:
        raise UserError(
            f"No LoRA file names are known for the family {family!r}.", fix=f"Known: {', '.join(FAMILIES)}."
        )
    prefixes = FAMILIES[family].prefixes
    names = {f"unet.{path}": prefixes["unet"] + path.replace(".", "_") for path in _unet_paths(unet_config)}
    if text_config is not None:
        for path in _text_paths(text_config):
            names[f"text_encoder.{path}"] = prefixes["text_encoder"] + path.replace(".", "_")
    return names


def canonical(name: str) -> str:
    """The canonical name of a live model's layer: with "text_model." whatever the transformers version."""
    root, _, path = name.partition(".")
    if root.startswith("text_encoder") and not path.startswith("text_model."):
        return f"{root}.text_model.{path}"
    return name


# A kohya name is one of these words or a number, again and again. A word comes before its own beginning.
_WORDS = (
    r"down_blocks|up_blocks|mid_block|attentions|resnets|downsamplers|upsamplers|transformer_blocks|attn1|attn2"
    r"|to_q|to_k|to_v|to_out|ff|net|proj_in|proj_out|proj|conv_shortcut|conv1|conv2|conv|time_emb_proj"
    r"|text_model|encoder|layers|self_attn|q_proj|k_proj|v_proj|out_proj|mlp|fc1|fc2"
)
_WORD = re.compile(rf"_(\d+|{_WORDS})(?=_|$)", flags=re.ASCII)


def from_kohya(name: str) -> str:
    """The canonical name of an SD1/SD2 kohya name; UserError if it is none."""
    for root, prefix in _SD.prefixes.items():
        if name.startswith(prefix):
            rest, words = name[len(prefix) - 1 :], []
            while rest and (found := _WORD.match(rest)):
                words.append(found[1])
                rest = rest[found.end() :]
            if words and not rest:
                return ".".join([root, *words])
    raise UserError(f"{name[:120]} is no layer name of a Stable Diffusion 1 or 2 LoRA.")


# ---- UNet2DConditionModel


def _unet_paths(config: Any) -> Iterator[str]:
    channels = list(_get(config, "block_out_channels"))
    count = len(channels)
    layers = _per_block(_get(config, "layers_per_block"), count)
    depths = _per_block(_get(config, "transformer_layers_per_block", 1), count)
    up_depths = _get(config, "reverse_transformer_layers_per_block", None) or depths[::-1]

    before = channels[0]
    for i, kind in enumerate(_get(config, "down_block_types")):
        shortcuts = [before != channels[i]] + [False] * (layers[i] - 1)
        yield from _block(f"down_blocks.{i}", kind, "Down", shortcuts, depths[i])
        if i < count - 1:
            yield f"down_blocks.{i}.downsamplers.0.conv"
        before = channels[i]

    if (kind := _get(config, "mid_block_type", "UNetMidBlock2DCrossAttn")) is not None:
        if kind != "UNetMidBlock2DCrossAttn":
            raise _unknown(kind)
        yield from _resnet("mid_block.resnets.0", False)
        yield from _transformer("mid_block.attentions.0", depths[-1])
        yield from _resnet("mid_block.resnets.1", False)

    up = channels[::-1]
    before = up[0]
    for i, kind in enumerate(_get(config, "up_block_types")):
        number = layers[::-1][i] + 1
        skips = [up[i]] * (number - 1) + [up[min(i + 1, count - 1)]]  # the last skip comes from the block below
        inputs = [before] + [up[i]] * (number - 1)
        shortcuts = [a + b != up[i] for a, b in zip(inputs, skips, strict=True)]
        yield from _block(f"up_blocks.{i}", kind, "Up", shortcuts, up_depths[i])
        if i < count - 1:
            yield f"up_blocks.{i}.upsamplers.0.conv"
        before = up[i]


def _block(path: str, kind: str, way: str, shortcuts: list[bool], depth: int) -> Iterator[str]:
    if kind not in (f"{way}Block2D", f"CrossAttn{way}Block2D"):
        raise _unknown(kind)
    for j, shortcut in enumerate(shortcuts):
        yield from _resnet(f"{path}.resnets.{j}", shortcut)
        if kind.startswith("CrossAttn"):
            yield from _transformer(f"{path}.attentions.{j}", depth)


def _resnet(path: str, shortcut: bool) -> Iterator[str]:
    for name in ("conv1", "time_emb_proj", "conv2", *(["conv_shortcut"] if shortcut else [])):
        yield f"{path}.{name}"


def _transformer(path: str, depth: int) -> Iterator[str]:
    yield f"{path}.proj_in"
    for n in range(depth):
        for attention in ("attn1", "attn2"):
            for name in ("to_q", "to_k", "to_v", "to_out.0"):
                yield f"{path}.transformer_blocks.{n}.{attention}.{name}"
        yield f"{path}.transformer_blocks.{n}.ff.net.0.proj"
        yield f"{path}.transformer_blocks.{n}.ff.net.2"
    yield f"{path}.proj_out"


def _unknown(kind: str) -> UserError:
    return UserError(f"The UNet has a block of the kind {kind}, which LoRA files have no names for.")


# ---- CLIPTextModel


def _text_paths(config: Any) -> Iterator[str]:
    for n in range(_get(config, "num_hidden_layers")):
        for name in (
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.q_proj",
            "self_attn.out_proj",
            "mlp.fc1",
            "mlp.fc2",
        ):
            yield f"text_model.encoder.layers.{n}.{name}"


_REQUIRED = object()


def _get(config: Any, key: str, default: Any = _REQUIRED) -> Any:
    value = config.get(key, default) if isinstance(config, Mapping) else getattr(config, key, default)
    if value is _REQUIRED:
        raise UserError(f"The base model's configuration lacks {key}.", fix="Check its config.json.")
    return value


def _per_block(value: Any, count: int) -> list:
    return [value] * count if isinstance(value, int) else list(value)

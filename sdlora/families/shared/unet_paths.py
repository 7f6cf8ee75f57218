"""The layers of a UNet2DConditionModel that LoRA files have names for, from its configuration alone.

Each layer has two paths: diffusers', and that of the original code (LDM, "sgm" for SDXL), which SDXL files use:
    down_blocks.1.attentions.0.proj_in     input_blocks.4.1.proj_in
    mid_block.resnets.0.conv1              middle_block.0.in_layers.2
    up_blocks.0.upsamplers.0.conv          output_blocks.2.2.conv
The original code counts its blocks through: conv_in is input block 0, then one for every resnet and every downsampler;
an upsampler sits in the output block of the resnet before it, after the attention if there is one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sdlora.errors import UserError
from sdlora.messages import say

# diffusers' name of a layer in a ResnetBlock2D -> the original code's (ResBlock)
RESNET = {
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
Paths = Iterator[tuple[str, str]]


def unet_paths(config: Any) -> Paths:
    """(diffusers path, LDM path) of every layer inside Transformer2DModel, ResnetBlock2D, Downsample2D, Upsample2D.

    Those are the ones that kohya's tools know; conv_in, conv_out and the time embeddings are not among them.
    config: an object or a mapping, with any number of blocks and layers. UserError for unknown kinds of blocks.
    """
    channels = list(get(config, "block_out_channels"))
    layers = _per_block(get(config, "layers_per_block"), len(channels))
    depths = _per_block(get(config, "transformer_layers_per_block", 1), len(channels))
    up_depths = get(config, "reverse_transformer_layers_per_block", None) or depths[::-1]
    yield from _down(channels, layers, depths, list(get(config, "down_block_types")))
    if (kind := get(config, "mid_block_type", "UNetMidBlock2DCrossAttn")) is not None:
        if kind != "UNetMidBlock2DCrossAttn":
            raise _unknown(kind)
        yield from _resnet("mid_block.resnets.0", "middle_block.0", False)
        yield from _transformer("mid_block.attentions.0", "middle_block.1", depths[-1])
        yield from _resnet("mid_block.resnets.1", "middle_block.2", False)
    yield from _up(channels[::-1], layers[::-1], up_depths, list(get(config, "up_block_types")))


def _down(channels: list[int], layers: list[int], depths: list[int], kinds: list[str]) -> Paths:
    before, index = channels[0], 1
    for i, kind in enumerate(kinds):
        attends = _attends(kind, "Down")
        for j in range(layers[i]):
            yield from _resnet(f"down_blocks.{i}.resnets.{j}", f"input_blocks.{index}.0", before != channels[i])
            if attends:
                yield from _transformer(f"down_blocks.{i}.attentions.{j}", f"input_blocks.{index}.1", depths[i])
            before = channels[i]
            index += 1
        if i < len(kinds) - 1:
            yield f"down_blocks.{i}.downsamplers.0.conv", f"input_blocks.{index}.0.op"
            index += 1


def _up(channels: list[int], layers: list[int], depths: list[int], kinds: list[str]) -> Paths:
    before, index, last = channels[0], 0, len(kinds) - 1
    for i, kind in enumerate(kinds):
        attends = _attends(kind, "Up")
        for j in range(layers[i] + 1):
            # The last skip connection comes from the block below.
            skip = channels[min(i + 1, last)] if j == layers[i] else channels[i]
            shortcut = before + skip != channels[i]
            yield from _resnet(f"up_blocks.{i}.resnets.{j}", f"output_blocks.{index}.0", shortcut)
            if attends:
                yield from _transformer(f"up_blocks.{i}.attentions.{j}", f"output_blocks.{index}.1", depths[i])
            before = channels[i]
            index += 1
        if i < last:
            yield f"up_blocks.{i}.upsamplers.0.conv", f"output_blocks.{index - 1}.{1 + attends}.conv"


def _resnet(path: str, original: str, shortcut: bool) -> Paths:
    for name, ldm in RESNET.items():
        if shortcut or name != "conv_shortcut":
            yield f"{path}.{name}", f"{original}.{ldm}"


def _transformer(path: str, original: str, depth: int) -> Paths:
    """Inside a transformer both spellings are the same."""
    attention = [f"{attn}.{name}" for attn in ("attn1", "attn2") for name in ("to_q", "to_k", "to_v", "to_out.0")]
    inner = [f"transformer_blocks.{n}.{x}" for n in range(depth) for x in (*attention, "ff.net.0.proj", "ff.net.2")]
    for name in ("proj_in", *inner, "proj_out"):
        yield f"{path}.{name}", f"{original}.{name}"


def _attends(kind: str, way: str) -> bool:
    if kind not in (f"{way}Block2D", f"CrossAttn{way}Block2D"):
        raise _unknown(kind)
    return kind.startswith("CrossAttn")


def _unknown(kind: str) -> UserError:
    return UserError(say("models.block_without_lora_names", kind=kind))


_REQUIRED = object()


def get(config: Any, key: str, default: Any = _REQUIRED) -> Any:
    """A value of a model's configuration, object or mapping; UserError if it is required and absent."""
    value = config.get(key, default) if isinstance(config, Mapping) else getattr(config, key, default)
    if value is _REQUIRED:
        raise UserError(say("models.config_lacks", name=key), fix=say("models.check_config"))
    return value


def _per_block(value: Any, count: int) -> list:
    return [value] * count if isinstance(value, int) else list(value)

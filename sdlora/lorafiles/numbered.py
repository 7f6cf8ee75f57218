"""The first LoRA files there were (cloneofsimo/lora): layers by number, ``unet:12:up``, in the order of the modules.

The number counts the layers inside modules of given classes (CrossAttention, GEGLU, ResnetBlock2D; CLIPAttention), as
``named_modules()`` of that day's diffusers lists them: down blocks, up blocks, then the middle; in a block the
transformers before the resnets; in a transformer the feed-forward between the two attentions, after them since 2023.
Shapes tell which of these orders a file has. Of a text encoder: k, v, q, out of each layer. The strength is 1.
"""

import re
from collections.abc import Iterator, Mapping

KEY = re.compile(r"(unet|text_encoder):(\d+):(up|down)", flags=re.ASCII)
RANK = re.compile(r"(unet|text_encoder):\d+:rank", flags=re.ASCII)
_TEXT = ("k_proj", "v_proj", "q_proj", "out_proj")
Shapes = Mapping[str, tuple[int, ...]]


def numbered_aliases(shapes: Shapes) -> dict[str, str] | None:
    """Key -> the kohya-like key that it stands for. {}: none is numbered; None: no known order fits the shapes.

    shapes: of all tensors of the file by key.
    """
    found = {key: match for key in shapes if (match := KEY.fullmatch(key))}
    names: dict[str, list[str]] = {}
    for root in {match[1] for match in found.values()}:
        pairs = _pairs(root, shapes)
        order = _text_order(pairs) if root == "text_encoder" else _unet_order(pairs)
        if not order:
            return None
        names[root] = order
    return {key: f"{m[1]}.{names[m[1]][int(m[2])]}.lora_{m[3]}.weight" for key, m in found.items()}


def _pairs(root: str, shapes: Shapes) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """(shape of up, shape of down) by number; [] if one is missing."""
    count = len({key.split(":")[1] for key in shapes if key.startswith(f"{root}:") and KEY.fullmatch(key)})
    keys = [(f"{root}:{n}:up", f"{root}:{n}:down") for n in range(count)]
    whole = all(up in shapes and down in shapes for up, down in keys)
    return [(shapes[up], shapes[down]) for up, down in keys] if whole else []


def _text_order(pairs: list) -> list[str]:
    if not pairs or len(pairs) % 4 or any(up[0] != down[1] for up, down in pairs):
        return []
    return [f"text_model.encoder.layers.{n // 4}.self_attn.{_TEXT[n % 4]}" for n in range(len(pairs))]


def _unet_order(pairs: list) -> list[str]:
    """The one order whose layers have the shapes of the file."""
    for resnets in (False, True):
        for middle_last in (True, False):
            for inner in (("attn1", "ff", "attn2"), ("attn1", "attn2", "ff")):
                layers = list(_layers(resnets, middle_last, inner))
                if len(layers) == len(pairs) and all(map(_fits, layers, pairs)) and _agrees(layers, pairs):
                    return layers
    return []


def _layers(resnets: bool, middle_last: bool, inner: tuple[str, ...]) -> Iterator[str]:
    """All of SD 1 and 2: four blocks down and up, two resnets a block and three."""
    down = [(f"down_blocks.{i}", 2 if i < 3 else 0, 2) for i in range(4)]
    up = [(f"up_blocks.{i}", 3 if i else 0, 3) for i in range(4)]
    middle = [("mid_block", 1, 2)]
    for block, attentions, count in [*down, *up, *middle] if middle_last else [*down, *middle, *up]:
        for j in range(attentions):
            yield from _transformer(f"{block}.attentions.{j}.transformer_blocks.0", inner)
        for j in range(count if resnets else 0):
            names = ("conv1", "time_emb_proj", "conv2", *(("conv_shortcut",) if _has_shortcut(block, j) else ()))
            yield from (f"{block}.resnets.{j}.{name}" for name in names)


def _transformer(path: str, inner: tuple[str, ...]) -> Iterator[str]:
    for part in inner:
        if part == "ff":
            yield f"{path}.ff.net.0.proj"  # GEGLU alone
        else:
            yield from (f"{path}.{part}.{name}" for name in ("to_q", "to_k", "to_v", "to_out.0"))


def _has_shortcut(block: str, index: int) -> bool:
    """Where the channels change: every resnet going up, the first of the second and third block going down."""
    return block.startswith("up") or (index == 0 and block in ("down_blocks.1", "down_blocks.2"))


def _fits(layer: str, pair: tuple) -> bool:
    up, down = pair
    if ".resnets." in layer:
        kernel = {"conv1": (3, 3), "conv2": (3, 3), "conv_shortcut": (1, 1)}.get(layer.rpartition(".")[2], ())
        return down[2:] == kernel
    if len(up) != 2 or len(down) != 2:
        return False
    if layer.endswith("ff.net.0.proj"):
        return up[0] == 8 * down[1]
    return layer.endswith(("attn2.to_k", "attn2.to_v")) or up[0] == down[1]


def _agrees(layers: list[str], pairs: list) -> bool:
    """One width in each block, one width of text in all, and the blocks' widths as a UNet has them."""
    widths: dict[str, set[int]] = {}
    text = set()
    for layer, (up, down) in zip(layers, pairs, strict=True):
        if ".resnets." in layer:
            continue
        if layer.endswith(("attn2.to_k", "attn2.to_v")):
            text.add(down[1])
            widths.setdefault(layer.partition(".attentions")[0], set()).add(up[0])
        else:
            widths.setdefault(layer.partition(".attentions")[0], set()).add(down[1])
    if len(text) != 1 or any(len(own) != 1 for own in widths.values()):
        return False
    width = {block: own.pop() for block, own in widths.items()}
    same = all(width[f"down_blocks.{i}"] == width[f"up_blocks.{3 - i}"] for i in range(3))
    return same and width["mid_block"] >= width["down_blocks.2"]

"""The original (LDM) layout of a single-file checkpoint, from diffusers' names: the way back from what sdlora reads.

Written from the published checkpoints' own names, and from no converter, so that reading and writing prove each other.
Used by the tests and by benchmarks/speed/make_sd15.py.
"""

import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file


class Entry(NamedTuple):
    """One tensor of the checkpoint: ``sources`` joined along dimension 0, then transposed or reshaped to ``shape``."""

    name: str
    sources: tuple[str, ...]
    shape: tuple[int, ...]
    transposed: bool = False


Shapes = Mapping[str, tuple[int, ...]]

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}  # fmt: skip
UNET_ENDS = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
             "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
             "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}  # fmt: skip
OPEN_CLIP_LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
                   "self_attn.out_proj": "attn.out_proj"}  # fmt: skip
OPEN_CLIP_ENDS = {"embeddings.token_embedding.weight": "token_embedding.weight",
                  "embeddings.position_embedding.weight": "positional_embedding",
                  "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias"}  # fmt: skip


def unet(shapes: Shapes) -> list[Entry]:
    per_level = len({n.split(".")[3] for n in shapes if n.startswith("down_blocks.0.resnets.")})
    attentive = {n.split(".")[1] for n in shapes if n.startswith("up_blocks.") and ".attentions." in n}
    return [Entry(_unet_name(n, per_level, attentive), (n,), shape) for n, shape in shapes.items()]


def _unet_name(name: str, per_level: int, attentive: set[str]) -> str:
    stem, leaf = name.rsplit(".", 1)
    if stem in UNET_ENDS:
        return f"{UNET_ENDS[stem]}.{leaf}"
    side, rest = name.split(".", 1)
    if side == "mid_block":
        kind, number, inner = rest.split(".", 2)
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}.{_inner(kind, inner)}"
    level, kind, number, inner = rest.split(".", 3)
    level, number = int(level), int(number)
    if kind == "downsamplers":
        return f"input_blocks.{(level + 1) * (per_level + 1)}.0.op.{leaf}"
    if kind == "upsamplers":
        place = 2 if str(level) in attentive else 1
        return f"output_blocks.{level * (per_level + 1) + per_level}.{place}.conv.{leaf}"
    block = f"input_blocks.{1 + level * (per_level + 1) + number}"
    if side == "up_blocks":
        block = f"output_blocks.{level * (per_level + 1) + number}"
    return f"{block}.{int(kind == 'attentions')}.{_inner(kind, inner)}"


def _inner(kind: str, inner: str) -> str:
    if kind == "attentions":
        return inner
    stem, leaf = inner.rsplit(".", 1)
    return f"{RESNET[stem]}.{leaf}"


def vae(shapes: Shapes) -> list[Entry]:
    levels = len({n.split(".")[2] for n in shapes if n.startswith("decoder.up_blocks.")})
    attention = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    entries = []
    for name, shape in shapes.items():
        new = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
        new = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", new)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", new)
        new = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", new)
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        new = new.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if m := re.fullmatch(r"(\w+)\.mid_block\.attentions\.0\.(.+)\.(weight|bias)", new):
            new = f"{m[1]}.mid.attn_1.{attention[m[2]]}.{m[3]}"
            shape = (*shape, 1, 1) if len(shape) == 2 else shape
        entries.append(Entry(new, (name,), tuple(shape)))
    return entries


def open_clip(shapes: Shapes) -> list[Entry]:
    """``shapes``: transformers' names without "text_model."; q, k and v are one tensor in OpenCLIP."""
    entries = []
    for name, shape in shapes.items():
        if name in OPEN_CLIP_ENDS:
            entries.append(Entry(OPEN_CLIP_ENDS[name], (name,), shape))
        elif name == "text_projection.weight":
            entries.append(Entry("text_projection", (name,), (shape[1], shape[0]), True))
        elif m := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
            block, inner, leaf = f"transformer.resblocks.{m[1]}", m[2], m[3]
            if inner == "self_attn.q_proj":
                three = tuple(name.replace("q_proj", f"{letter}_proj") for letter in "qkv")
                entries.append(Entry(f"{block}.attn.in_proj_{leaf}", three, (3 * shape[0], *shape[1:])))
            elif inner in OPEN_CLIP_LAYER:
                entries.append(Entry(f"{block}.{OPEN_CLIP_LAYER[inner]}.{leaf}", (name,), shape))
    return entries


def clip(shapes: Shapes) -> list[Entry]:
    return [Entry("text_model." + name, (name,), shape) for name, shape in shapes.items()]


LAYOUTS: dict[str, dict[str, tuple[str, Callable[[Shapes], list[Entry]]]]] = {
    "sd1": {"text_encoder": ("cond_stage_model.transformer.", clip)},
    "sd2": {"text_encoder": ("cond_stage_model.model.", open_clip)},
    "sdxl": {
        "text_encoder": ("conditioner.embedders.0.transformer.", clip),
        "text_encoder_2": ("conditioner.embedders.1.model.", open_clip),
    },
}


def entries(family: str, part: str, shapes: Shapes) -> list[Entry]:
    """The checkpoint's tensors of one part, with their full names."""
    both = {"unet": ("model.diffusion_model.", unet), "vae": ("first_stage_model.", vae)}
    prefix, layout = (both | LAYOUTS[family])[part]
    return [entry._replace(name=prefix + entry.name) for entry in layout(shapes)]


def bare(name: str) -> str:
    """transformers' name of a text encoder's tensor without the "text_model." that some releases put before it."""
    return name.removeprefix("text_model.")


def assemble(entry: Entry, get: Callable[[str], torch.Tensor]) -> torch.Tensor:
    """The tensor that the checkpoint holds."""
    tensor = torch.cat([get(source) for source in entry.sources])
    return (tensor.T if entry.transposed else tensor.reshape(entry.shape)).contiguous()


def convert(folder: Path, family: str, parts: tuple[str, ...] | None = None) -> dict[str, torch.Tensor]:
    """A diffusers folder's weights as the checkpoint holds them."""
    found = {}
    for part in parts or ("unet", "vae", *LAYOUTS[family]):
        tensors = {bare(n): t for file in (folder / part).glob("*.safetensors") for n, t in load_file(file).items()}
        for entry in entries(family, part, {n: tuple(t.shape) for n, t in tensors.items()}):
            found[entry.name] = assemble(entry, tensors.__getitem__)
    if family == "sd2" and "model.diffusion_model.out.0.bias" in found:
        found |= unused_layer(found)
    return found


def unused_layer(found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """SD 2's checkpoints hold all 24 layers of OpenCLIP-H, of which 23 are used; and its projection and scale."""
    start, width = "cond_stage_model.model.", found["cond_stage_model.model.ln_final.bias"].shape[0]
    last = {n: t for n, t in found.items() if n.startswith(start + "transformer.resblocks.22.")}
    extra = {n.replace("resblocks.22.", "resblocks.23."): torch.full_like(t, 7) for n, t in last.items()}
    return extra | {start + "text_projection": torch.eye(width), start + "logit_scale": torch.tensor(4.6)}


WORDS = {torch.float16: ("F16", 2), torch.float32: ("F32", 4), torch.bfloat16: ("BF16", 2)}


def write_streaming(
    path: Path,
    tensors: list[tuple[str, tuple[int, ...], Callable[[], torch.Tensor]]],
    dtype: torch.dtype,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """A safetensors file written tensor by tensor: (name, shape, what makes it), none of them held."""
    word, size = WORDS[dtype]
    header, place = {"__metadata__": dict(metadata or {"format": "pt"})}, 0
    for name, shape, _ in tensors:
        length = size * int(torch.tensor(shape).prod()) if shape else size
        header[name] = {"dtype": word, "shape": list(shape), "data_offsets": [place, place + length]}
        place += length
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for piece in _pieces(tensors, dtype):
            file.write(piece)


def _pieces(tensors, dtype: torch.dtype) -> Iterator[memoryview]:
    for _, shape, make in tensors:
        tensor = make().to(dtype).contiguous()
        if tuple(tensor.shape) != tuple(shape):
            raise ValueError(f"made {tuple(tensor.shape)}, announced {shape}")
        yield memoryview(tensor.view(-1).view(torch.uint8).numpy())

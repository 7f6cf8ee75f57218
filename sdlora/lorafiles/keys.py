"""Which layer a key of a LoRA file belongs to, and which part of its change it holds, in every layout that files use.

Containers, by how they spell a layer:
    kohya       lora_unet_…, lora_te_…, lora_te1_…, lora_te2_… with diffusers' or the original code's block names
    lycoris     lycoris_…
    peft        unet.… / text_encoder.… / text_encoder_2.… .lora_A.weight, with base_model.model. before it, or bare
    processor   diffusers before peft: unet.….attn1.processor.to_q_lora.down.weight, ….to_q.lora.down.weight
    generic     diffusion_model.… with the original code's dotted names
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdlora.errors import UserError
from sdlora.families.shared.unet_paths import RESNET
from sdlora.families.table import FAMILIES, Evidence, is_denoiser, kohya_prefixes
from sdlora.lorafiles.changes import Change
from sdlora.lorafiles.forms import FORMS, leaf_of
from sdlora.lorafiles.names import from_kohya
from sdlora.messages import say

# ---- parts

# what a key may end in besides its form's parts -> what it holds; "(\.\w+)?" is peft's name of the adapter
_BESIDE_THEM = [
    (r"\.lora_B(\.\w+)?\.bias", "up_bias"),
    (r"\.lora_magnitude_vector(\.\w+)?", "magnitude"),
    (r"(\.lora|\.lora_linear_layer|_lora)?\.alpha", "alpha"),
    (r"\.scale", "scale"),
    (r"\.(bias_indices|bias_values|bias_size|scalar|w_norm|b_norm|diff_b)", ""),
]
# Changes of norms and biases, which no plain LoRA has
_BESIDE = ("w_norm", "b_norm", "diff_b", "up_bias")
_PARTS = sorted({"magnitude", *(part for form in FORMS.values() for part in form.parts)})
_ENDINGS = [
    *((rf"\.{re.escape(leaf_of(part))}", part) for part in _PARTS),
    *(spelling for form in FORMS.values() for spelling in form.spellings),
    *_BESIDE_THEM,
]
_ENDING = re.compile("(?:" + "|".join(f"(?P<e{i}>{e})" for i, (e, _) in enumerate(_ENDINGS)) + ")$", re.ASCII)

# What else exists, so that people are told what it is.
_FOREIGN = [
    (r"^bundle_emb\.|^<[^<>]+>$", say("lorafiles.foreign_embedding")),
    (r"\.(oft_blocks|oft_diag|boft_\w+|oft_R\.weight)$", say("lorafiles.foreign_oft")),
    (r"\.(a1|a2|b1|b2)\.weight$", say("lorafiles.foreign_glora")),
    (r"\.on_input$", say("lorafiles.foreign_ia3")),
    (r"double_blocks|single_blocks|joint_blocks|single_transformer_blocks|^transformer\.|^lora_transformer_|^lora_te3_",
     say("lorafiles.foreign_transformer")),
    (r"^(model\.diffusion_model|first_stage_model|cond_stage_model|conditioner\.embedders)\.",
     say("lorafiles.foreign_whole_model")),
    (r"^lora_prior_|^lora_controlnet|^controlnet|^lllite_", say("lorafiles.foreign_network")),
]  # fmt: skip


def split(key: str) -> tuple[str, str] | None:
    """(the layer as the file spells it, part): "down", "up", "mid", "alpha", "magnitude", "hada_w1_a", …; or None."""
    found = _ENDING.search(key)
    if not found:
        return None
    index = next(i for i in range(len(_ENDINGS)) if found[f"e{i}"] is not None)
    return key[: found.start()], _ENDINGS[index][1] or found[0][1:]


def foreign_kind(key: str) -> str:
    """What a key that is no part of a LoRA layer is; empty if unknown."""
    return next((what for pattern, what in _FOREIGN if re.search(pattern, key)), "")


# ---- layers

# What programs put before a layer's path beside the root that families have it under -> kohya's prefix.
_DOTTED = {
    "model.diffusion_model.": "lora_unet_",
    "diffusion_model.": "lora_unet_",
    "cond_stage_model.transformer.": "lora_te_",
    "conditioner.embedders.0.transformer.": "lora_te_",
    "text_encoders.clip_l.transformer.": "lora_te_",
    "text_encoders.clip_g.transformer.": "lora_te2_",
    "text_encoders.clip_h.transformer.": "lora_te_",
}
_OLD_TEXT = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


def canonical_of(stem: str, beside: bool = False) -> tuple[str, str] | None:
    """(canonical name, spelling) of a layer as any file spells it; None if it is no layer of SD 1, 2 or XL.

    beside: norms and the text projection count as layers too.

    spelling: "kohya" (diffusers' block names, text encoders), "kohya-original" (the original code's block names),
    "lycoris", "peft" (dotted, diffusers' names), "processor" or "generic".
    """
    known = kohya_prefixes()
    if stem.startswith(tuple(known)):
        original = re.search(r"^lora_unet_(input|middle|output)_block", stem)
        return _found(stem, "kohya-original" if original else "kohya", beside)
    if stem.startswith("lycoris_"):
        rest = stem.removeprefix("lycoris_")
        return _found(("lora_te_" if rest.startswith("text_model_") else "lora_unet_") + rest, "lycoris", beside)
    stem = re.sub(r"^(base_model\.model\.)+", "", stem)
    own = {f"{root}.": prefix for prefix, root in reversed(known.items())}  # of two prefixes for one root, the first
    prefix = next((p for p in (*own, *_DOTTED) if stem.startswith(p)), "")
    bare = "lora_te_" if stem.startswith(("text_model.", "encoder.layers.")) else "lora_unet_"
    kohya, path = (_DOTTED | own).get(prefix, bare), stem.removeprefix(prefix)
    spelling = "generic" if prefix in _DOTTED else "peft"
    if ".processor." in path:
        path, spelling = path.replace(".processor.", "."), "processor"
    if is_denoiser(known[kohya]):
        return _found(kohya + re.sub(r"\.to_out$", ".to_out.0", path).replace(".", "_"), spelling, beside)
    if path == "text_projection":
        return _found(f"{kohya}{path}", spelling, beside)
    path = path if path.startswith("text_model.") else f"text_model.{path}"
    head, _, last = path.rpartition(".")
    return _found(f"{kohya}{head}.{_OLD_TEXT.get(last, last)}".replace(".", "_"), spelling, beside)


def _found(kohya: str, spelling: str, beside: bool) -> tuple[str, str] | None:
    try:
        return from_kohya(kohya, beside=beside), spelling
    except UserError:
        return None


@dataclass
class Layout:
    """The keys of a file, sorted.

    keys: canonical name -> part -> key. spelling: canonical name -> how it is spelled. beside: the same as keys, for
    what no plain LoRA holds: norms, biases, the text projection. foreign: keys of none of these.
    twice: pairs of keys for the same part of the same layer.
    """

    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    beside: dict[str, dict[str, str]] = field(default_factory=dict)
    spelling: dict[str, str] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    twice: list[tuple[str, str]] = field(default_factory=list)


def sort_keys(keys: Iterable[str], aliases: Mapping[str, str] | None = None) -> Layout:
    """Every key to its layer and part, or to ``foreign``. aliases: what a key stands for, of numbered files."""
    layout = Layout()
    known: dict[tuple[str, bool], tuple[str, str] | None] = {}
    for key in keys:
        parts = split((aliases or {}).get(key, key))
        layer, beside = _place(*parts, known) if parts else (None, False)
        if not parts or not layer:
            layout.foreign.append(key)
            continue
        own = (layout.beside if beside else layout.keys).setdefault(layer[0], {})
        if parts[1] in own:
            layout.twice.append((own[parts[1]], key))
        own[parts[1]] = key
        if not beside:
            processor = re.search(r"[._]lora\.(down|up)\.|lora_linear_layer", key)
            spelling = "processor" if processor else "numbered" if key in (aliases or {}) else layer[1]
            layout.spelling[layer[0]] = spelling
    return layout


def _place(stem: str, part: str, known: dict) -> tuple[tuple[str, str] | None, bool]:
    """(layer, is it beside what a plain LoRA holds?)"""
    for beside in (False, True):
        if not beside and part in _BESIDE:
            continue
        if (stem, beside) not in known:
            known[stem, beside] = canonical_of(stem, beside)
        if layer := known[stem, beside]:
            return layer, beside
    return None, False


# ---- families


def lora_evidence(layout: Layout, changes: Mapping[str, Change], metadata: Mapping[str, str]) -> Evidence:
    """The signs of the family in a LoRA file's keys, shapes and metadata.

    In this order: a second text encoder; the text's width at cross-attention; transformers of more than one block; the
    metadata; the original code's spelling of the blocks; the text encoder's width; the shape of proj_in.
    """
    names = layout.keys
    yield "text_encoders", 2 if any(name.startswith("text_encoder_2.") for name in names) else 1
    columns = {name: change.size()[1] for name, change in changes.items()}
    for name, width in columns.items():
        if name.endswith((".attn2.to_k", ".attn2.to_v")):
            yield "text_width", width
    if any(re.search(r"transformer_blocks\.[1-9]", name) for name in names):
        yield "depth", "deep"
    yield from labels(metadata)
    outer = any(re.search(r"^unet\.(down_blocks\.0|up_blocks\.3)\.attentions", name) for name in names)
    if not outer and "kohya-original" in layout.spelling.values():
        yield "blocks", "original"  # no attention in the outer blocks, and the spelling that only SDXL's files use
    for name, width in columns.items():
        if name.startswith("text_encoder.") and name.endswith("_proj"):
            yield "encoder_width", width
    kernels = [c.kernel() for name, c in changes.items() if name.endswith((".proj_in", ".proj_out"))]
    yield "projections", "linear" if () in kernels else "convolutions"


def labels(metadata: Mapping[str, str]) -> Evidence:
    """What the metadata says of the base model."""
    yield "version", metadata.get("ss_base_model_version", "")
    yield "ss_v2", metadata.get("ss_v2", "")
    yield "architecture", metadata.get("modelspec.architecture", "")


# ---- names and shapes for writing, without a base model's configuration

_BACK = {"resnets.0": "0", "attentions.0": "1", "resnets.1": "2"}
_OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def original_path(path: str, family: str) -> str:
    """The original code's path of a UNet layer, from diffusers' (two resnets a block, as all of SD has)."""
    if path in _OUTSIDE:
        return _OUTSIDE[path]
    if found := re.fullmatch(r"mid_block\.(resnets\.0|attentions\.0|resnets\.1)\.(.+)", path):
        return f"middle_block.{_BACK[found[1]]}.{RESNET.get(found[2], found[2])}"
    found = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", path)
    if not found:
        raise UserError(say("saving.not_a_unet_layer", name=path[:120]))
    way, block, kind, layer, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    if kind == "downsamplers":
        return f"input_blocks.{3 * block + 3}.0.op"
    if kind == "upsamplers":
        lowest = _published(family)["up_block_types"][0]
        without = block == 0 and lowest == "UpBlock2D"  # of SD 1 and 2 it has no attention
        return f"output_blocks.{3 * block + 2}.{1 if without else 2}.conv"
    start = f"input_blocks.{3 * block + layer + 1}" if way == "down" else f"output_blocks.{3 * block + layer}"
    return f"{start}.{0 if kind == 'resnets' else 1}.{RESNET.get(rest, rest)}"


def _published(family: str) -> Mapping[str, Any]:
    """The configuration of the family's published denoiser."""
    return FAMILIES[family].published[FAMILIES[family].denoiser.root]


def kohya_name(name: str, family: str) -> str:
    """kohya's name of a canonical one: what ``formats.file_names`` has, for a LoRA whose base is not at hand."""
    root, _, path = name.partition(".")
    spec = FAMILIES[family]
    if spec.part(root).role == "denoiser" and spec.original_blocks:
        path = original_path(path, family)
    return spec.part(root).kohya + path.replace(".", "_")


def kernel_of(name: str, family: str) -> int:
    """The side of a layer's kernel: 3 or 1 for convolutions, 0 for linear layers."""
    if not is_denoiser(name.partition(".")[0]):
        return 0
    last = name.rpartition(".")[2]
    linear = _published(family).get("use_linear_projection", False)
    if last in ("conv", "conv1", "conv2", "conv_in", "conv_out"):
        return 3
    if last == "conv_shortcut" or (last in ("proj_in", "proj_out") and ".attentions." in name and not linear):
        return 1
    return 0

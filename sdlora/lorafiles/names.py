"""How LoRA files name the layers, per family of base models.

Three spellings of one layer:
    canonical, as diffusers' and peft's files say it   unet.mid_block.attentions.0.proj_in
                                                       text_encoder.text_model.encoder.layers.0.mlp.fc1
    kohya's, read by every tool                        lora_unet_mid_block_attentions_0_proj_in
       SDXL: the original code's block names           lora_unet_middle_block_1_proj_in
                                                       lora_te_text_model_encoder_layers_0_mlp_fc1
       SDXL: two text encoders                         lora_te1_text_model_…, lora_te2_text_model_…
    of the live model, in the adapter                  canonical, but "text_model." may be absent

The tables come from the models' configurations and never from ``named_modules()``: transformers 5.6 dropped
"text_model." from CLIPTextModel's module names, the files of every tool keep it.
"""

import re
from collections.abc import Mapping
from typing import Any

from sdlora.errors import UserError
from sdlora.families.shared.unet_paths import RESNET
from sdlora.families.table import FAMILIES, is_denoiser, kohya_prefixes, roots
from sdlora.families.table import family as entry
from sdlora.messages import say


def file_names(family: str, configs: Mapping[str, Any]) -> dict[str, str]:
    """Canonical name -> kohya name of every layer that a portable LoRA file can hold.

    family: its name. configs: root ("unet", "text_encoder", "text_encoder_2") -> configuration of its
    UNet2DConditionModel or CLIPTextModel, as an object or a mapping, with any number of blocks and layers.
    Raises UserError for another family, a root that the family has not, or unknown kinds of blocks.
    """
    known = entry(family)
    if odd := [root for root in configs if root not in known.prefixes]:
        raise UserError(
            say("saving.prefix_unknown", family=family, name=odd[0]),
            fix=say("saving.prefixes_known", names=", ".join(known.prefixes)),
        )
    return known.names({root: config for root, config in configs.items() if config is not None})


def canonical(name: str) -> str:
    """The canonical name of a live model's layer: with "text_model." whatever the transformers version."""
    root, _, path = name.partition(".")
    if root in roots("text") and not path.startswith("text_model."):
        return f"{root}.text_model.{path}"
    return name


# ---- the other way

_LYCORIS = "lycoris_"  # LyCORIS's prefix, of the denoiser alone
# A kohya name is one of these words or a number, again and again. A word comes before its own beginning.
_WORDS = (
    r"down_blocks|up_blocks|mid_block|attentions|resnets|downsamplers|upsamplers|transformer_blocks|attn1|attn2"
    r"|to_q|to_k|to_v|to_out|ff|net|proj_in|proj_out|proj|conv_shortcut|conv_in|conv_out|conv1|conv2|conv|time_emb_proj"
    r"|time_embedding|add_embedding|linear_1|linear_2"
    r"|text_model|encoder|layers|self_attn|q_proj|k_proj|v_proj|out_proj|mlp|fc1|fc2"
)
_WORD = re.compile(rf"_(\d+|{_WORDS})(?=_|$)", flags=re.ASCII)
# What stands beside the layers that a LoRA has: norms, and the projection of a pooled text.
_BESIDE = r"conv_norm_out|layer_norm1|layer_norm2|final_layer_norm|norm1|norm2|norm3|norm|text_projection"
_WORD_BESIDE = re.compile(rf"_(\d+|{_BESIDE}|{_WORDS})(?=_|$)", flags=re.ASCII)
_OUTSIDE = {  # original code -> diffusers, outside of the blocks
    "input_blocks_0_0": "conv_in",
    "out_0": "conv_norm_out",
    "out_2": "conv_out",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
}
_RESNET = {ldm.replace(".", "_"): name for name, ldm in RESNET.items()}
_RESNET |= {"in_layers_0": "norm1", "out_layers_0": "norm2"}


def from_kohya(name: str, family: str | None = None, beside: bool = False) -> str:
    """The canonical name of a kohya name; UserError if it is none.

    Takes every spelling that files use: diffusers' block names and the original code's, whatever the family;
    ``lora_te_`` and ``lora_te1_`` for the first text encoder; ``lycoris_`` for the UNet. The original block names are
    counted for three layers a block, as all Stable Diffusion UNets have them.
    family: most have no second text encoder; None takes any name. beside: norms and the text projection too,
    which no plain LoRA has.
    """
    known = kohya_prefixes()  # of every family: lora_te1_ is wrong in some, and such files exist
    prefix = next((p for p in (*known, _LYCORIS) if name.startswith(p)), None)
    root = known.get(prefix or "", roots("denoiser")[0])
    if prefix and (family is None or root in FAMILIES[family].prefixes):
        path = name[len(prefix) :]
        words = _words(_diffusers_blocks(path) if is_denoiser(root) else path, _WORD_BESIDE if beside else _WORD)
        text = words[:1] == ["text_model"] or words == ["text_projection"]
        if words and text != is_denoiser(root):
            return ".".join([root, *words])
    raise UserError(say("saving.not_a_layer_name", name=name[:120]))


def _words(path: str, word: re.Pattern) -> list[str]:
    """The parts of an underscored path; empty if it has any other."""
    rest, words = "_" + path, []
    while rest and (found := word.match(rest)):
        words.append(found[1])
        rest = rest[found.end() :]
    return [] if rest else words


def _diffusers_blocks(path: str) -> str:
    """A UNet path with diffusers' block names, underscored; unchanged if it has none of the original code's."""
    if path in _OUTSIDE:
        return _OUTSIDE[path]
    if found := re.fullmatch(r"middle_block_([012])_(\w+)", path, flags=re.ASCII):
        block = {"0": "resnets_0", "1": "attentions_0", "2": "resnets_1"}[found[1]]
        return f"mid_block_{block}_{_RESNET.get(found[2], found[2])}"
    if not (found := re.fullmatch(r"(in|out)put_blocks_(\d+)_([012])_(\w+)", path, flags=re.ASCII)):
        return path
    way, index, part, rest = found[1], int(found[2]), found[3], found[4]
    if (way, rest) == ("out", "conv"):
        return f"up_blocks_{index // 3}_upsamplers_0_conv"
    if (way, part, rest) == ("in", "0", "op"):
        return f"down_blocks_{index // 3 - 1}_downsamplers_0_conv"
    number, layer = divmod(index - (way == "in"), 3)  # conv_in is the first input block
    kind = {"0": "resnets", "1": "attentions"}.get(part, "")
    return f"{'down' if way == 'in' else 'up'}_blocks_{number}_{kind}_{layer}_{_RESNET.get(rest, rest)}"

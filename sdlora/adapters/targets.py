"""Named sets of layers that learn, as patterns of module names (fnmatch) for diffusers' UNet2DConditionModel.

The patterns start with ``*``, so they fit the UNet alone ("mid_block.…") and under a root ("unet.mid_block.…").
"""

import difflib

from sdlora.errors import UserError

_PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")
_SELF = [f"*.attn1.{name}" for name in _PROJECTIONS]
_CROSS = [f"*.attn2.{name}" for name in _PROJECTIONS]
_MLP = ["*.attentions.*.proj_in", "*.attentions.*.proj_out", "*.ff.net.0.proj", "*.ff.net.2"]
# Not conv_in, conv_out and time_embedding: kohya's tools drop them from a file without a word.
_CONVOLUTIONS = [
    "*.resnets.*.conv1",
    "*.resnets.*.conv2",
    "*.resnets.*.conv_shortcut",
    "*.resnets.*.time_emb_proj",
    "*.downsamplers.*.conv",
    "*.upsamplers.*.conv",
]

UNET_SETS: dict[str, list[str]] = {
    "attn": _SELF + _CROSS,
    "cross-attn": _CROSS,
    "attn-mlp": _SELF + _CROSS + _MLP,  # all of kohya's Transformer2DModel: 192 modules in SD 1.5
    "full": _SELF + _CROSS + _MLP + _CONVOLUTIONS,
}

# All six of every layer or none: A1111 passes over a text encoder with only some of q, k, v, out, diffusers refuses it.
TEXT_ENCODER: list[str] = [
    *(f"*encoder.layers.*.self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "out_proj")),
    "*encoder.layers.*.mlp.fc1",
    "*encoder.layers.*.mlp.fc2",
]


def target_patterns(name: str, text_encoder: bool = False) -> list[str]:
    """The patterns of the set "attn", "cross-attn", "attn-mlp" or "full", with the text encoder's if wished.

    Raises UserError for another name, listing the known ones.
    """
    if name not in UNET_SETS:
        near = difflib.get_close_matches(name, UNET_SETS, n=1)
        known = ", ".join(UNET_SETS)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"Unknown target set {name!r}.", fix=f"Known sets: {known}.{hint}", where="adapter.targets")
    return UNET_SETS[name] + (TEXT_ENCODER if text_encoder else [])

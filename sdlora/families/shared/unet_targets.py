"""Named sets of layers that learn, as patterns of module names (fnmatch), for a UNet and CLIP text encoders. No torch.

The patterns start with ``*``, so they fit the UNet alone ("mid_block.…") and under a root ("unet.mid_block.…").
"""

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
    "attn-qv": ["*.attn[12].to_q", "*.attn[12].to_v"],  # Wq and Wv, as Hu et al. 2021 chose them
    "attn-mlp": _SELF + _CROSS + _MLP,  # all of kohya's Transformer2DModel: 192 modules in SD 1.5
    "full": _SELF + _CROSS + _MLP + _CONVOLUTIONS,
}

# All six of every layer or none: A1111 passes over a text encoder with only some of q, k, v, out, diffusers refuses it.
TEXT_ENCODER: list[str] = [
    *(f"*encoder.layers.*.self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "out_proj")),
    "*encoder.layers.*.mlp.fc1",
    "*encoder.layers.*.mlp.fc2",
]

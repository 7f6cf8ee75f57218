"""The tensors of one part of a base model under diffusers' names, whichever layout holds them.

Nothing is read before it is used: safetensors maps the file, and each tensor is a view of it.
"""

from collections.abc import Iterator

import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors import safe_open

from sdlora.families.base import BaseInfo
from sdlora.families.family import Part
from sdlora.families.shared import checkpoint
from sdlora.families.table import prefixes

# diffusers' own first spelling of the VAE's attention, still in many folders.
OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
# OpenCLIP's names of a layer, and of what is outside of the layers.
LAYER = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
         "attn.out_proj": "self_attn.out_proj"}  # fmt: skip
OUTSIDE = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
}


def tensors(base: BaseInfo, part: str, config: dict) -> Iterator[tuple[str, torch.Tensor]]:
    """(diffusers' or transformers' name, tensor as stored) of one part. Names the part does not know may come too.

    SafetensorError or OSError for a damaged file.
    """
    for path in base.files(part):
        original = base.single_file and path == base.source
        with safe_open(path, framework="pt") as file:
            names = checkpoint.names_of(file.keys(), part) if original else list(file.keys())
            role = base.spec.part(part).role
            if role == "vae":
                yield from _vae(file, names, config)
            elif not original:
                yield from ((name, file.get_tensor(name)) for name in names)
            elif role == "denoiser":
                yield from _unet(file, names, config)
            else:
                yield from _text_encoder(file, names, base.spec.part(part))


def unet_names(names: list[str], config: dict) -> dict[str, str]:
    """diffusers' name -> the checkpoint's name. diffusers' own conversion, run on names in place of tensors."""
    return convert_ldm_unet_checkpoint({name: name for name in names}, config)


class _Name(str):
    """A tensor's name where diffusers' VAE conversion expects the tensor, which it would squeeze by its shape."""

    ndim, shape = 0, ()


def vae_names(names: list[str], config: dict) -> dict[str, str]:
    """diffusers' name -> the checkpoint's name, for a VAE; its own spelling stays, but for the old attention."""
    if any(".down_blocks." in name for name in names):
        found = {}
        for name in names:
            new = name.removeprefix("first_stage_model.").removeprefix("vae.")
            for old, now in OLD_ATTENTION.items():
                new = new.replace(old, now) if ".attentions." in new else new
            found[new] = name
        return found
    return dict(convert_ldm_vae_checkpoint({name: _Name(name) for name in names}, config))


def _unet(file, names: list[str], config: dict) -> Iterator[tuple[str, torch.Tensor]]:
    for new, old in unet_names(names, config).items():
        yield new, file.get_tensor(old)


def _vae(file, names: list[str], config: dict) -> Iterator[tuple[str, torch.Tensor]]:
    for new, old in vae_names(names, config).items():
        yield new, file.get_tensor(str(old))


def _text_encoder(file, names: list[str], part: Part) -> Iterator[tuple[str, torch.Tensor]]:
    for name in names:
        prefix = next(p for p in prefixes(part.root) if name.startswith(p))
        if prefix in prefixes(part.root, open_clip=True):
            yield from _open_clip(name[len(prefix) :], file.get_tensor(name))
        else:
            yield name[len(prefix) :], file.get_tensor(name)


def _open_clip(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """One of OpenCLIP's tensors as transformers' CLIP has it: q, k and v are one there."""
    if name in OUTSIDE:
        yield OUTSIDE[name], tensor
    elif name == "text_projection":
        yield "text_projection.weight", tensor.T
    elif name.startswith("transformer.resblocks."):
        number, rest = name.removeprefix("transformer.resblocks.").split(".", 1)
        layer = f"text_model.encoder.layers.{number}."
        if rest in ("attn.in_proj_weight", "attn.in_proj_bias"):
            kind = rest.removeprefix("attn.in_proj_")
            for letter, third in zip("qkv", tensor.chunk(3), strict=True):
                yield f"{layer}self_attn.{letter}_proj.{kind}", third
        else:
            stem, kind = rest.rsplit(".", 1)
            if stem in LAYER:
                yield f"{layer}{LAYER[stem]}.{kind}", tensor

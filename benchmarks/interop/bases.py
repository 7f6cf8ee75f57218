"""Small-width base models with the real topology of SD 1.5, SD 2.1 and SDXL, and their names in the original layout.

Every block, layer and transformer of the real models is there, only narrower: names are what is tested. The inputs of
cross attention keep their real widths (768, 1024, 2048) because InvokeAI recognises the base model by them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

CHANNELS = 32  # instead of 320; the group norms need multiples of 32
TOKENS = {"vocab_size": 100, "bos_token_id": 98, "eos_token_id": 99, "pad_token_id": 99}
TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
TEXT_2 = {"hidden_size": 96, "intermediate_size": 192, "num_attention_heads": 4, "projection_dim": 96}
UNETS = {
    "sd1": {"block_out_channels": (32, 64, 128, 128), "cross_attention_dim": 768, "attention_head_dim": 8},
    "sd2": {
        "block_out_channels": (32, 64, 128, 128),
        "cross_attention_dim": 1024,
        "attention_head_dim": (1, 2, 4, 4),
        "use_linear_projection": True,
    },
    "sdxl": {
        "block_out_channels": (32, 64, 128),
        "cross_attention_dim": 2048,
        "attention_head_dim": (1, 2, 4),
        "use_linear_projection": True,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}
TEXT_LAYERS = {
    "sd1": {"text_encoder": 12},
    "sd2": {"text_encoder": 23},
    "sdxl": {"text_encoder": 12, "text_encoder_2": 32},
}


@dataclass
class Base:
    """A base model. models: root -> diffusers' or transformers' module; weights: canonical layer name -> weight."""

    family: str
    models: dict[str, nn.Module]
    weights: dict[str, Tensor]


def make_base(family: str) -> Base:
    """The same numbers at every call, whatever the process."""
    torch.manual_seed(20)
    models: dict[str, nn.Module] = {"unet": UNet2DConditionModel(sample_size=64, **UNETS[family])}
    for root, layers in TEXT_LAYERS[family].items():
        kind, widths = (CLIPTextModelWithProjection, TEXT_2) if root == "text_encoder_2" else (CLIPTextModel, TEXT)
        models[root] = kind(CLIPTextConfig(**TOKENS, num_hidden_layers=layers, **widths))
    for model in models.values():
        model.eval().requires_grad_(False)
    weights = {
        name: module.weight.detach().clone()  # some tools change the modules in place
        for root, model in models.items()
        for name, module in layers_of(root, model)
        if "embeddings." not in name
    }
    return Base(family, models, weights)


def layers_of(root: str, model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(canonical name, module) of every Linear and Conv2d."""
    for path, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            yield canonical(f"{root}.{path}"), module


def canonical(name: str) -> str:
    """With "text_model.", which transformers 5.6 dropped from the names in CLIPTextModel."""
    root, _, path = name.partition(".")
    if root.startswith("text_encoder") and not path.startswith(("text_model.", "text_projection")):
        return f"{root}.text_model.{path}"
    return name


class OldTextModel(nn.Module):
    """CLIPTextModel with the module names that it had before transformers 5.6, for tools that pin an older one."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.text_model = model


def old_names(model: nn.Module) -> nn.Module:
    """The text encoder as transformers before 5.6 names it. The modules are the same objects."""
    has_prefix = any(name.startswith("text_model.") for name, _ in model.named_modules())
    return model if has_prefix else OldTextModel(model)


# ---- the original layout (LDM; "sgm" for SDXL), as checkpoints have it

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_TOP = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def original_path(path: str, family: str) -> str:
    """diffusers' path in the UNet -> the original code's: "down_blocks.0.attentions.1.norm" -> "input_blocks.2.1.norm".

    path: of a module or parameter; all three families have two resnets in every block.
    """
    for ours, theirs in _TOP.items():
        if path == ours or path.startswith(f"{ours}."):
            return theirs + path[len(ours) :]
    if path.startswith("mid_block."):
        _, kind, number, rest = path.split(".", 3)
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}.{_inner(kind, rest)}"
    side, block, kind, number, rest = path.split(".", 4)
    block, number = int(block), int(number)
    if kind == "downsamplers":
        return f"input_blocks.{3 * (block + 1)}.0.{rest.replace('conv', 'op')}"
    if kind == "upsamplers":
        after_attention = block > 0 or family == "sdxl"  # SD 1 and 2 have none in their first up block
        return f"output_blocks.{3 * block + 2}.{2 if after_attention else 1}.{rest}"
    where = f"input_blocks.{1 + 3 * block + number}" if side == "down_blocks" else f"output_blocks.{3 * block + number}"
    return f"{where}.{1 if kind == 'attentions' else 0}.{_inner(kind, rest)}"


def _inner(kind: str, rest: str) -> str:
    if kind == "attentions":
        return rest
    name, _, leaf = rest.partition(".")
    return f"{_RESNET[name]}.{leaf}".rstrip(".")


def original_unet(base: Base) -> dict[str, Tensor]:
    """The UNet's state dict in the original layout, without "model.diffusion_model."."""
    return {original_path(key, base.family): tensor for key, tensor in base.models["unet"].state_dict().items()}


def hugging_text(base: Base, root: str) -> dict[str, Tensor]:
    """The text encoder's state dict with "text_model.", as SD 1.x checkpoints have it below "transformer."."""
    state = {canonical(f"{root}.{key}"): tensor for key, tensor in base.models[root].state_dict().items()}
    return {key.partition(".")[2]: tensor for key, tensor in state.items()}


def fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """nn.MultiheadAttention's in_proj, as OpenCLIP has it."""
    return torch.cat([q, k, v])

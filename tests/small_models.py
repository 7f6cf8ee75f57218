"""Small models with the real block structure: a test runs in a second."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

ONE_BLOCK = {
    "block_out_channels": (32,),
    "down_block_types": ("CrossAttnDownBlock2D",),
    "up_block_types": ("CrossAttnUpBlock2D",),
}


def make_unet(**changes) -> UNet2DConditionModel:
    config = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 24,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }
    torch.manual_seed(0)
    return UNet2DConditionModel(**(config | changes)).eval()


def make_text_encoder(layers: int = 2) -> CLIPTextModel:
    torch.manual_seed(1)
    config = CLIPTextConfig(
        vocab_size=100,
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=98,
        eos_token_id=99,
    )
    return CLIPTextModel(config).eval()


def randomise(adapter, std: float = 0.1, seed: int = 5) -> None:
    """As if trained: ``up`` is no longer zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in adapter.layers.values():
            layer.up.weight.copy_(torch.randn(layer.up.weight.shape, generator=generator) * std)


def unet_inputs(unet) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    latents = torch.randn(2, unet.config.in_channels, 8, 8, generator=generator)
    return latents, torch.tensor([3, 700]), torch.randn(2, 5, unet.config.cross_attention_dim, generator=generator)


# The block structure of the full-size models: every name but those of deep transformer blocks and layers is there.
SD2 = {
    "block_out_channels": (32, 32, 64, 64),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "attention_head_dim": (2, 2, 4, 4),
    "use_linear_projection": True,
}
SDXL = {
    "block_out_channels": (32, 64, 64),
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (2, 4, 4),
    "use_linear_projection": True,
    "cross_attention_dim": 24 + 40,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 40,
}


def make_text_encoder_2(layers: int = 2) -> CLIPTextModelWithProjection:
    """SDXL's second encoder, wider than the first."""
    torch.manual_seed(2)
    config = make_text_encoder(layers).config
    config.hidden_size, config.intermediate_size, config.projection_dim = 40, 80, 40
    return CLIPTextModelWithProjection(config).eval()


def make_models(family: str, **changes) -> dict[str, nn.Module]:
    """Root -> live model of a family with its real block structure."""
    match family:
        case "sd1":
            return {"unet": make_unet(**changes), "text_encoder": make_text_encoder()}
        case "sd2":
            return {"unet": make_unet(**(SD2 | changes)), "text_encoder": make_text_encoder(3)}
    unet = make_unet(**(SDXL | changes))
    return {"unet": unet, "text_encoder": make_text_encoder(), "text_encoder_2": make_text_encoder_2(3)}


@pytest.fixture
def unet() -> UNet2DConditionModel:
    return make_unet()


@pytest.fixture
def text_encoder() -> CLIPTextModel:
    return make_text_encoder()

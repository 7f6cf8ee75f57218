"""Small models with the real block structure: a test runs in a second."""

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

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

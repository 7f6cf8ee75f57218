"""Name tables against the modules of real models, and counts of the full-size Stable Diffusion."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from small_models import ONE_BLOCK, make_text_encoder, make_unet
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from sdlora.errors import UserError
from sdlora.lora.formats import canonical, file_names, from_kohya
from sdlora.lora.inject import inject
from sdlora.lora.targets import TEXT_ENCODER, target_patterns

DROPPED_BY_KOHYA = ("conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2")
SHAPES = {
    "sd1": {},
    "sd2": {"use_linear_projection": True, "attention_head_dim": (2, 4), "layers_per_block": 2},
    "one block": ONE_BLOCK,
    "uneven": {
        "block_out_channels": (16, 16, 32, 32),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": (1, 2, 1, 3),
        "transformer_layers_per_block": (1, 2, 1, 1),
    },
    "narrowing": {"block_out_channels": (32, 16)},
}


def live_names(module: nn.Module) -> set[str]:
    return {name for name, m in module.named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))}


@pytest.mark.parametrize("shape", SHAPES)
def test_unet_table_has_exactly_the_modules_of_the_real_unet(shape):
    unet = make_unet(**SHAPES[shape])
    names = file_names("sd2" if shape == "sd2" else "sd1", unet.config)
    assert set(names) == {f"unet.{name}" for name in live_names(unet) - set(DROPPED_BY_KOHYA)}
    for ours, kohya in names.items():  # kohya: (prefix + "." + name).replace(".", "_")
        assert kohya == "lora_" + ours.replace(".", "_")
        assert from_kohya(kohya) == ours
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("kind", [CLIPTextModel, CLIPTextModelWithProjection])
def test_text_table_has_the_modules_of_either_spelling(kind):
    text_encoder = kind(make_text_encoder(3).config)
    names = file_names("sd1", make_unet().config, text_encoder.config)
    text = {ours: kohya for ours, kohya in names.items() if ours.startswith("text_encoder.")}
    live = {canonical(f"text_encoder.{name}") for name in live_names(text_encoder)}
    assert set(text) == {name for name in live if "encoder.layers" in name}
    assert text["text_encoder.text_model.encoder.layers.2.self_attn.out_proj"] == (
        "lora_te_text_model_encoder_layers_2_self_attn_out_proj"
    )
    assert all(from_kohya(kohya) == ours for ours, kohya in text.items())


def test_configs_may_be_plain_mappings():
    unet, text_encoder = make_unet(), make_text_encoder()
    plain = file_names("sd1", dict(unet.config), text_encoder.config.to_dict())
    assert plain == file_names("sd1", unet.config, text_encoder.config)


def test_full_size_sd15_has_192_and_72_modules_and_86_convolutions():
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
        text_encoder = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12))
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964  # this is SD 1.5
    roots = {"unet": unet, "text_encoder": text_encoder}
    names = file_names("sd1", unet.config, text_encoder.config)
    counts = {}
    for name in ("attn", "cross-attn", "attn-mlp", "full"):
        layers = inject(roots, target_patterns(name), rank=1).layers
        assert set(layers) <= set(names)
        counts[name] = len(layers)
    assert counts == {"attn": 128, "cross-attn": 64, "attn-mlp": 192, "full": 192 + 86}
    assert len(inject(roots, TEXT_ENCODER, rank=1).layers) == 72
    assert len(names) == 192 + 86 + 72
    assert sum(name.startswith("lora_te_text_model_encoder_layers_") for name in names.values()) == 72


@pytest.mark.parametrize(
    "name",
    [
        "lora_unet_",
        "lora_unet",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1",
        "lora_unet_input_blocks_1_1_proj_in",
        "lora_unet_mid_block__proj_in",
        "lora_unet_mid_block_proj_in_",
        "unet.mid_block",
        "../lora_unet_mid_block",
        "",
    ],
)
def test_what_is_no_kohya_name(name):
    with pytest.raises(UserError, match="no layer name"):
        from_kohya(name)


def test_unknown_families_and_blocks_are_said():
    config = dict(make_unet().config)
    with pytest.raises(UserError, match="'sd9'.*sd1, sd2"):
        file_names("sd9", config)
    with pytest.raises(UserError, match="AttnDownBlock2D"):
        file_names("sd1", config | {"down_block_types": ("AttnDownBlock2D",) * 2})
    with pytest.raises(UserError, match="UNetMidBlock2DSimpleCrossAttn"):
        file_names("sd1", config | {"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"})
    with pytest.raises(UserError, match="lacks block_out_channels"):
        file_names("sd1", {})

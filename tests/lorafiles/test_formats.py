"""Name tables against the modules of real models, and counts of the full-size Stable Diffusion."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from said import saying
from small_models import ONE_BLOCK, SD2, SDXL, make_models, make_text_encoder, make_unet
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from sdlora.adapters.inject import inject
from sdlora.adapters.targets import UNET_SETS, target_patterns
from sdlora.errors import UserError
from sdlora.families.shared.unet_paths import unet_paths
from sdlora.lorafiles.names import canonical, file_names, from_kohya

DROPPED_BY_KOHYA = ("conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2")
SHAPES = {
    "sd1": {},
    "sd2": SD2,
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
    names = file_names("sd2" if shape == "sd2" else "sd1", {"unet": unet.config})
    assert set(names) == {f"unet.{name}" for name in live_names(unet) - set(DROPPED_BY_KOHYA)}
    for ours, kohya in names.items():  # kohya: (prefix + "." + name).replace(".", "_")
        assert kohya == "lora_" + ours.replace(".", "_")
        assert from_kohya(kohya) == ours
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("kind", [CLIPTextModel, CLIPTextModelWithProjection])
def test_text_table_has_the_modules_of_either_spelling(kind):
    text_encoder = kind(make_text_encoder(3).config)
    text = file_names("sd1", {"text_encoder": text_encoder.config})
    live = {canonical(f"text_encoder.{name}") for name in live_names(text_encoder)}
    assert set(text) == {name for name in live if "encoder.layers" in name}
    assert text["text_encoder.text_model.encoder.layers.2.self_attn.out_proj"] == (
        "lora_te_text_model_encoder_layers_2_self_attn_out_proj"
    )
    assert all(from_kohya(kohya) == ours for ours, kohya in text.items())


def test_configs_may_be_plain_mappings():
    unet, text_encoder = make_unet(), make_text_encoder()
    plain = file_names("sd1", {"unet": dict(unet.config), "text_encoder": text_encoder.config.to_dict()})
    assert plain == file_names("sd1", {"unet": unet.config, "text_encoder": text_encoder.config})


def test_sdxl_table_has_exactly_the_modules_of_the_real_models():
    models = make_models("sdxl")
    names = file_names("sdxl", {root: model.config for root, model in models.items()})
    live = {canonical(f"{root}.{name}") for root, model in models.items() for name in live_names(model)}
    outside = {
        n for n in live if n.split(".")[-1] in ("conv_in", "conv_out", "linear_1", "linear_2", "text_projection")
    }
    assert set(names) == live - outside
    assert len(set(names.values())) == len(names)
    for ours, kohya in names.items():
        assert from_kohya(kohya) == from_kohya(kohya, "sdxl") == ours
        if ours.startswith("unet."):  # diffusers' block names are in files too
            assert from_kohya("lora_" + ours.replace(".", "_")) == ours
            assert from_kohya("lycoris_" + ours.removeprefix("unet.").replace(".", "_")) == ours


# Written by hand after the original code's UNet: what tools look for.
SDXL_NAMES = {
    "unet.down_blocks.0.resnets.1.time_emb_proj": "lora_unet_input_blocks_2_0_emb_layers_1",
    "unet.down_blocks.0.downsamplers.0.conv": "lora_unet_input_blocks_3_0_op",
    "unet.down_blocks.1.resnets.0.conv_shortcut": "lora_unet_input_blocks_4_0_skip_connection",
    "unet.down_blocks.1.attentions.0.proj_in": "lora_unet_input_blocks_4_1_proj_in",
    "unet.down_blocks.1.attentions.1.transformer_blocks.1.attn2.to_out.0": (
        "lora_unet_input_blocks_5_1_transformer_blocks_1_attn2_to_out_0"
    ),
    "unet.down_blocks.1.downsamplers.0.conv": "lora_unet_input_blocks_6_0_op",
    "unet.down_blocks.2.attentions.1.transformer_blocks.9.ff.net.0.proj": (
        "lora_unet_input_blocks_8_1_transformer_blocks_9_ff_net_0_proj"
    ),
    "unet.mid_block.resnets.0.conv1": "lora_unet_middle_block_0_in_layers_2",
    "unet.mid_block.attentions.0.transformer_blocks.9.ff.net.2": (
        "lora_unet_middle_block_1_transformer_blocks_9_ff_net_2"
    ),
    "unet.mid_block.resnets.1.conv2": "lora_unet_middle_block_2_out_layers_3",
    "unet.up_blocks.0.attentions.2.proj_out": "lora_unet_output_blocks_2_1_proj_out",
    "unet.up_blocks.0.upsamplers.0.conv": "lora_unet_output_blocks_2_2_conv",
    "unet.up_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q": (
        "lora_unet_output_blocks_3_1_transformer_blocks_1_attn1_to_q"
    ),
    "unet.up_blocks.1.upsamplers.0.conv": "lora_unet_output_blocks_5_2_conv",
    "unet.up_blocks.2.resnets.2.conv_shortcut": "lora_unet_output_blocks_8_0_skip_connection",
    "text_encoder.text_model.encoder.layers.1.mlp.fc2": "lora_te1_text_model_encoder_layers_1_mlp_fc2",
    "text_encoder_2.text_model.encoder.layers.2.self_attn.out_proj": (
        "lora_te2_text_model_encoder_layers_2_self_attn_out_proj"
    ),
}


def test_sdxl_names_by_hand():
    names = file_names("sdxl", {root: model.config for root, model in make_models("sdxl").items()})
    assert SDXL_NAMES.items() <= names.items()


def test_the_original_codes_names_of_sd1_are_read():
    unet = make_unet(**(SD2 | {"use_linear_projection": False}))
    names = {"lora_unet_" + ldm.replace(".", "_"): f"unet.{path}" for path, ldm in unet_paths(unet.config)}
    assert {kohya: from_kohya(kohya) for kohya in names} == names
    # an upsampler comes third where the block has attention, else second
    assert names["lora_unet_output_blocks_2_1_conv"] == "unet.up_blocks.0.upsamplers.0.conv"
    assert names["lora_unet_output_blocks_5_2_conv"] == "unet.up_blocks.1.upsamplers.0.conv"
    assert names["lora_unet_input_blocks_11_0_out_layers_3"] == "unet.down_blocks.3.resnets.1.conv2"


CLIP = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
SIZES = {  # family -> (configs, modules in attention blocks, convolutions, text encoders)
    "sd1": ({"unet": {}, "text_encoder": 12}, 192, 86, {"lora_te_": 72}),
    "sd2": ({"unet": {"use_linear_projection": True}, "text_encoder": 23}, 192, 86, {"lora_te_": 138}),
    "sdxl": ({"unet": SDXL, "text_encoder": 12, "text_encoder_2": 32}, 722, 66, {"lora_te1_": 72, "lora_te2_": 192}),
}


@pytest.mark.parametrize("family", SIZES)
def test_counts_of_the_full_size_families(family):
    changes, attention, convolutions, encoders = SIZES[family]
    wide = {"block_out_channels": (320, 640, 1280) if family == "sdxl" else (320, 640, 1280, 1280)}
    with torch.device("meta"):
        unet = UNet2DConditionModel(**(changes["unet"] | wide | {"cross_attention_dim": 768}))
        text = {
            root: CLIPTextModel(CLIPTextConfig(num_hidden_layers=layers, **CLIP))
            for root, layers in changes.items()
            if root != "unet"
        }
    roots = {"unet": unet, **text}
    names = file_names(family, {root: model.config for root, model in roots.items()})
    assert len(inject(roots, "attn-mlp", rank=1).layers) == attention
    everything = inject(roots, target_patterns("full", text_encoder=True), rank=1).layers
    assert {canonical(name) for name in everything} == set(names)
    counts = {prefix: sum(n.startswith(prefix) for n in names.values()) for prefix in ("lora_unet_", *encoders)}
    assert counts == {"lora_unet_": attention + convolutions} | encoders


def test_sets_of_full_size_sd15():
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964  # this is SD 1.5
    counts = {name: len(inject(unet, name, rank=1).layers) for name in UNET_SETS}
    assert counts == {"attn": 128, "cross-attn": 64, "attn-qv": 64, "attn-mlp": 192, "full": 192 + 86}


def test_the_layer_that_sd2_never_runs_has_no_name():
    names = file_names("sd2", {"text_encoder": {"num_hidden_layers": 24}})
    assert len(names) == 138 and not any("layers.23" in name for name in names)


@pytest.mark.parametrize(
    "name",
    [
        "lora_unet_",
        "lora_unet",
        "lora_te_encoder_layers_0_mlp_fc1",
        "lora_te3_text_model_encoder_layers_0_mlp_fc1",
        "lora_te2_text_projection",
        "lora_unet_text_model_encoder_layers_0_mlp_fc1",
        "lora_unet_input_blocks_0_1_proj_in",
        "lora_unet_input_blocks_1_2_proj_in",
        "lora_unet_input_blocks_1_op",
        "lora_unet_middle_block_3_proj_in",
        "lora_unet_middle_block_1_1_nothing",
        "lora_unet_mid_block__proj_in",
        "lora_unet_mid_block_proj_in_",
        "unet.mid_block",
        "../lora_unet_mid_block",
        "",
    ],
)
def test_what_is_no_kohya_name(name):
    with pytest.raises(UserError, match=saying("saving.not_a_layer_name")):
        from_kohya(name)


def test_a_second_text_encoder_is_sdxls_alone():
    name = "lora_te2_text_model_encoder_layers_0_mlp_fc1"
    assert from_kohya(name, "sdxl") == "text_encoder_2.text_model.encoder.layers.0.mlp.fc1"
    with pytest.raises(UserError, match=saying("saving.not_a_layer_name")):
        from_kohya(name, "sd2")
    with pytest.raises(UserError, match=saying("saving.prefix_unknown", family="sd1", name="text_encoder_2")):
        file_names("sd1", {"text_encoder_2": make_text_encoder().config})


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("conv_in", "conv_in"),
        ("input_blocks_0_0", "conv_in"),
        ("out_2", "conv_out"),
        ("time_embed_2", "time_embedding.linear_2"),
        ("time_embedding_linear_1", "time_embedding.linear_1"),
        ("label_emb_0_0", "add_embedding.linear_1"),
    ],
)
def test_layers_that_we_never_write_are_read(name, ours):
    assert from_kohya(f"lora_unet_{name}") == f"unet.{ours}"


def test_unknown_families_and_blocks_are_said():
    config = dict(make_unet().config)
    with pytest.raises(
        UserError,
        match=saying("models.family_unknown", family="'sd9'")
        + ".*"
        + saying("models.families_known", names="sd1, sd2, sdxl"),
    ):
        file_names("sd9", {"unet": config})
    with pytest.raises(UserError, match=saying("models.block_without_lora_names", kind="AttnDownBlock2D")):
        file_names("sd1", {"unet": config | {"down_block_types": ("AttnDownBlock2D",) * 2}})
    with pytest.raises(
        UserError, match=saying("models.block_without_lora_names", kind="UNetMidBlock2DSimpleCrossAttn")
    ):
        file_names("sd1", {"unet": config | {"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}})
    with pytest.raises(UserError, match=saying("models.config_lacks", name="block_out_channels")):
        file_names("sd1", {"unet": {}})

"""The float64 reference and the comparer of benchmarks/interop, against what can be worked out otherwise."""

import pytest
import torch
from torch import nn

from benchmarks.interop import bases, reference
from benchmarks.interop.reference import Change, compare, patched


def test_a_linear_layer_by_hand():
    change = Change(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [5.0]]), 0.5)
    assert torch.equal(patched(torch.eye(2), change), torch.tensor([[2.5, 3.0], [2.5, 6.0]], dtype=torch.float64))


def test_a_convolution_is_the_two_convolutions_one_after_the_other():
    torch.manual_seed(0)
    down, up, x = torch.randn(3, 4, 3, 3), torch.randn(5, 3, 1, 1), torch.randn(1, 4, 6, 6)
    weight = patched(torch.zeros(5, 4, 3, 3), Change(down, up, 2.0))
    expected = 2.0 * nn.functional.conv2d(nn.functional.conv2d(x.double(), down.double()), up.double())
    torch.testing.assert_close(nn.functional.conv2d(x.double(), weight), expected)


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 1, 1), (6, 1), (6, 1, 1, 1)])
def test_dora_gives_every_channel_the_norm_that_the_magnitude_says(shape):
    torch.manual_seed(1)
    kernel = (3, 3) if len(shape) == 4 else ()
    magnitude = torch.rand(shape) + 0.5
    up = torch.randn(6, 2, *[1] * len(kernel))
    weight = patched(torch.randn(6, 4, *kernel), Change(torch.randn(2, 4, *kernel), up, 0.7, magnitude))
    channels = weight if shape[0] == 6 else weight.transpose(0, 1)
    torch.testing.assert_close(channels.flatten(1).norm(dim=1), magnitude.flatten().double())


def _layers() -> tuple[dict, dict, dict]:
    torch.manual_seed(2)
    base = {"a": torch.randn(4, 4), "b": torch.randn(4, 4)}
    changes = {"a": Change(torch.randn(2, 4), torch.randn(4, 2), 1.0)}
    return base, changes, {"a": patched(base["a"], changes["a"]), "b": base["b"].clone()}


def test_comparison_finds_nothing_where_nothing_is_wrong():
    base, changes, weights = _layers()
    report = compare(weights, base, changes, 1e-9)
    assert (report.layers, report.exact, report.error, report.touched) == (1, 1, 0.0, [])


def test_comparison_finds_a_wrong_strength_a_dropped_layer_a_foreign_change_and_nan():
    base, changes, weights = _layers()
    half = compare(weights | {"a": (weights["a"] + base["a"]) / 2}, base, changes, 1e-3)
    assert (half.exact, half.worst) == (0, "a") and half.error == pytest.approx(0.5)
    dropped = compare({"b": weights["b"]}, base, changes, 1e-3)
    assert dropped.exact == 0 and dropped.error == pytest.approx(1.0)
    assert compare(weights | {"b": base["b"] + 1e-6}, base, changes, 1e-3).touched == ["b"]
    broken = compare(weights | {"a": weights["a"] * float("nan")}, base, changes, 1e-3)
    assert broken.exact == 0 and broken.worst == "a"


@pytest.mark.parametrize(
    ("path", "family", "original"),
    [
        ("down_blocks.0.attentions.1.proj_in", "sd1", "input_blocks.2.1.proj_in"),
        ("down_blocks.2.downsamplers.0.conv", "sd1", "input_blocks.9.0.op"),
        ("mid_block.resnets.1.conv1.bias", "sd2", "middle_block.2.in_layers.2.bias"),
        ("up_blocks.0.upsamplers.0.conv", "sd1", "output_blocks.2.1.conv"),
        ("up_blocks.0.upsamplers.0.conv", "sdxl", "output_blocks.2.2.conv"),
        ("up_blocks.3.resnets.2.conv_shortcut", "sd1", "output_blocks.11.0.skip_connection"),
        ("add_embedding.linear_2.weight", "sdxl", "label_emb.0.2.weight"),
    ],
)
def test_names_in_the_original_layout(path, family, original):
    assert bases.original_path(path, family) == original


def test_kohya_names():
    text = "text_encoder_2.text_model.encoder.layers.31.mlp.fc1"
    assert reference.kohya_name(text, "sdxl") == "lora_te2_text_model_encoder_layers_31_mlp_fc1"
    unet = "unet.up_blocks.1.attentions.2.transformer_blocks.1.attn2.to_out.0"
    assert reference.kohya_name(unet, "sd2") == "lora_unet_" + unet.removeprefix("unet.").replace(".", "_")
    assert reference.kohya_name(unet, "sdxl") == "lora_unet_output_blocks_5_1_transformer_blocks_1_attn2_to_out_0"


def test_file_is_read_with_its_alpha(tmp_path):
    from safetensors.torch import save_file

    base = {"unet.mid_block.attentions.0.proj_in": torch.randn(4, 4)}
    name, down, up = "lora_unet_mid_block_attentions_0_proj_in", torch.randn(2, 4), torch.randn(4, 2)
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(3.0)}
    save_file(tensors | {"foreign": torch.zeros(1)}, tmp_path / "x.safetensors")
    changes, left = reference.read_file(tmp_path / "x.safetensors", "sd1", base)
    assert changes["unet.mid_block.attentions.0.proj_in"].scale == 1.5 and left == ["foreign"]


def test_changes_come_back(tmp_path):
    change = Change(torch.randn(2, 4), torch.randn(4, 2), 1 / 3, torch.rand(1, 4))
    reference.save_changes(tmp_path / "c.safetensors", {"a": change})
    back = reference.load_changes(tmp_path / "c.safetensors")["a"]
    assert back.scale == change.scale and torch.equal(back.magnitude, change.magnitude)
    assert torch.equal(back.down, change.down) and torch.equal(back.up, change.up)

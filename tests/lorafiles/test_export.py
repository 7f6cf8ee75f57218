"""Files against the layout rules, against diffusers, against an independent hash; and all that can go wrong."""

import errno
import hashlib
import json
import math
import os
import struct

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from said import saying
from small_models import ONE_BLOCK, make_models, make_text_encoder, make_unet, randomise

from sdlora.adapters.inject import inject
from sdlora.adapters.targets import target_patterns
from sdlora.errors import UserError
from sdlora.lorafiles.attach import load_into, load_lora
from sdlora.lorafiles.names import canonical
from sdlora.lorafiles.read import read_lora
from sdlora.lorafiles.verify import verify_with_diffusers
from sdlora.lorafiles.write import write_lora

ROUNDING = {"fp16": 2**-11, "bf16": 2**-8, "fp32": 2**-22}


def trained(unet, text_encoder=None, targets="full", std=0.1, **options):
    patterns = target_patterns(targets, text_encoder=text_encoder is not None)
    adapter = inject(roots(unet, text_encoder), patterns, **({"rank": 4, "alpha": 2.0} | options))
    randomise(adapter, std)
    return adapter


def export(adapter, path, unet, text_encoder=None, **options):
    configs = {root: model.config for root, model in roots(unet, text_encoder).items()}
    return write_lora(adapter, path, configs=configs, **({"family": "sd1"} | options))


def roots(unet, text_encoder=None):
    return {"unet": unet} | ({"text_encoder": text_encoder} if text_encoder else {})


def verify(path, adapter, unet, text_encoder=None):
    return verify_with_diffusers(path, adapter, roots(unet, text_encoder))


MIXED = {
    "rank_pattern": {"*.attn1.*": 8, "*.mid_block.*": 1, "*.layers.1.*": 3},
    "alpha_pattern": {"*.resnets.*": 3.0, "*.mlp.*": 7.0},
}


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32"])
@pytest.mark.parametrize("container", ["kohya", "diffusers"])
def test_diffusers_does_with_the_file_what_the_adapter_does(tmp_path, container, dtype):
    unet, text_encoder = make_unet(), make_text_encoder()
    adapter = trained(unet, text_encoder, **MIXED)
    path = export(adapter, tmp_path / "x.safetensors", unet, text_encoder, container=container, dtype=dtype)
    assert 0 <= verify(path, adapter, unet, text_encoder) < 8 * ROUNDING[dtype]


@pytest.mark.parametrize("container", ["kohya", "diffusers"])
@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_the_real_block_structure_with_every_text_encoder(tmp_path, family, container):
    models = make_models(family)
    adapter = inject(models, target_patterns("full", text_encoder=True), rank=2, alpha=1.0)
    randomise(adapter)
    configs = {root: model.config for root, model in models.items()}
    path = write_lora(adapter, tmp_path / "x.safetensors", configs=configs, family=family, container=container)
    assert 0 < verify_with_diffusers(path, adapter, models) < 0.01
    lora = read_lora(path)
    assert set(lora.modules) == {canonical(name) for name in adapter.layers}


def test_an_inpainting_unet(tmp_path):
    unet = make_unet(in_channels=9)
    adapter = trained(unet)
    assert verify(export(adapter, tmp_path / "x.safetensors", unet), adapter, unet) < 0.005


@pytest.mark.parametrize("container", ["kohya", "diffusers"])
@pytest.mark.parametrize("targets", ["attn", "cross-attn", "attn-qv", "attn-mlp", "full"])
def test_every_target_set_of_sd2_without_text_encoder(tmp_path, targets, container):
    unet = make_unet(use_linear_projection=True)
    adapter = trained(unet, targets=targets)
    path = export(adapter, tmp_path / "x.safetensors", unet, make_text_encoder(), family="sd2", container=container)
    assert verify(path, adapter, unet, make_text_encoder()) < 0.005


@pytest.mark.parametrize("container", ["kohya", "diffusers"])
def test_text_encoder_alone_and_before_the_first_step(tmp_path, container):
    unet, text_encoder = make_unet(), make_text_encoder()
    adapter = inject({"text_encoder": text_encoder}, target_patterns("attn", text_encoder=True), rank=2)
    path = export(adapter, tmp_path / "x.safetensors", unet, text_encoder, container=container)
    assert verify(path, adapter, unet, text_encoder) == 0.0  # up is zero, both effects are exactly zero
    randomise(adapter)
    export(adapter, path, unet, text_encoder, container=container)
    assert 0 < verify(path, adapter, unet, text_encoder) < 0.005


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_base(tmp_path, dtype):
    unet, text_encoder = make_unet().to(dtype), make_text_encoder().to(dtype)
    adapter = trained(unet, text_encoder)
    path = export(adapter, tmp_path / "x.safetensors", unet, text_encoder)
    assert verify(path, adapter, unet, text_encoder) < 0.2
    assert unet.dtype == text_encoder.dtype == dtype


def test_kohya_layout(tmp_path):
    unet, text_encoder = make_unet(), make_text_encoder()
    adapter = trained(unet, text_encoder, **MIXED)
    path = export(adapter, tmp_path / "x.safetensors", unet, text_encoder, metadata={"ss_network_dim": "4"})
    tensors = safetensors.torch.load_file(path)
    assert len(tensors) == 3 * len(adapter.layers)
    modules = {key.split(".")[0] for key in tensors}
    alphas = {"lora_unet_": set(), "lora_te_": set()}
    for module in modules:
        down, up, alpha = (tensors[f"{module}.{part}"] for part in ("lora_down.weight", "lora_up.weight", "alpha"))
        assert down.dtype == up.dtype == torch.float16 and alpha.dtype == torch.float32 and alpha.shape == ()
        assert down.shape[0] == up.shape[1] >= 2  # rank 1 is padded
        assert up.ndim == down.ndim and up.shape[2:] in ((), (1, 1))
        assert float(up.float().norm() / down.float().norm()) == pytest.approx(1, rel=0.01)
        alphas["lora_te_" if module.startswith("lora_te_text_model_") else "lora_unet_"].add(alpha.item())
    assert alphas == {"lora_unet_": {2.0}, "lora_te_": {2.0}}  # one per network
    assert tensors["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"].shape == (2, 32, 1, 1)
    assert tensors["lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight"].shape == (4, 16, 3, 3)
    assert path.read_bytes()[8:10] == b'{"'
    sd2 = make_unet(use_linear_projection=True)
    other = export(trained(sd2), tmp_path / "y.safetensors", sd2, family="sd2")
    shape = safetensors.torch.load_file(other)["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"].shape
    assert shape == (4, 32)


@pytest.mark.parametrize("container", ["kohya", "diffusers"])
def test_weights_rebuilt_in_float64_by_the_loaders_formula(tmp_path, container):
    unet, text_encoder = make_unet(), make_text_encoder()
    adapter = trained(unet, text_encoder, **MIXED)
    path = export(adapter, tmp_path / "x.safetensors", unet, text_encoder, container=container, dtype="fp32")
    tensors = {key: t.double() for key, t in safetensors.torch.load_file(path).items()}
    for name, layer in adapter.layers.items():
        if container == "kohya":
            module = "lora_" + canonical(name).replace("text_encoder.", "te.").replace(".", "_")
            down, up = tensors[f"{module}.lora_down.weight"], tensors[f"{module}.lora_up.weight"]
            scale = tensors[f"{module}.alpha"] / down.shape[0]
        else:
            down, up = tensors[f"{canonical(name)}.lora_A.weight"], tensors[f"{canonical(name)}.lora_B.weight"]
            scale = 1.0
        delta = (scale * up.flatten(1) @ down.flatten(1)).view(layer.shape)
        a, b = layer.down.weight.double(), layer.up.weight.double()
        expected = layer.alpha / layer.rank * torch.einsum("or,rx->ox", b.flatten(1), a.flatten(1)).view(layer.shape)
        torch.testing.assert_close(delta, expected, rtol=1e-5, atol=1e-7)


def test_peft_layout_says_format_and_has_no_alpha(tmp_path):
    unet = make_unet()
    adapter = trained(unet, targets="attn")
    metadata = {"ss_v2": "False", "lora_adapter_metadata": '{"unet.r": 99}'}
    path = export(adapter, tmp_path / "x.safetensors", unet, container="diffusers", metadata=metadata)
    with safe_open(path, "pt") as file:
        assert all(key.endswith((".lora_A.weight", ".lora_B.weight")) for key in file.keys())  # noqa: SIM118
        assert file.metadata()["format"] == "pt" and "lora_adapter_metadata" not in file.metadata()
    assert verify(path, adapter, unet) < 0.005


def test_hashes_against_an_own_reading_of_the_bytes(tmp_path):
    unet = make_unet()
    wide = {"rank": 256, "alpha": 256.0}  # so large that the legacy hash has bytes to read
    path = export(trained(unet, **wide), tmp_path / "x.safetensors", unet, dtype="fp32",
                  metadata={"ss_v2": "False", "modelspec.title": "t", "sdlora_settings": "[a]\nb = 1"})  # fmt: skip
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    assert len(raw) > 0x110000
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__")
    assert metadata["sshs_model_hash"] == hashlib.sha256(raw[8 + length :]).hexdigest()
    header = {"__metadata__": {"ss_v2": "False"}, **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    plain = struct.pack("<Q", len(text)) + text + raw[8 + length :]
    assert metadata["sshs_legacy_hash"] == hashlib.sha256(plain[0x100000:0x110000]).hexdigest()[:8]


def test_predicted_size_is_about_the_real_one(tmp_path):
    unet, text_encoder = make_unet(), make_text_encoder()
    for dtype in ("fp16", "fp32"):
        adapter = trained(unet, text_encoder, rank=8)
        path = export(adapter, tmp_path / "x.safetensors", unet, text_encoder, dtype=dtype)
        assert adapter.file_bytes(dtype) == pytest.approx(path.stat().st_size, rel=0.05)
        adapter.remove()


# ---- reading


@pytest.mark.parametrize("container", ["kohya", "diffusers"])
def test_read_back_and_continued(tmp_path, container):
    unet, text_encoder = make_unet(), make_text_encoder()
    adapter = trained(unet, text_encoder, **MIXED)
    path = export(adapter, tmp_path / "x.safetensors", unet, text_encoder, container=container, dtype="fp32",
                  metadata={"ss_v2": "False"})  # fmt: skip
    lora = read_lora(path)
    assert set(lora.modules) == {canonical(name) for name in adapter.layers}
    assert lora.metadata["ss_v2"] == "False"
    before = {name: layer.delta().clone() for name, layer in adapter.layers.items()}
    for name, delta in before.items():
        down, up, scale = lora.modules[canonical(name)]
        torch.testing.assert_close(
            scale * (up.flatten(1) @ down.flatten(1)).view(delta.shape), delta, rtol=1e-4, atol=1e-6
        )
    randomise(adapter, seed=77)
    assert load_into(adapter, path)["ss_v2"] == "False"
    for name, layer in adapter.layers.items():
        torch.testing.assert_close(layer.delta(), before[name], rtol=1e-4, atol=1e-6)
    adapter.remove()
    fresh = load_lora({"unet": unet, "text_encoder": text_encoder}, path)
    assert verify(path, fresh, unet, text_encoder) < 1e-5


def test_a_file_from_before_the_first_step_continues(tmp_path):
    unet = make_unet()
    adapter = inject({"unet": unet}, "attn", rank=1, alpha=1.0)
    path = export(adapter, tmp_path / "x.safetensors", unet)
    load_into(adapter, path)
    assert not any(layer.up.weight.any() for layer in adapter.layers.values())


def test_another_rank_another_model_and_another_choice_of_layers_are_said(tmp_path):
    unet, text_encoder = make_unet(), make_text_encoder()
    path = export(trained(unet, targets="attn", rank=8), tmp_path / "x.safetensors", unet)
    adapter = inject({"unet": unet}, "attn", rank=4)
    with pytest.raises(UserError, match=saying("adapters.saved_rank_differs", name="to_q.down", there="8", here="4")):
        load_into(adapter, path)
    with pytest.raises(UserError, match=saying("adapters.saved_lacks")):
        load_into(inject({"unet": unet}, "attn-mlp", rank=8), path)
    with pytest.raises(UserError, match=saying("adapters.saved_has_more")):
        load_into(inject({"unet": unet}, "cross-attn", rank=8), path)
    small = make_unet(**ONE_BLOCK)
    with pytest.raises(UserError, match=saying("lorafiles.other_base_layer")):
        load_lora({"unet": small, "text_encoder": text_encoder}, path)
    hooks = sum(len(m._forward_hooks) for m in small.modules())
    assert hooks == 0


PROJ_IN = "lora_unet_mid_block_attentions_0_proj_in"
UP, DOWN, ALPHA = f"{PROJ_IN}.lora_up.weight", f"{PROJ_IN}.lora_down.weight", f"{PROJ_IN}.alpha"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({UP: None}, saying("lorafiles.fault_half_missing", name="unet.mid_block.attentions.0.proj_in")),
        ({UP: torch.zeros(32, 9, 1, 1)}, saying("lorafiles.fault_shapes")),
        ({UP: torch.full((32, 4, 1, 1), math.nan)}, saying("lorafiles.fault_not_finite")),
        ({ALPHA: torch.tensor(math.inf)}, saying("lorafiles.fault_not_finite")),
        ({ALPHA: torch.zeros(3)}, saying("lorafiles.fault_no_numbers")),
        ({DOWN: torch.zeros(4, 32, 1, 1, dtype=torch.int32)}, saying("lorafiles.fault_no_numbers")),
        (
            {"model.diffusion_model.weight": torch.zeros(2)},
            saying("lorafiles.foreign_layers", key_in_file="model.diffusion_model.weight"),
        ),
        ({f"{PROJ_IN}.dora_scale": torch.zeros(2)}, saying("lorafiles.fault_shapes")),
    ],
)
def test_files_that_lie_inside(tmp_path, changes, words):
    unet = make_unet(**ONE_BLOCK)
    path = export(trained(unet), tmp_path / "x.safetensors", unet)
    tensors = safetensors.torch.load_file(path)
    tensors = {k: v.clone() for k, v in tensors.items()} | changes
    safetensors.torch.save_file({k: v for k, v in tensors.items() if v is not None}, path)
    with pytest.raises(UserError, match=words) as caught:
        read_lora(path)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "what", ["truncated", "zero bytes", "huge header", "pickle", "text", "empty", "folder", "missing"]
)
def test_files_that_are_none(tmp_path, what):
    unet = make_unet(**ONE_BLOCK)
    path = export(trained(unet), tmp_path / "x.safetensors", unet)
    raw = path.read_bytes()
    match what:
        case "truncated":
            path.write_bytes(raw[: len(raw) // 2])
        case "zero bytes":
            path.write_bytes(b"")
        case "huge header":
            path.write_bytes(struct.pack("<Q", 2**62) + raw[8:])
        case "pickle":
            torch.save({"a": torch.zeros(2)}, path)
        case "text":
            path.write_text("not a LoRA " * 10)
        case "empty":
            safetensors.torch.save_file({}, path)
        case "folder":
            path.unlink()
            path.mkdir()
        case "missing":
            path.unlink()
    with pytest.raises(UserError) as caught:
        read_lora(path)
    assert len(caught.value.problems) == 1 and "x.safetensors" in str(caught.value)


# ---- refusals


def test_a_diverged_lora_is_not_written(tmp_path):
    unet = make_unet()
    adapter = trained(unet)
    with torch.no_grad():
        adapter.layers["unet.mid_block.attentions.0.proj_in"].up.weight[0] = math.nan
    with pytest.raises(UserError, match=saying("saving.not_finite", layers="unet.mid_block.attentions.0.proj_in")):
        export(adapter, tmp_path / "x.safetensors", unet)
    with torch.no_grad():
        adapter.layers["unet.mid_block.attentions.0.proj_in"].up.weight.fill_(1e12)
    with pytest.raises(UserError, match=saying("saving.overflow")):
        export(adapter, tmp_path / "x.safetensors", unet)
    assert list(tmp_path.iterdir()) == []


def test_numbers_too_small_for_fp16_are_said_and_fit_fp32(tmp_path):
    unet = make_unet()
    adapter = trained(unet, std=1e-16)
    with pytest.raises(UserError, match=saying("saving.underflow", dtype="fp16")):
        export(adapter, tmp_path / "x.safetensors", unet)
    path = export(adapter, tmp_path / "x.safetensors", unet, dtype="fp32")
    verify(path, adapter, unet)


def test_one_silent_layer_does_not_stop_the_export(tmp_path):
    unet = make_unet()
    adapter = trained(unet)
    with torch.no_grad():
        adapter.layers["unet.mid_block.attentions.0.proj_in"].up.weight.mul_(1e-18)
        adapter.layers["unet.mid_block.attentions.0.proj_out"].up.weight.zero_()
    path = export(adapter, tmp_path / "x.safetensors", unet)
    assert verify(path, adapter, unet) < 0.005


def test_unbalanced_factors_survive_fp16(tmp_path):
    unet = make_unet()
    adapter = trained(unet)
    with torch.no_grad():
        for layer in adapter.layers.values():
            layer.up.weight.mul_(1e-7)
            layer.down.weight.mul_(1e7)
    path = export(adapter, tmp_path / "x.safetensors", unet)
    assert verify(path, adapter, unet) < 0.005


def test_layers_without_a_name_and_half_a_text_encoder(tmp_path):
    unet, text_encoder = make_unet(), make_text_encoder()
    adapter = inject({"unet": unet, "text_encoder": text_encoder}, ["unet.conv_in", "*.q_proj", "*.v_proj"], rank=2)
    with pytest.raises(UserError) as caught:
        export(adapter, tmp_path / "x.safetensors", unet, text_encoder)
    assert "no name for unet.conv_in" in str(caught.value) and "only a part of text_encoder" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"container": "zip"}, saying("saving.use_kohya_or_diffusers")),
        ({"dtype": "int8"}, saying("settings.must_be_one_of", choices="fp16, bf16, fp32")),
        ({"family": "sd7"}, saying("models.family_unknown", family="'sd7'")),
    ],
)
def test_unknown_choices(tmp_path, options, words):
    unet = make_unet()
    with pytest.raises(UserError, match=words):
        export(trained(unet, targets="attn"), tmp_path / "x.safetensors", unet, **options)


def test_a_full_disk_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch):
    unet = make_unet()
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"the old one")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=saying("files.disk_full")):
        export(trained(unet, targets="attn"), path, unet)
    assert path.read_bytes() == b"the old one" and list(tmp_path.iterdir()) == [path]


def test_a_place_that_can_not_be_written(tmp_path):
    unet = make_unet()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        export(trained(unet, targets="attn"), tmp_path / "file" / "x.safetensors", unet)
    assert "file" in str(caught.value) and "Traceback" not in str(caught.value)
    with pytest.raises(UserError, match=saying("files.name_too_long")):
        export(trained(unet, targets="attn"), tmp_path / ("x" * 300), unet)

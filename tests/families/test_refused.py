"""Files that are no base model, or a damaged one: what they are is told from their header."""

import json
import struct

import pytest
import torch
from base_models import write_single_file
from safetensors.torch import save_file
from said import Said, saying

from sdlora.errors import UserError
from sdlora.families.base import inspect_base
from sdlora.families.shared.header import read_header
from sdlora.families.shared.load import load_unet


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"], saying("modelfiles.is_lora")),
        (["unet.down_blocks.0.attentions.0.proj_in.lora_A.weight"], saying("modelfiles.is_lora")),
        (["lycoris_x.hada_w1_a"], saying("modelfiles.is_lora")),
        (
            ["first_stage_model.encoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight"],
            saying("modelfiles.is_vae"),
        ),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], saying("modelfiles.is_vae")),
        (["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"], saying("modelfiles.is_sd3")),
        (["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"], saying("modelfiles.is_flux")),
        (["double_blocks.0.img_attn.qkv.weight"], saying("modelfiles.is_flux")),
        (["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"], saying("modelfiles.is_ip_adapter")),
        (["control_model.input_blocks.0.0.weight"], saying("modelfiles.is_controlnet")),
        (["controlnet_cond_embedding.conv_in.weight"], saying("modelfiles.is_controlnet")),
        (["down_blocks.0.motion_modules.0.norm.weight"], saying("modelfiles.is_motion_module")),
        (["down_blocks.0.resnets.0.conv1.weight"], saying("modelfiles.is_unet")),
        (["emb_params"], saying("modelfiles.is_textual_inversion")),
        (["text_model.final_layer_norm.weight"], saying("modelfiles.is_text_encoder")),
        (["something.else"], saying("modelfiles.is_no_checkpoint")),
    ],
)
def test_other_kinds_of_file_are_told(tmp_path, names, words):
    save_file({name: torch.zeros(2, 2) for name in names}, tmp_path / "file.safetensors")
    with pytest.raises(
        UserError,
        match=saying("common.fault", name="file.safetensors", fault=saying("modelfiles.fault_is", what=words)),
    ) as told:
        inspect_base(str(tmp_path / "file.safetensors"))
    assert all(p.fix and p.where == "base" for p in told.value.problems)


@pytest.mark.parametrize(
    ("family", "change", "words"),
    [
        ("sd1", {"leave_out": ["cond_stage_model."]}, saying("modelfiles.fault_lacks_encoder", encoder="text encoder")),
        ("sdxl", {"leave_out": ["conditioner.embedders.1."]},
         saying("modelfiles.fault_lacks_encoder", encoder="text encoder 2")),
        ("sdxl", {"leave_out": ["conditioner."]}, saying("modelfiles.is_sdxl_unet")),
        ("sdxl", {"extra": {"conditioner.embedders.0.model.ln_final.bias": torch.zeros(1)}},
         saying("modelfiles.is_sdxl_refiner")),
        ("sdxl", {"extra": {"edm_mean": torch.zeros(4)}}, saying("modelfiles.fault_edm")),
        ("sd2", {"extra": {"model.diffusion_model.label_emb.0.0.weight": torch.zeros(2, 2)}},
         saying("modelfiles.is_unclip")),
        ("sd2", {"extra": {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 5, 3, 3)}},
         saying("modelfiles.fault_input_channels", channels="5")),
        ("sd1", {"dtype": torch.float8_e4m3fn}, saying("modelfiles.fault_quantised")),
        ("sd1", {"leave_out": ["model.diffusion_model.input_blocks.4.0."]}, saying("modelfiles.fault_weights_differ")),
        ("sd1", {"extra": {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight":
                           torch.zeros(100, 32)}}, saying("modelfiles.fault_vocabulary", count="100")),
    ],
)  # fmt: skip
def test_checkpoints_that_do_not_fit_are_told(bases, tmp_path, family, change, words):
    path = write_single_file(bases(family), family, tmp_path / "file.safetensors", **change)
    with pytest.raises(UserError, match=saying("common.fault", name="file.safetensors", fault=Said(f".*{words}"))):
        inspect_base(str(path))


def test_a_missing_tensor_is_named_when_loading(bases, tmp_path):
    gone = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight"
    info = inspect_base(str(write_single_file(bases("sd1"), "sd1", tmp_path / "a.safetensors", leave_out=[gone])))
    with pytest.raises(
        UserError,
        match=saying(
            "models.part_unloadable",
            part="unet",
            files="a.safetensors",
            fault_of_weights=saying("models.weight_missing"),
        ),
    ):
        load_unet(info)
    extra = {gone: torch.zeros(3, 3)}
    info = inspect_base(str(write_single_file(bases("sd1"), "sd1", tmp_path / "b.safetensors", extra=extra)))
    with pytest.raises(UserError, match=saying("models.weight_misshapen", weight="to_q.weight")):
        load_unet(info)


def header_file(path, header: dict | bytes, size: int = 100, length: int | None = None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + b"\0" * size)
    return path


def tensor(start, end, shape=(25,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("header", "size", "length"),
    [
        ({"a": tensor(0, 100)}, 60, None),  # truncated
        ({"a": tensor(0, 100)}, 160, None),  # more data than the header names
        ({"a": tensor(0, 200)}, 100, None),  # beyond the end
        ({"a": tensor(0, 100, shape=(99,))}, 100, None),  # a lying shape
        ({"a": tensor(0, 100), "b": tensor(50, 100)}, 100, None),  # overlapping
        ({"a": tensor(100, 0)}, 100, None),
        ({"a": tensor(-100, 0)}, 100, None),
        ({"a": {"dtype": "F32"}}, 100, None),
        ({"a": 3}, 100, None),
        ([1, 2], 100, None),
        (b"not json", 100, None),
        (b"{", 100, None),
        ({"a": tensor(0, 100)}, 100, 2**63),
        ({"a": tensor(0, 100)}, 100, 10**6),
    ],
)
def test_lying_headers_are_told(tmp_path, header, size, length):
    with pytest.raises(UserError, match=saying("files.damaged", file="bad.safetensors")):
        inspect_base(str(header_file(tmp_path / "bad.safetensors", header, size, length)))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.safetensors", b"", saying("files.empty", file="a.safetensors")),
        ("a.safetensors", b"\x01\x02", saying("modelfiles.damage_too_short")),
        ("a.safetensors", b"GGUF\x03\0\0\0" + b"\0" * 50, saying("modelfiles.bytes_gguf")),
        ("a.gguf", b"GGUF\x03\0\0\0" + b"\0" * 50, saying("modelfiles.bytes_gguf")),
        ("a.safetensors", b"PK\x03\x04" + b"\0" * 50, saying("modelfiles.bytes_pickle")),
        ("a.safetensors", b"\x80\x02}q\0X\x05\0\0\0" + b"\0" * 50, saying("modelfiles.bytes_pickle")),
        (
            "a.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            saying("modelfiles.bytes_git_lfs_pointer") + ".*" + saying("modelfiles.fetch_with_git_lfs"),
        ),
        (
            "a.safetensors",
            b"\xef\xbb\xbf\n<!DOCTYPE html><html>",
            saying("modelfiles.bytes_web_page") + ".*" + saying("modelfiles.download_in_browser"),
        ),
        ("a.safetensors", b'{"error": "Unauthorized"}', saying("modelfiles.bytes_json")),
        ("a.safetensors", b"\x80\x02\0\0\0\0\0\0" + b"\0" * 50, saying("files.damaged")),  # a header of 640 bytes, torn
        ("a.safetensors", b"Entry not found" * 9, saying("modelfiles.bytes_text")),
        ("a.safetensors", b"\x7fELF" * 9, saying("modelfiles.damage_not_safetensors")),
        ("a.CKPT", b"x", saying("modelfiles.pickled")),
        ("a.safetensors", None, saying("files.not_readable", file="a.safetensors")),
    ],
)
def test_files_of_other_formats_are_told(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        inspect_base(str(tmp_path / name))


def test_a_header_is_read_anew_when_the_file_changes(tmp_path):
    path = tmp_path / "a.safetensors"
    for name in ("one", "another"):
        save_file({name: torch.zeros(3)}, path)
        assert list(read_header(path).tensors) == [name]

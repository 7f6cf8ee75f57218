"""Files as the toolbox makes them: A1111 shows them, what holds of the source stays, bits are kept."""

import json
import math
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from said import saying, says
from test_inspect import published
from toolbox_files import make_lora, make_single

from sdlora.errors import UserError
from sdlora.lorafiles.attach import read_lora
from sdlora.lorafiles.stream import TensorFile
from sdlora.toolbox.convert import convert_lora
from sdlora.toolbox.extract import extract_lora
from sdlora.toolbox.inspect import inspect_lora
from sdlora.toolbox.merge import merge_loras
from sdlora.toolbox.quantize import quantize
from sdlora.toolbox.rename import rename_lora
from sdlora.toolbox.resize import resize_lora

TO_K = ("attn2.to_k",)
WRITERS = {
    "rename": lambda a, out: rename_lora(a, out, name="cat"),
    "convert": lambda a, out: convert_lora(a, out),
    "diffusers": lambda a, out: convert_lora(a, out, container="diffusers"),
    "resize": lambda a, out: resize_lora(a, out, rank=2),
    "merge": lambda a, out: merge_loras([(a, 0.5)], out),
    "quantize": lambda a, out: quantize(a, out),
}


def a1111s_version(metadata: dict[str, str]) -> str:
    """NetworkOnDisk.detect_version of A1111 1.10, line by line."""
    if str(metadata.get("ss_base_model_version", "")).startswith("sdxl_"):
        return "sdxl"
    if str(metadata.get("ss_v2", "")) == "True":
        return "sd2"
    return "sd1" if len(metadata) else "unknown"


@pytest.mark.parametrize("source", [{}, {"format": "pt"}, {"ss_base_model_version": "sd_v1", "ss_v2": "False"}])
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("writer", WRITERS)
def test_whoever_writes_metadata_writes_what_a1111_sorts_by(tmp_path, writer, family, source):
    # the small sd2 is known from sd1 by its metadata alone, or by linear projections
    words = ("proj_in", "attn1.to_q", "transformer_blocks.1") if family != "sd1" else ("proj_in",)
    if family == "sd2" and "ss_base_model_version" in source:
        source = {"ss_base_model_version": "sd_v2"}  # a lie about the shapes can't be told apart here
    a = make_lora(tmp_path / "a.safetensors", family, words=words, metadata=source or None)
    WRITERS[writer](a, tmp_path / "o.safetensors")
    assert a1111s_version(TensorFile(tmp_path / "o.safetensors").metadata) == family


def test_a_more_precise_version_stays_and_a_false_one_is_refused(tmp_path):
    metadata = {"ss_base_model_version": "sd_v2_v", "ss_v2": "True"}
    a = make_lora(tmp_path / "a.safetensors", "sd2", words=("proj_in",), metadata=metadata)
    rename_lora(a, tmp_path / "o.safetensors", name="x")
    assert TensorFile(tmp_path / "o.safetensors").metadata["ss_base_model_version"] == "sd_v2_v"
    with pytest.raises(
        UserError, match=saying("toolbox.family_hidden", family="sd2", what="ss_base_model_version=sdxl_x")
    ):
        rename_lora(a, tmp_path / "o.safetensors", values={"ss_base_model_version": "sdxl_x"})
    with pytest.raises(UserError, match=saying("toolbox.key_needed", key="ss_v2")):
        rename_lora(a, tmp_path / "o.safetensors", remove=["ss_v2"])


BROKEN = {
    "ss_training_started_at": "abc",
    "ss_tag_frequency": "[1]",
    "ss_dataset_dirs": '{"a": 3}',
    "ss_bucket_info": '{"buckets": [1]}',
}


@pytest.mark.parametrize("key", BROKEN)
def test_what_breaks_a1111s_card_is_named_and_not_passed_on(tmp_path, key):
    good = {"ss_base_model_version": "sd_v1", "ss_v2": "False"}
    path = published(tmp_path, "a.safetensors", TO_K, metadata=good | {key: BROKEN[key]})
    report = inspect_lora(path)
    assert [text for text in report.misread if text.startswith(key)] and not report.is_sound
    resize_lora(path, tmp_path / "r.safetensors", rank=2)
    assert key not in TensorFile(tmp_path / "r.safetensors").metadata
    assert key in str(rename_lora(path, tmp_path / "n.safetensors", name="x"))
    assert key not in TensorFile(tmp_path / "n.safetensors").metadata


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, ""),
        ({"ss_base_model_version": "sd_v1", "ss_v2": "False"}, ""),
        ({"ss_base_model_version": "sdxl_base_v1-0"}, "takes it for SDXL and hides it beside SD 1 models"),
        ({"ss_v2": "True"}, "takes it for SD 2 .* ss_v2 is True"),
        ({"ss_tag_frequency": '{"a": {"b": 1}}', "ss_training_started_at": "12.5"}, ""),
    ],
)
def test_inspect_judges_metadata_as_its_readers_do_and_its_status_says_so(tmp_path, metadata, words):

    from test_toolbox_cli import run

    path = published(tmp_path, "a.safetensors", TO_K, metadata=metadata)
    report = inspect_lora(path)
    assert bool(words) == bool(report.misread) and re.search(words, " ".join(report.misread))
    assert all(text == "loads all" for text in report.tools.values())
    assert run("inspect", path) == (1 if words else 0)


def test_an_sdxl_file_with_other_metadata_is_told_to_be_hidden(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", "sdxl", words=("transformer_blocks.1",), metadata={"format": "pt"})
    assert "takes it for SD 1 and hides it beside SDXL models" in inspect_lora(a).misread[0]
    assert "are missing" in inspect_lora(a).misread[0]


def test_the_status_is_1_for_what_a_program_drops_or_draws_otherwise(tmp_path):
    from test_toolbox_cli import run

    peft = published(tmp_path, "a.safetensors", TO_K)
    convert_lora(peft, tmp_path / "d.safetensors", container="diffusers")
    assert run("inspect", peft) == 0 and run("inspect", tmp_path / "d.safetensors") == 1
    two = published(tmp_path, "t.safetensors", TO_K, change=lambda t: t | {
        next(k for k in t if k.endswith("alpha")): torch.tensor(1.0)})  # fmt: skip
    assert run("inspect", two) == 1  # diffusers takes one alpha for all


# ---- what stays of the source


def test_the_ranks_of_convolutions_stay_in_the_metadata(tmp_path):
    source = {"ss_network_args": json.dumps({"conv_dim": "8", "conv_alpha": "1", "algo": "locon", "dropout": "0.1"})}
    a = make_lora(tmp_path / "a.safetensors", rank=8, words=("conv1", "attn1.to_q"), metadata=source)
    for write, rank in (
        (lambda out: resize_lora(a, out, rank=6, conv_rank=4), (6, 4)),
        (lambda out: convert_lora(a, out), (8, 8)),
        (lambda out: merge_loras([(a, 0.5)], out), (8, 8)),
        (lambda out: merge_loras([(a, 0.5), (a, 0.5)], out), (16, 16)),
    ):
        write(tmp_path / "o.safetensors")
        metadata = TensorFile(tmp_path / "o.safetensors").metadata
        told = json.loads(metadata["ss_network_args"])
        tensors = load_file(tmp_path / "o.safetensors")
        alpha = next(float(t) for k, t in tensors.items() if k.endswith("conv1.alpha"))
        assert (metadata["ss_network_dim"], told["conv_dim"]) == tuple(map(str, rank))
        assert math.isclose(float(told["conv_alpha"]), alpha, rel_tol=1e-5) and "algo" not in told
        assert told.get("dropout") == (None if rank[0] == 16 else "0.1")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("alpha", [2.0, 3.0, 0.1])
def test_a_container_keeps_every_bit(tmp_path, dtype, alpha):
    a = make_lora(tmp_path / "a.safetensors", rank=7, alpha=alpha, dtype=dtype, words=("attentions", "layers"))
    result = convert_lora(a, tmp_path / "o.safetensors")
    before, after = load_file(a), load_file(tmp_path / "o.safetensors")
    assert result.error == 0 and before.keys() == after.keys()
    assert all(after[key].equal(before[key]) for key in before)
    negated = merge_loras([(a, -1.0)], tmp_path / "n.safetensors")
    after = load_file(tmp_path / "n.safetensors")
    assert negated.error == 0
    for key in before:
        assert after[key].equal(-before[key] if key.endswith("lora_up.weight") else before[key]), key


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_factors_far_apart_are_balanced_by_a_power_of_two(tmp_path, dtype):
    a = make_lora(tmp_path / "a.safetensors", strength=2.0**-9, dtype=dtype, words=("attn1",))
    result = convert_lora(a, tmp_path / "o.safetensors")
    before, after = load_file(a), load_file(tmp_path / "o.safetensors")
    assert result.error == 0
    for key in (k for k in before if k.endswith("lora_down.weight")):
        up = key.replace("lora_down", "lora_up")
        ratio = float(after[key].flatten()[0].double() / before[key].flatten()[0].double())
        assert math.frexp(ratio)[0] == 0.5  # a power of two
        assert (after[key].double() / ratio).equal(before[key].double())
        assert (after[up].double() * ratio).equal(before[up].double())
        # fp16 ends at 2^-24: where moving a number there would cost a digit, all stays
        if dtype == torch.bfloat16:
            assert 0.2 < float(after[up].double().norm() / after[key].double().norm()) < 5


# ---- rename, extract, advice


def test_rename_counts_layers_in_every_layout(tmp_path):
    down, up = torch.randn(4, 32), torch.randn(32, 4)
    stem = "mid_block.attentions.0.transformer_blocks.0.attn1"
    layouts = {
        "processor": {f"{stem}.processor.to_q_lora.down.weight": down, f"{stem}.processor.to_q_lora.up.weight": up},
        "diffusers": {f"unet.{stem}.to_q.lora.down.weight": down, f"unet.{stem}.to_q.lora.up.weight": up},
    }  # fmt: skip
    kohya = f"lora_unet_{stem.replace('.', '_')}_to_q"
    layouts["kohya without alpha"] = {f"{kohya}.lora_down.weight": down, f"{kohya}.lora_up.weight": up}
    layouts["full"] = {f"{kohya}.diff": torch.randn(32, 32)}
    for name, tensors in layouts.items():
        save_file(tensors, tmp_path / "x.safetensors")
        assert rename_lora(tmp_path / "x.safetensors", tmp_path / "o.safetensors", name="a").layers == 1, name


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, saying("lorafiles.no_lora_empty")),
        ({"decoder.conv_in.weight": torch.zeros(2)}, saying("lorafiles.not_a_lora", contents="a VAE")),
        ({"x": torch.zeros(2)}, saying("lorafiles.no_lora_of_sd", key_in_file="x")),
        ("nan", saying("lorafiles.fault_not_finite")),
        ("inf", saying("lorafiles.fault_not_finite")),
    ],
)
def test_rename_refuses_files_without_layers_or_with_broken_numbers(tmp_path, tensors, words):
    if isinstance(tensors, str):
        good = load_file(make_lora(tmp_path / "good.safetensors", words=("attn1.to_q",)))
        key = next(key for key in good if key.endswith("up.weight"))
        tensors = good | {key: torch.full_like(good[key], float(tensors))}
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=words):
        rename_lora(tmp_path / "x.safetensors", tmp_path / "o.safetensors", name="a")
    assert not (tmp_path / "o.safetensors").exists()


@pytest.mark.parametrize(("tuned", "base"), [("float32", "float16"), ("bfloat16", "float16"), ("float16", "bfloat16"),
                                             ("float32", "bfloat16"), ("float16", "float32"),
                                             ("bfloat16", "float32")])  # fmt: skip
def test_extract_takes_rounding_for_no_change(tmp_path, tuned, base):
    from toolbox_files import layer_shapes

    names = [n for n in layer_shapes("sd1") if "mid_block" in n and "attn1" in n]
    draw = torch.Generator().manual_seed(1)
    change = {name: torch.randn(layer_shapes("sd1")[name], generator=draw) * 0.5 for name in names}
    new = make_single(tmp_path / "new.safetensors", "sd1", getattr(torch, tuned), change)
    old = make_single(tmp_path / "old.safetensors", "sd1", getattr(torch, base))
    result = extract_lora(new, old, tmp_path / "e.safetensors", rank=4)
    assert set(read_lora(tmp_path / "e.safetensors").changes) == set(names)
    assert says(result, "toolbox.rounding_alone")
    same = make_single(tmp_path / "same.safetensors", "sd1", getattr(torch, tuned))
    with pytest.raises(UserError, match=saying("toolbox.no_difference")):
        extract_lora(same, old, tmp_path / "f.safetensors", rank=4)


def test_the_smallest_change_within_one_format_is_a_change(tmp_path):
    old = make_single(tmp_path / "old.safetensors", "sd1", torch.float16)
    tensors = load_file(old)
    key = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight"
    tensors[key] = torch.nextafter(tensors[key].float(), torch.tensor(9.0)).half()
    tensors[key].view(torch.int16)[0, 0] += 1
    save_file(tensors, tmp_path / "new.safetensors")
    assert extract_lora(tmp_path / "new.safetensors", old, tmp_path / "e.safetensors", rank=1).layers == 1


def test_the_advice_for_a_dora_leads_somewhere(tmp_path):
    """Every command that refuses names one that works, with all it needs; that one then works."""
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    base = make_single(tmp_path / "base.safetensors", "sd1", torch.float32)
    width = load_file(base)["model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight"].shape[0]
    tensors = {f"{stem}.lora_down.weight": torch.randn(4, width), f"{stem}.lora_up.weight": torch.randn(width, 4),
               f"{stem}.dora_scale": torch.rand(1, width) + 0.5}  # fmt: skip
    save_file(tensors, tmp_path / "dora.safetensors")
    dora, out = tmp_path / "dora.safetensors", tmp_path / "o.safetensors"
    for refuse in (
        lambda: merge_loras([(dora, 1.0)], out),
        lambda: merge_loras([(dora, 1.0)], out, rank=4),
        lambda: merge_loras([(dora, 1.0)], out, rank=4, method="ties"),
        lambda: convert_lora(dora, out),
        lambda: quantize(dora, out),
        lambda: resize_lora(dora, out, rank=4),
    ):
        with pytest.raises(
            UserError, match=saying("toolbox.resize_with_base") + "|" + saying("lorafiles.resize_or_merge")
        ) as caught:
            refuse()
        assert not says(caught.value, "toolbox.give_rank")
    resize_lora(dora, out, rank=8, base=base)
    convert_lora(out, tmp_path / "p.safetensors")


def test_the_table_names_keys_as_the_file_has_them(tmp_path):
    stem = "mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora"
    save_file({f"{stem}.down.weight": torch.randn(4, 1280), f"{stem}.up.weight": torch.randn(1280, 4)},
              tmp_path / "x.safetensors")  # fmt: skip
    report = inspect_lora(tmp_path / "x.safetensors")
    assert f"{stem}.down.weight" in report.tools["A1111"]
    assert report.tools["ComfyUI"] == report.tools["Forge"] == "loads all"
    assert not [text for text in report.warnings if "Forge" in text or "do not load" in text]

"""merge, resize, convert, rename: LoRA files in, LoRA files out, against dense float64."""

import hashlib
import json
import math

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from said import saying
from toolbox_files import deltas, make_lora, relative, small_configs

from sdlora.errors import UserError
from sdlora.lorafiles.attach import read_lora
from sdlora.lorafiles.metadata import add_hashes
from sdlora.lorafiles.readers.tools import check_tools
from sdlora.toolbox.blocks import LISTS, NAMES, block_of, parse_blocks
from sdlora.toolbox.convert import convert_lora
from sdlora.toolbox.merge import merge_loras
from sdlora.toolbox.rename import rename_lora
from sdlora.toolbox.resize import resize_lora


def metadata_of(path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def weighted_sum(parts):
    keys = dict.fromkeys(key for found, _ in parts for key in found)
    return {key: sum(found[key] * weight for found, weight in parts if key in found) for key in keys}


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_merge_without_a_rank_is_the_exact_sum(tmp_path, family):
    a = make_lora(tmp_path / "a.safetensors", family, rank=4, seed=1)
    b = make_lora(
        tmp_path / "b.safetensors", family, rank=3, alpha=1.5, seed=2, words=("attn1", "proj_in", "resnets.0.conv1")
    )
    result = merge_loras([(a, 0.7), (b, -0.3)], tmp_path / "m.safetensors", dtype="fp32")
    truth = weighted_sum([(deltas(a), 0.7), (deltas(b), -0.3)])
    assert relative(deltas(tmp_path / "m.safetensors"), truth) < 1e-6
    assert result.error < 1e-6 and result.layers == len(truth)
    assert not check_tools(tmp_path / "m.safetensors", family, small_configs(family))
    assert "modelspec.merged_from" in metadata_of(tmp_path / "m.safetensors")


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32"])
@pytest.mark.parametrize("rank", [2, 5, 100])
def test_a_merge_to_a_rank_is_the_best_there_is_and_its_error_is_measured(tmp_path, rank, dtype):
    words = ("blocks.1.attentions.0", "layers")
    a, b = (make_lora(tmp_path / f"{n}.safetensors", seed=n, words=words) for n in (1, 2))
    out = tmp_path / "m.safetensors"
    result = merge_loras([(a, 1.0), (b, 0.5)], out, rank=rank, dtype=dtype)
    truth = weighted_sum([(deltas(a), 1.0), (deltas(b), 0.5)])
    squares = [torch.linalg.svdvals(delta) ** 2 for delta in truth.values()]
    best = math.sqrt(sum(float(s[rank:].sum()) for s in squares) / sum(float(s.sum()) for s in squares))
    error = relative(deltas(out), truth)
    assert math.isclose(result.error, error, rel_tol=1e-2, abs_tol=1e-6)
    assert error < best + {"fp16": 2e-3, "bf16": 1e-2, "fp32": 1e-6}[dtype]


def test_ties_and_dare_need_a_rank_and_approximate_the_dense_merge(tmp_path):
    a, b = (make_lora(tmp_path / f"{n}.safetensors", seed=n, words=("attn1.to_q",)) for n in (1, 2))
    pairs, out = [(a, 1.0), (b, 1.0)], tmp_path / "m.safetensors"
    with pytest.raises(
        UserError, match=saying("toolbox.method_needs_rank", method="ties") + ".*" + saying("toolbox.give_rank")
    ):
        merge_loras(pairs, out, method="ties")
    full = merge_loras(pairs, out, method="ties", rank=1000, density=0.3, dtype="fp32")
    from peft.utils.merge_utils import ties

    da, db = deltas(a), deltas(b)
    truth = {key: ties([da[key], db[key]], torch.ones(2, dtype=torch.float64), 0.3) for key in da}
    assert relative(deltas(out), truth) < 1e-5 and full.error < 1e-5
    assert merge_loras(pairs, out, method="ties", rank=4, density=0.3).error > 0.1
    # density 1 keeps everything: DARE is then the sum itself
    merge_loras(pairs, out, method="dare", rank=1000, density=1.0, dtype="fp32")
    assert relative(deltas(out), weighted_sum([(da, 1.0), (db, 1.0)])) < 1e-5
    merge_loras(pairs, out, method="dare", rank=1000, density=0.5, seed=3, dtype="fp32")
    first = out.read_bytes()
    merge_loras(pairs, out, method="dare", rank=1000, density=0.5, seed=3, dtype="fp32")
    assert out.read_bytes() == first


def test_block_weights_reach_their_blocks_and_patterns_their_layers(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", words=("attentions", "layers"))
    out = tmp_path / "m.safetensors"
    merge_loras([(a, 2.0)], out, blocks=["BASE=0 MID=0.5 IN04=-1 *attn2.to_k=0.25"], dtype="fp32")
    before, after = deltas(a), deltas(out)
    for key, delta in before.items():
        weight = 2.0
        weight = 1.0 if "mid_block" in key else weight
        weight = -2.0 if "down_blocks_1_attentions_0" in key else weight
        weight = 0.5 if key.endswith("attn2_to_k") else weight
        if key.startswith("lora_te_"):
            assert key not in after
        else:
            torch.testing.assert_close(after[key], weight * delta, rtol=1e-5, atol=1e-6)


def test_blocks_are_numbered_as_the_original_code_numbers_them():
    numbers = {
        "down_blocks.0.attentions.0.proj_in": "IN01", "down_blocks.0.attentions.1.proj_in": "IN02",
        "down_blocks.0.downsamplers.0.conv": "IN03", "down_blocks.2.attentions.1.proj_in": "IN08",
        "down_blocks.3.resnets.1.conv1": "IN11", "mid_block.resnets.1.conv1": "MID", "conv_in": "IN00",
        "up_blocks.0.resnets.0.conv1": "OUT00", "up_blocks.0.upsamplers.0.conv": "OUT02",
        "up_blocks.1.attentions.2.proj_in": "OUT05", "up_blocks.3.attentions.2.proj_out": "OUT11", "conv_out": "",
    }  # fmt: skip
    for path, block in numbers.items():
        assert block_of(f"unet.{path}", "sd1") == block
    assert block_of("text_encoder_2.text_model.encoder.layers.0.mlp.fc1", "sdxl") == "BASE"
    assert block_of("unet.up_blocks.1.attentions.2.proj_in", "sdxl") == "OUT05"
    assert {len(names) for names in LISTS.values()} == {12, 17, 20, 26} and len(set(NAMES)) == 26
    assert [p for p in parse_blocks("1,0.5," + "0," * 15) if p[1]] == [("BASE", 1.0), ("IN01", 0.5)]
    assert parse_blocks("in04=0.5  out11=1") == [("IN04", 0.5), ("OUT11", 1.0)]


@pytest.mark.parametrize("text", ["1,2,3", "IN99=1", "MID", "MID=x", "MID=nan", "*x*", "=1"])
def test_block_weights_that_make_no_sense_are_said(text):
    with pytest.raises(UserError, match=saying("toolbox.blocks_count") + "|" + saying("toolbox.blocks_unclear")):
        parse_blocks(text)


def test_merging_what_does_not_go_together_is_said_with_the_names(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", "sd1", words=("attn1",), metadata={"ss_base_model_version": "sd_v1"})
    b = make_lora(tmp_path / "b.safetensors", "sdxl", words=("attn1",))
    out = tmp_path / "m.safetensors"
    with pytest.raises(
        UserError,
        match=saying(
            "toolbox.families_differ", first="a.safetensors", family="sd1", second="b.safetensors", other="sdxl"
        ),
    ):
        merge_loras([(a, 1.0), (b, 1.0)], out)
    other = load_file(a)
    key = next(k for k in other if k.endswith("down.weight"))
    save_file(other | {key: torch.randn(4, 999)}, tmp_path / "c.safetensors")
    with pytest.raises(UserError, match=saying("toolbox.bases_differ", first="a.safetensors", second="c.safetensors")):
        merge_loras([(a, 1.0), (tmp_path / "c.safetensors", 1.0)], out)
    (tmp_path / "d.safetensors").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        merge_loras([(a, math.nan), (tmp_path / "d.safetensors", 1.0), (tmp_path / "e.safetensors", 1.0)], out)
    assert len(caught.value.problems) == 3
    for wrong in ({"rank": 0}, {"method": "x"}, {"density": 0}):
        with pytest.raises(UserError):
            merge_loras([(a, 1.0)], out, **wrong)
    with pytest.raises(UserError, match=saying("toolbox.out_is_input")):
        merge_loras([(a, 1.0)], a)
    with pytest.raises(UserError, match=saying("toolbox.out_wrong_suffix", suffix=".safetensors")):
        merge_loras([(a, 1.0)], tmp_path / "m.ckpt")
    with pytest.raises(UserError, match=saying("toolbox.nothing_left")):
        merge_loras([(a, 0.0)], out)
    assert not out.exists()


# ---- resize


@pytest.mark.parametrize("choice", [{"rank": 4}, {"energy": 0.9}, {"ratio": 3.0}, {"energy": 0.99, "rank": 5}])
def test_resizing_keeps_what_it_promises(tmp_path, choice):
    a = make_lora(tmp_path / "a.safetensors", rank=8, decay=0.6, words=("blocks.1.attentions",))
    out = tmp_path / "r.safetensors"
    result = resize_lora(a, out, dtype="fp32", **choice)
    before, after = deltas(a), deltas(out)
    assert math.isclose(result.error, relative(after, before), rel_tol=1e-3)
    for key, delta in before.items():
        s = torch.linalg.svdvals(delta)
        rank = int(torch.linalg.matrix_rank(after[key], rtol=1e-5))
        kept = float((s[:rank] ** 2).sum() / (s**2).sum())
        if "rank" in choice:
            assert rank <= choice["rank"]
        elif "energy" in choice:
            assert kept >= choice["energy"] - 1e-6
            assert float((s[: rank - 1] ** 2).sum() / (s**2).sum()) < choice["energy"]
        else:
            assert rank == int((s[:8] > s[0] / choice["ratio"]).sum())


def test_convolutions_may_have_another_rank(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", rank=8, words=("resnets", "attn1"))
    resize_lora(a, tmp_path / "r.safetensors", rank=6, conv_rank=3)
    for name, (down, _, _) in read_lora(tmp_path / "r.safetensors").modules.items():
        assert down.shape[0] == (3 if down.ndim == 4 and down.shape[-1] == 3 else 6), name


def test_rank_one_is_written_as_two_for_stable_diffusion_cpp(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", rank=4, words=("attn1",))
    resize_lora(a, tmp_path / "r.safetensors", rank=1)
    assert {f[0].shape[0] for f in read_lora(tmp_path / "r.safetensors").modules.values()} == {2}


@pytest.mark.parametrize(
    "wrong", [{}, {"rank": 0}, {"energy": 1.5}, {"energy": 0}, {"ratio": 0.5}, {"ratio": math.nan}]
)
def test_sizes_that_make_no_sense_are_said(tmp_path, wrong):
    a = make_lora(tmp_path / "a.safetensors", words=("attn1",))
    with pytest.raises(UserError):
        resize_lora(a, tmp_path / "r.safetensors", **wrong)


# ---- convert


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_there_and_back_again(tmp_path, family):
    source = {"ss_training_comment": "hello", "sshs_model_hash": "stale", "ss_output_name": "cat"}
    a = make_lora(tmp_path / "a.safetensors", family, alpha=3.0, metadata=source)
    convert_lora(a, tmp_path / "d.safetensors", container="diffusers", dtype="fp32")
    keys = list(load_file(tmp_path / "d.safetensors"))
    assert all(k.startswith(("unet.", "text_encoder")) and ".lora_" in k for k in keys)
    result = convert_lora(tmp_path / "d.safetensors", tmp_path / "k.safetensors", dtype="fp32")
    assert relative(deltas(tmp_path / "k.safetensors"), deltas(a)) < 1e-6 and result.error < 1e-6
    assert set(load_file(tmp_path / "k.safetensors")) == set(load_file(a))
    assert not check_tools(tmp_path / "k.safetensors", family, small_configs(family))
    metadata = metadata_of(tmp_path / "k.safetensors")
    assert metadata["ss_training_comment"] == "hello" and metadata["ss_output_name"] == "cat"
    hashed = add_hashes(load_file(tmp_path / "k.safetensors"), metadata)
    assert metadata["sshs_model_hash"] == hashed["sshs_model_hash"] != "stale"


@pytest.mark.parametrize(("dtype", "bound"), [("fp16", 6e-4), ("bf16", 6e-3), ("fp32", 1e-6)])
def test_the_rounding_of_a_cast_is_measured(tmp_path, dtype, bound):
    a = make_lora(tmp_path / "a.safetensors")
    result = convert_lora(a, tmp_path / "c.safetensors", dtype=dtype)
    error = relative(deltas(tmp_path / "c.safetensors"), deltas(a))
    assert math.isclose(result.error, error, rel_tol=0.05, abs_tol=1e-6) and error < bound


def test_the_inputs_dtype_is_kept_by_default(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", dtype=torch.bfloat16, words=("attn1",))
    convert_lora(a, tmp_path / "c.safetensors")
    down = next(t for k, t in load_file(tmp_path / "c.safetensors").items() if k.endswith("lora_down.weight"))
    assert down.dtype == torch.bfloat16


def test_what_is_no_plain_lora_is_resized_and_not_converted(tmp_path):
    stem = "lora_unet_mid_block_attentions_0_proj_in"
    save_file({f"{stem}.diff": torch.randn(32, 24, 1, 1)}, tmp_path / "full.safetensors")
    with pytest.raises(UserError, match=saying("lorafiles.kind_full") + ".*" + saying("toolbox.resize")):
        convert_lora(tmp_path / "full.safetensors", tmp_path / "c.safetensors")
    with pytest.raises(UserError, match=saying("lorafiles.kind_full") + ".*" + saying("toolbox.give_rank")):
        merge_loras([(tmp_path / "full.safetensors", 1.0)], tmp_path / "c.safetensors")
    resize_lora(tmp_path / "full.safetensors", tmp_path / "r.safetensors", rank=24, dtype="fp32")
    truth = load_file(tmp_path / "full.safetensors")[f"{stem}.diff"].double().flatten(1)
    torch.testing.assert_close(deltas(tmp_path / "r.safetensors")[stem], truth, rtol=1e-4, atol=1e-5)


def test_numbers_beyond_fp16_are_refused(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", words=("mid_block.attentions.0.proj_in",), strength=1e10)
    with pytest.raises(UserError, match=saying("toolbox.layer_too_large")):
        convert_lora(a, tmp_path / "c.safetensors", dtype="fp16")
    assert not (tmp_path / "c.safetensors").exists()


# ---- rename


def test_renaming_changes_the_metadata_and_no_byte_of_the_tensors(tmp_path):
    source = {"ss_output_name": "old", "modelspec.trigger_phrase": "zib", "ss_tag_frequency": "{}", "private": "x"}
    a = make_lora(tmp_path / "a.safetensors", metadata=source, words=("attn1",))
    out = tmp_path / "b.safetensors"
    rename_lora(a, out, name="cat", trigger="mew", values={"modelspec.author": "me"}, remove=["private"])
    metadata = metadata_of(out)
    assert metadata["ss_output_name"] == metadata["modelspec.title"] == "cat"
    assert (
        metadata["modelspec.trigger_phrase"] == "mew" and metadata["modelspec.usage_hint"] == "Put mew into the prompt."
    )
    assert set(metadata) == {
        "ss_output_name", "modelspec.title", "modelspec.trigger_phrase", "modelspec.usage_hint", "modelspec.author",
        "ss_tag_frequency", "sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256", "ss_base_model_version",
        "ss_v2",
    }  # fmt: skip
    raw = [p.read_bytes() for p in (a, out)]
    data = [r[8 + int.from_bytes(r[:8], "little") :] for r in raw]
    assert data[0] == data[1] and metadata["sshs_model_hash"] == hashlib.sha256(data[1]).hexdigest()
    assert metadata["sshs_legacy_hash"] == add_hashes(load_file(out), metadata)["sshs_legacy_hash"]
    rename_lora(out, tmp_path / "c.safetensors", trigger="", description="a cat")
    assert "modelspec.trigger_phrase" not in metadata_of(tmp_path / "c.safetensors")


def test_the_legacy_hash_of_a_file_of_megabytes_is_kohyas(tmp_path):
    down, up = torch.randn(4, 100_000), torch.randn(4, 4)
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up, f"{stem}.alpha": torch.tensor(1.0)}
    save_file(tensors, tmp_path / "a.safetensors", {"ss_a": "1", "other": "2"})
    rename_lora(tmp_path / "a.safetensors", tmp_path / "b.safetensors", name="new")
    metadata = metadata_of(tmp_path / "b.safetensors")
    # kohya's recipe: the file as it would be with the ss_ entries alone
    plain = safetensors.torch.save(tensors, {k: v for k, v in metadata.items() if k.startswith("ss_")})
    assert metadata["sshs_legacy_hash"] == hashlib.sha256(plain[0x100000:0x110000]).hexdigest()[:8]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"values": {"sshs_model_hash": "x"}}, saying("toolbox.key_computed")),
        ({"remove": ["none"]}, saying("toolbox.key_missing", key="'none'")),
        (
            {"description": "x" * 1_000_001},
            saying("toolbox.metadata_too_large")
            + ".*"
            + saying("toolbox.shorten_or_remove", key="modelspec.description"),
        ),
    ],
)
def test_metadata_that_can_not_be_is_said(tmp_path, wrong, words):
    a = make_lora(tmp_path / "a.safetensors", words=("attn1",))
    with pytest.raises(UserError, match=words):
        rename_lora(a, tmp_path / "b.safetensors", **wrong)
    assert not (tmp_path / "b.safetensors").exists()


def test_no_private_path_gets_into_a_merged_file(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", words=("attn1",))
    merge_loras([(a, 1.0)], tmp_path / "m.safetensors")
    assert str(tmp_path) not in json.dumps(metadata_of(tmp_path / "m.safetensors"))

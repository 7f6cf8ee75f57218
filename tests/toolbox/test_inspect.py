"""What `inspect` says of good files and of files broken on purpose."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from said import saying
from toolbox_files import deltas, make_lora

from sdlora.errors import UserError
from sdlora.lorafiles.keys import kohya_name
from sdlora.lorafiles.topology import topology
from sdlora.messages import say
from sdlora.toolbox.convert import convert_lora
from sdlora.toolbox.inspect import inspect_lora, report_text
from sdlora.toolbox.rename import rename_lora

BLOCK = ("mid_block.attentions.0", "down_blocks.0.attentions.0")


def broken(tmp_path, change, words=BLOCK, **options):
    """A LoRA whose tensors went through ``change``."""
    path = make_lora(tmp_path / "good.safetensors", words=words, **options)
    save_file({k: v.contiguous() for k, v in change(load_file(path)).items()}, tmp_path / "broken.safetensors")
    return tmp_path / "broken.safetensors"


def test_a_good_file_is_told_in_numbers(tmp_path):
    metadata = {"ss_base_model_version": "sd_v1", "ss_output_name": "cat\x1b[31m", "modelspec.trigger_phrase": "mew"}
    path = make_lora(tmp_path / "a.safetensors", rank=4, alpha=2.0, decay=0.5, metadata=metadata)
    rename_lora(path, tmp_path / "b.safetensors")
    report = inspect_lora(tmp_path / "b.safetensors")
    assert report.family == "sd1" and report.kinds.keys() == {"LoRA"} and not report.problems
    unet = report.roots["unet"]
    truth = [delta for stem, delta in deltas(path).items() if stem.startswith("lora_unet_")]
    assert unet["layers"] == len(truth) and unet["ranks"] == {"4": len(truth)} and unet["alphas"] == {"2": len(truth)}
    assert math.isclose(unet["norm"], math.sqrt(sum(float(d.norm()) ** 2 for d in truth)), rel_tol=1e-6)
    assert 1 < unet["effective_rank"] < 4 and unet["rank_90"] <= unet["rank_99"] <= 4
    assert report.hashes["sshs_model_hash"] == report.hashes["autov3"]
    assert report.hashes["sha256"].startswith(report.hashes["autov2"]) and len(report.hashes["autov2"]) == 10
    assert say("inspection.hash_stale") not in report.warnings
    assert len(report.tools) >= 6 and all(text.startswith("loads ") for text in report.tools.values())
    assert json.loads(report.as_json())["metadata"]["modelspec.trigger_phrase"] == "mew"
    assert "mew" in report_text(report) and "\x1b" not in report_text(report)


def test_the_tools_are_asked_about_the_base_that_is_given(tmp_path, base_folder):
    unet = load_file(base_folder / "unet/diffusion_pytorch_model.safetensors")
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    rows, columns = unet[f"{name}.weight"].shape
    stem = f"lora_unet_{name.replace('.', '_')}"
    tensors = {f"{stem}.lora_down.weight": torch.randn(2, columns), f"{stem}.lora_up.weight": torch.randn(rows, 2)}
    save_file(tensors | {f"{stem}.alpha": torch.tensor(1.0)}, tmp_path / "a.safetensors")
    assert "loads all" in inspect_lora(tmp_path / "a.safetensors", base=base_folder).tools["kohya"]
    assert "loads all" not in inspect_lora(tmp_path / "a.safetensors").tools["kohya"]  # SD 1.5 is wider


def test_a_wrong_prefix_is_caught(tmp_path):
    def drop_text_model(tensors):
        return {k.replace("lora_te_text_model_", "lora_te_"): v for k, v in tensors.items()}

    report = inspect_lora(broken(tmp_path, drop_text_model, words=("layers.0", *BLOCK)))
    assert "lacks text_model_" in report.problems[0]


def test_swapped_factors_are_caught(tmp_path):
    def swap(tensors):
        down, up = ".lora_down.weight", ".lora_up.weight"
        return {k.replace(down, "!").replace(up, down).replace("!", up): v for k, v in tensors.items()}

    report = inspect_lora(broken(tmp_path, swap))
    assert any("don't fit" in text for text in report.problems)  # where the sides differ
    # where all are square, the widths of the base tell
    words = ("mid_block.attentions.0.transformer_blocks.0.attn1",)
    square = inspect_lora(published(tmp_path, "square.safetensors", words, change=swap))
    assert any("are swapped" in text for text in square.warnings)


def published(tmp_path, name, words, rank=4, change=lambda tensors: tensors, metadata=None):
    """A LoRA of some layers of the published SD 1 model, whose tensors went through ``change``."""
    draw, tensors = torch.Generator().manual_seed(0), {}
    for layer, shape in topology("sd1").shapes.items():
        if any(word in layer for word in words):
            stem = kohya_name(layer, "sd1")
            ones = (1, 1) if len(shape) == 4 else ()
            tensors[f"{stem}.lora_down.weight"] = torch.randn(rank, *shape[1:], generator=draw) * 0.1
            tensors[f"{stem}.lora_up.weight"] = torch.randn(shape[0], rank, *ones, generator=draw) * 0.1
            tensors[f"{stem}.alpha"] = torch.tensor(float(rank))
    save_file({k: v.contiguous() for k, v in change(tensors).items()}, tmp_path / name, metadata)
    return tmp_path / name


def test_a_rank_above_the_width_is_no_swap(tmp_path):
    path = published(tmp_path, "a.safetensors", ("down_blocks.0.attentions.0.transformer_blocks.0.attn1",), rank=384)
    assert not [text for text in inspect_lora(path).warnings if "swapped" in text]


def test_a_doubled_scale_is_caught_by_comparison(tmp_path):
    def bake(tensors):
        return {k: v * 0.5 if "lora_up" in k else v for k, v in tensors.items()}  # alpha / rank is in up, and stays

    path = broken(tmp_path, bake)
    report = inspect_lora(path, against=tmp_path / "good.safetensors")
    assert math.isclose(report.against["strength"], 0.5, rel_tol=1e-5)
    assert any("0.5 times the strength of good.safetensors" in text for text in report.warnings)
    same = inspect_lora(tmp_path / "good.safetensors", against=tmp_path / "good.safetensors")
    assert same.against["difference"] == 0 and not [w for w in same.warnings if "strength of" in w]


def test_a_missing_alpha_is_caught(tmp_path):
    report = inspect_lora(broken(tmp_path, lambda t: {k: v for k, v in t.items() if not k.endswith(".alpha")}))
    assert any("have no alpha" in text for text in report.warnings)


def test_mixed_spelling_is_caught(tmp_path):
    def half_original(tensors):
        return {
            k.replace("lora_unet_mid_block_attentions_0", "lora_unet_middle_block_1"): v for k, v in tensors.items()
        }

    report = inspect_lora(broken(tmp_path, half_original))
    assert any("mixes spellings" in text for text in report.warnings)


def test_the_same_layer_in_two_spellings_is_a_problem(tmp_path):
    def twice(tensors):
        more = {k.replace("mid_block_attentions_0", "middle_block_1"): v.clone() for k, v in tensors.items()}
        return tensors | more

    assert any("same layer twice" in text for text in inspect_lora(broken(tmp_path, twice)).problems)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda k, v: v * 3 if k.endswith(".alpha") and "mid" in k else v, "values of alpha"),
        (lambda k, v: v * 0 if k.endswith(".alpha") else v, "alpha 0"),
        (lambda k, v: v * 1e6 if "lora_up" in k else v, "outside fp16"),
        (lambda k, v: v[:1] if "lora_down" in k else v[:, :1] if "lora_up" in k else v, "rank 1"),
    ],
)
def test_what_tools_get_wrong_is_warned_of(tmp_path, change, words):
    report = inspect_lora(broken(tmp_path, lambda t: {k: change(k, v) for k, v in t.items()}))
    assert any(words in text for text in report.warnings), report.warnings


@pytest.mark.parametrize(("axis", "words"), [(0, "one magnitude per output"), (1, "ignore the magnitudes")])
def test_dora_is_told_with_its_axis(tmp_path, axis, words):
    def decompose(tensors):
        key = next(k for k in tensors if k.endswith(".lora_down.weight"))
        stem = key.removesuffix(".lora_down.weight")
        side = tensors[f"{stem}.lora_up.weight"].shape[0] if axis == 0 else tensors[key].shape[1]
        shape = [1] * tensors[key].ndim
        shape[axis] = side
        return tensors | {f"{stem}.dora_scale": torch.ones(shape)}

    report = inspect_lora(broken(tmp_path, decompose))
    assert any("DoRA" in kind for kind in report.kinds) and any(words in text for text in report.warnings)


def test_a_stale_hash_and_a_wrong_alpha_in_the_metadata_are_caught(tmp_path):
    stale = {"sshs_model_hash": "0" * 64, "ss_network_alpha": "16"}
    report = inspect_lora(make_lora(tmp_path / "a.safetensors", words=BLOCK, metadata=stale))
    assert say("inspection.hash_stale") in report.warnings and any("metadata says 16" in t for t in report.warnings)


def test_diffusers_keys_are_told_to_be_diffusers_own(tmp_path):
    path = make_lora(tmp_path / "a.safetensors", words=BLOCK)
    convert_lora(path, tmp_path / "d.safetensors", container="diffusers")
    report = inspect_lora(tmp_path / "d.safetensors", against=path)
    assert any("`sdlora convert`" in text for text in report.warnings)
    assert math.isclose(report.against["strength"], 1, rel_tol=1e-5) and report.against["difference"] < 1e-6


def test_missing_and_extra_layers_are_listed(tmp_path):
    a = make_lora(tmp_path / "a.safetensors", words=BLOCK[:1])
    b = make_lora(tmp_path / "b.safetensors", words=BLOCK)
    assert any("are missing" in text for text in inspect_lora(a, against=b).warnings)
    assert any("are not in" in text for text in inspect_lora(b, against=a).warnings)


def test_what_is_no_safetensors_is_an_error(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(UserError, match=saying("lorafiles.damaged")):
        inspect_lora(tmp_path / "x.safetensors")

"""merge --into, extract, quantize: whole models, against the plain formula, diffusers' converter and live modules."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from said import saying
from toolbox_files import CONFIGS, deltas, make_folder, make_lora, make_single, relative, unet_of

from sdlora.errors import UserError
from sdlora.lorafiles.attach import load_lora, read_lora
from sdlora.lorafiles.keys import kohya_name
from sdlora.toolbox.bake import merge_into_base
from sdlora.toolbox.base import BaseWeights
from sdlora.toolbox.extract import extract_lora
from sdlora.toolbox.quantize import quantize

FAMILIES = ["sd1", "sd2", "sdxl"]


def kohya(deltas_by_stem, family, names):
    return {name: deltas_by_stem[kohya_name(name, family)] for name in names}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_file_is_read_as_diffusers_reads_it(tmp_path, family):
    """Our names of the original layout against diffusers' converter of such checkpoints."""
    path = make_single(tmp_path / "base.safetensors", family, torch.float32)
    tensors = load_file(path)
    own = {k: v for k, v in tensors.items() if "resnets" not in k and "attentions" not in k}
    checkpoint = BaseWeights(path)
    assert checkpoint.family == family
    unet = unet_of(family)
    theirs = convert_ldm_unet_checkpoint(dict(own), dict(unet.config) | {"num_class_embeds": None})
    compared = 0
    for name in checkpoint.places:
        key = f"{name.removeprefix('unet.')}.weight"
        if name.startswith("unet.") and key in theirs:
            assert checkpoint.weight(name).equal(theirs[key]) and theirs[key].equal(unet.state_dict()[key]), name
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_merge_into_a_single_file_is_the_formula(tmp_path, family, dtype):
    words = ("attn1.to_q", "proj_in", "resnets.0.conv1", "layers", "samplers")
    a, b = (make_lora(tmp_path / f"{n}.safetensors", family, seed=n, words=words) for n in (1, 2))
    base = make_single(tmp_path / "base.safetensors", family, dtype)
    result = merge_into_base(base, [(a, 0.7), (b, -0.3)], tmp_path / "m.safetensors")
    da, db = deltas(a), deltas(b)
    change = {
        name: 0.7 * da[stem] - 0.3 * db[stem]
        for name in BaseWeights(base).places
        if (stem := kohya_name(name, family)) in da
    }
    assert len(change) == len(da) == result.layers
    before, after = load_file(base), load_file(tmp_path / "m.safetensors")
    assert before.keys() == after.keys() and all(after[k].dtype == before[k].dtype for k in before)
    old, new = BaseWeights(base), BaseWeights(tmp_path / "m.safetensors")
    lost = whole = 0.0
    for name, delta in change.items():
        truth = old.weight(name).double().flatten(1) + delta
        error = (new.weight(name).double().flatten(1) - truth).abs()
        assert bool((error <= truth.abs() * torch.finfo(dtype).eps + 1e-7).all()), name
        lost, whole = lost + float(error.norm()) ** 2, whole + float(delta.norm()) ** 2
    assert math.isclose(result.error, math.sqrt(lost / whole), rel_tol=0.05, abs_tol=1e-6)
    changed = {place.key for name in change for place in old.places[name]}
    assert all(after[k].equal(before[k]) for k in before if k not in changed)
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert json.loads(file.metadata()["sdlora_merged"]) == {"1.safetensors": 0.7, "2.safetensors": -0.3}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_merge_into_a_folder_is_what_the_adapter_does_at_runtime(tmp_path, family):
    lora = make_lora(tmp_path / "a.safetensors", family, words=("attentions",))
    base = make_folder(tmp_path / "base", family, torch.float16)
    result = merge_into_base(base, [(lora, 0.5)], tmp_path / "merged")
    assert result.error < 5e-3 and not list(tmp_path.glob(".*"))
    merged = load_file(tmp_path / "merged/unet/diffusion_pytorch_model.safetensors")
    from small_models import make_unet

    live = make_unet(**CONFIGS[family]).half()
    adapter = load_lora({"unet": live}, lora)
    adapter.scale = 0.5
    adapter.merge()
    for key, value in live.state_dict().items():
        torch.testing.assert_close(merged[key], value, rtol=2**-10, atol=1e-6)
    for file in ("model_index.json", "unet/config.json", "text_encoder/model.safetensors"):
        assert (tmp_path / "merged" / file).read_bytes() == (base / file).read_bytes()
    assert not list((tmp_path / "merged").rglob("*.bin"))  # a copy without the LoRA would be taken for the model


@pytest.mark.parametrize("axis", [0, 1])
def test_dora_goes_into_the_base_exactly(tmp_path, axis):
    base = make_single(tmp_path / "base.safetensors", "sd1", torch.float32)
    checkpoint, name = BaseWeights(base), "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2"
    weight = checkpoint.weight(name).double()
    draw = torch.Generator().manual_seed(0)
    down, up = torch.randn(4, weight.shape[1], generator=draw), torch.randn(weight.shape[0], 4, generator=draw)
    magnitude = torch.rand((1, weight.shape[1]) if axis == 0 else (weight.shape[0], 1), generator=draw) + 0.5
    stem = kohya_name(name, "sd1")
    tensors = {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up, f"{stem}.dora_scale": magnitude}
    save_file(tensors | {f"{stem}.alpha": torch.tensor(2.0)}, tmp_path / "dora.safetensors")
    merge_into_base(base, [(tmp_path / "dora.safetensors", 0.8)], tmp_path / "m.safetensors")
    new = weight + up.double() @ down.double() / 2
    new = magnitude.double() * new / new.norm(dim=axis, keepdim=True)
    truth = weight + 0.8 * (new - weight)
    torch.testing.assert_close(
        BaseWeights(tmp_path / "m.safetensors").weight(name).double(), truth, rtol=1e-5, atol=1e-6
    )


def test_sharded_folders_and_several_precisions_are_all_merged(tmp_path):
    base = make_folder(tmp_path / "base")
    whole = load_file(base / "unet/diffusion_pytorch_model.safetensors")
    keys = sorted(whole)
    (base / "unet/diffusion_pytorch_model.safetensors").unlink()
    for n, part in enumerate((keys[:100], keys[100:]), 1):
        save_file({k: whole[k] for k in part}, base / f"unet/diffusion_pytorch_model-0000{n}-of-00002.safetensors")
    save_file({k: v.half() for k, v in whole.items()}, base / "unet/diffusion_pytorch_model.fp16.safetensors")
    (base / "unet/diffusion_pytorch_model.safetensors.index.json").write_text("{}")
    lora = make_lora(tmp_path / "a.safetensors", words=("attentions",))
    merge_into_base(base, [(lora, 1.0)], tmp_path / "merged")
    parts = {}
    for file in (tmp_path / "merged/unet").glob("*-of-*.safetensors"):
        parts |= load_file(file)
    half = load_file(tmp_path / "merged/unet/diffusion_pytorch_model.fp16.safetensors")
    assert (tmp_path / "merged/unet/diffusion_pytorch_model.safetensors.index.json").exists()
    for stem, delta in deltas(lora).items():
        key = next(k for k in parts if k.endswith(".weight") and "lora_unet_" + k[:-7].replace(".", "_") == stem)
        torch.testing.assert_close(parts[key].double().flatten(1), whole[key].double().flatten(1) + delta)
        torch.testing.assert_close(half[key], parts[key].half(), rtol=2**-10, atol=1e-4)


def test_what_does_not_fit_a_base_is_said_and_nothing_is_written(tmp_path):
    base = make_single(tmp_path / "base.safetensors", "sd1")
    folder = make_folder(tmp_path / "folder", "sd1")
    lora = make_lora(tmp_path / "a.safetensors", "sd1")
    xl = make_lora(tmp_path / "xl.safetensors", "sdxl")
    before = set(tmp_path.rglob("*"))
    out = tmp_path / "m.safetensors"
    with pytest.raises(
        UserError,
        match=saying(
            "toolbox.base_of_other_family", file="xl.safetensors", family="sdxl", base="base.safetensors", other="sd1"
        ),
    ):
        merge_into_base(base, [(xl, 1.0)], out)
    wide = {k: v for k, v in load_file(lora).items() if "mid_block_attentions_0_proj_in" in k}
    down = next(k for k in wide if k.endswith("down.weight"))
    save_file(wide | {down: torch.randn(4, 99, 1, 1)}, tmp_path / "wide.safetensors")
    with pytest.raises(UserError, match=saying("toolbox.base_shape_differs", file="wide.safetensors")):
        merge_into_base(base, [(tmp_path / "wide.safetensors", 1.0)], out)
    foreign = {
        k.replace("down_blocks_0", "down_blocks_3"): v for k, v in load_file(lora).items() if "down_blocks_0_att" in k
    }
    save_file(foreign, tmp_path / "foreign.safetensors")
    with pytest.raises(
        UserError, match=saying("toolbox.base_lacks_layer", base="base.safetensors", file="foreign.safetensors")
    ):
        merge_into_base(base, [(tmp_path / "foreign.safetensors", 1.0)], out)
    for wrong, words in (
        (tmp_path / "none", saying("models.base_missing")),
        (lora, saying("toolbox.no_unet")),
        (tmp_path, saying("toolbox.no_weights")),
    ):
        with pytest.raises(UserError, match=words):
            merge_into_base(wrong, [(lora, 1.0)], out)
    (tmp_path / "x.ckpt").write_bytes(b"x")
    with pytest.raises(UserError, match=saying("modelfiles.pickled")):
        merge_into_base(tmp_path / "x.ckpt", [(lora, 1.0)], out)
    folder2 = make_folder(tmp_path / "folder2", "sd1")
    before |= {folder2, *folder2.rglob("*")}
    with pytest.raises(UserError, match=saying("toolbox.out_exists")):
        merge_into_base(folder, [(lora, 1.0)], folder2)
    with pytest.raises(UserError, match=saying("toolbox.out_is_input")):
        merge_into_base(folder, [(lora, 1.0)], folder / "inside")
    with pytest.raises(UserError, match=saying("toolbox.out_is_input")):
        merge_into_base(base, [(lora, 1.0)], base)
    made = {tmp_path / n for n in ("wide.safetensors", "foreign.safetensors", "x.ckpt")}
    assert set(tmp_path.rglob("*")) == before | made


def test_weights_that_would_overflow_are_refused(tmp_path):
    base = make_single(tmp_path / "base.safetensors", "sd1", torch.float16)
    lora = make_lora(tmp_path / "a.safetensors", "sd1", words=("mid_block.attentions.0.proj_in",), strength=1e6)
    with pytest.raises(UserError, match=saying("toolbox.merged_overflow", dtype="torch.float16")):
        merge_into_base(base, [(lora, 1.0)], tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


# ---- extract


def found(path) -> dict[str, torch.Tensor]:
    """The layers that change: a text encoder is there with all of its layers or none."""
    return {stem: delta for stem, delta in deltas(path).items() if delta.any()}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["single", "folder"])
def test_extracting_finds_the_lora_that_was_merged(tmp_path, family, kind):
    lora = make_lora(
        tmp_path / "a.safetensors", family, rank=4, words=("blocks.1.attentions", "mid_block.attentions", "layers")
    )
    if kind == "single":
        base = make_single(tmp_path / "base.safetensors", family, torch.float32)
        tuned = tmp_path / "tuned.safetensors"
    else:
        base, tuned = make_folder(tmp_path / "base", family), tmp_path / "tuned"
    merge_into_base(base, [(lora, 1.0)], tuned)
    result = extract_lora(tuned, base, tmp_path / "e.safetensors", rank=4, dtype="fp32")
    assert result.error < 1e-5
    assert relative(found(tmp_path / "e.safetensors"), deltas(lora)) < 1e-5
    less = extract_lora(tuned, base, tmp_path / "e2.safetensors", rank=2)
    assert math.isclose(less.error, relative(found(tmp_path / "e2.safetensors"), deltas(lora)), rel_tol=1e-2)
    share = extract_lora(tuned, base, tmp_path / "e3.safetensors", energy=0.8, dtype="fp32")
    assert 0.2 < share.error <= math.sqrt(0.2) + 1e-6


def test_extract_mixes_layouts_and_leaves_an_equal_text_encoder_out(tmp_path):
    lora = make_lora(tmp_path / "a.safetensors", words=("attentions", "resnets"))
    single = make_single(tmp_path / "base.safetensors", "sd1", torch.float32)
    folder = make_folder(tmp_path / "base", "sd1")
    merge_into_base(folder, [(lora, 1.0)], tmp_path / "tuned")
    extract_lora(tmp_path / "tuned", single, tmp_path / "e.safetensors", rank=4, dtype="fp32", convolutions=True)
    assert relative(deltas(tmp_path / "e.safetensors"), deltas(lora)) < 1e-5
    extract_lora(tmp_path / "tuned", single, tmp_path / "e.safetensors", rank=4)
    assert not any("resnets" in name for name in read_lora(tmp_path / "e.safetensors").changes)
    with pytest.raises(UserError, match=saying("toolbox.no_difference")):
        extract_lora(folder, single, tmp_path / "e.safetensors", rank=4)
    with pytest.raises(UserError, match=saying("toolbox.families_of_models", family="sdxl", other="sd1")):
        extract_lora(make_folder(tmp_path / "xl", "sdxl"), folder, tmp_path / "e.safetensors", rank=4)
    with pytest.raises(UserError, match=saying("toolbox.no_size")):
        extract_lora(tmp_path / "tuned", single, tmp_path / "e.safetensors")


# ---- quantize


@pytest.mark.parametrize("scaled", [True, False])
def test_a_quantized_checkpoint_holds_what_comfyui_multiplies_out(tmp_path, scaled):
    base = make_single(tmp_path / "base.safetensors", "sdxl", torch.float16)
    result = quantize(base, tmp_path / "q.safetensors", scaled=scaled)
    before, after = load_file(base), load_file(tmp_path / "q.safetensors")
    lost = whole = 0.0
    for key, value in before.items():
        small = after[key]
        if small.dtype != torch.float8_e4m3fn:
            assert small.equal(value)
            continue
        assert key.startswith("model.diffusion_model.") and key.endswith(".weight")
        scale = float(after[key.removesuffix("weight") + "scale_weight"]) if scaled else 1.0
        back = small.double() * scale
        lost += float((back - value.double()).norm()) ** 2
        whole += float(value.double().norm()) ** 2
    assert math.isclose(result.error, math.sqrt(lost / whole), rel_tol=1e-3)
    assert 0 < result.error < (0.04 if scaled else 0.2)
    assert ("model.diffusion_model.scaled_fp8" in after) == scaled
    with pytest.raises(UserError, match=saying("toolbox.quantized_already")):
        quantize(tmp_path / "q.safetensors", tmp_path / "q2.safetensors")
    if scaled:
        lora = make_lora(tmp_path / "a.safetensors", "sdxl")
        with pytest.raises(UserError, match=saying("toolbox.quantized")):
            merge_into_base(tmp_path / "q.safetensors", [(lora, 1.0)], tmp_path / "m.safetensors")


def test_a_quantized_lora_is_still_the_lora(tmp_path):
    lora = make_lora(tmp_path / "a.safetensors", strength=1e-4)  # far below fp8's smallest number
    result = quantize(lora, tmp_path / "q.safetensors")
    error = relative(deltas(tmp_path / "q.safetensors"), deltas(lora))
    assert math.isclose(result.error, error, rel_tol=1e-3) and error < 0.06
    assert {
        t.dtype for k, t in load_file(tmp_path / "q.safetensors").items() if "lora_" in k.rpartition(".lora_")[1]
    } == {torch.float8_e4m3fn}


# ---- memory

MEASURE = """
import sys, threading, time
from pathlib import Path
from sdlora.toolbox.bake import merge_into_base
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(l.split()[1]) * 1024 for l in lines if l.startswith("RssAnon"))
import torch, sdlora.lorafiles.attach
start, peak, on = anonymous(), 0, True
def watch():
    global peak
    while on:
        peak = max(peak, anonymous()); time.sleep(0.002)
thread = threading.Thread(target=watch); thread.start()
merge_into_base(sys.argv[1], [(sys.argv[2], 1.0)], sys.argv[3])
on = False; thread.join()
print("PEAK", peak - start)
"""


@pytest.mark.slow
def test_merging_into_a_large_checkpoint_needs_little_memory(tmp_path, capsys):
    """A checkpoint of 2 GB; the peak of anonymous memory above the start is printed, and is far below the file."""
    base = make_single(tmp_path / "base.safetensors", "sd1", torch.float16)
    tensors = load_file(base)
    for n in range(8):  # 250 MB each; the largest tensors of SDXL have 26 MB
        tensors[f"model_ema.filler_{n}"] = torch.zeros(125_000_000, dtype=torch.float16)
    save_file(tensors, tmp_path / "large.safetensors")
    del tensors
    lora = make_lora(tmp_path / "a.safetensors")
    size = (tmp_path / "large.safetensors").stat().st_size
    command = [sys.executable, "-c", MEASURE, tmp_path / "large.safetensors", lora, tmp_path / "m.safetensors"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[2])
    peak = int(done.stdout.decode().split("PEAK ")[1])
    with capsys.disabled():
        print(f"\ncheckpoint {size / 1e9:.2f} GB, peak of anonymous memory {peak / 1e6:.0f} MB")
    assert peak < size / 10

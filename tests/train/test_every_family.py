"""Every family of base models goes through the whole loop, and the loop's numbers are the textbook's."""

import json

import numpy as np
import pytest
import torch
from base_models import make_base
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file

from sdlora.check import prepare
from sdlora.cli import main
from sdlora.errors import UserError
from sdlora.events import Finished, StepDone
from sdlora.families.base import inspect_base
from sdlora.train.loop import training
from sdlora.train.trainee import base_of, load_trainee

KINDS = {
    "sd2 v": {"family": "sd2", "prediction": "v_prediction"},
    "sdxl": {"family": "sdxl"},
    "sd1 inpainting": {"family": "sd1", "inpainting": True},
    "sdxl inpainting": {"family": "sdxl", "inpainting": True},
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    return {name: make_base(folder / name.replace(" ", "-"), **kind) for name, kind in KINDS.items()}


@pytest.fixture
def images(tmp_path):
    """Four images that every family can train on at 64 px."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        picture = Image.effect_noise((96, 64) if number == 3 else (64, 64), 60 + 10 * number).convert("RGB")
        picture.save(folder / f"p{number}.png")
        (folder / f"p{number}.txt").write_text(f"zib, tag {number}, red, round")
    return folder


@pytest.fixture
def make_run(make_run):
    """The shared one at 64 px, two steps of one image, no pictures unless asked for."""

    def make(**overrides):
        quick = {"data.resolution": 64, "train.steps": 2, "train.batch_size": 1, "sample.size": 64}
        return make_run(**{**quick, **overrides})

    return make


def drive(run, settings):
    events = []
    for event in training(settings, run):
        run.write(event)
        events.append(event)
    return events


def weights(run):
    return load_file(run.checkpoints()[-1][1] / "lora.safetensors")


@pytest.mark.parametrize(
    ("kind", "text_encoder"),
    [("sd2 v", True), ("sdxl", True), ("sdxl", False), ("sd1 inpainting", True), ("sdxl inpainting", False)],
)
def test_a_run_on_every_family_ends_with_a_file_that_diffusers_loads(make_run, bases, kind, text_encoder):
    changes = {"model.base": str(bases[kind]), "adapter.text_encoder": text_encoder, "sample.prompts": ["zib"]}
    run, settings = make_run(**changes)
    events = drive(run, settings)
    assert isinstance(events[-1], Finished) and events[-1].why == "done"
    assert all(np.isfinite(e.loss) for e in events if isinstance(e, StepDone))
    learnt = weights(run)
    roots = {name.split(".")[0] for name in learnt}
    encoders = {"text_encoder", "text_encoder_2"} if "sdxl" in kind else {"text_encoder"}
    assert roots == ({"unet"} | encoders if text_encoder else {"unet"})
    assert all(any(v.any() for n, v in learnt.items() if n.startswith(f"{r}.") and n.endswith(".up")) for r in roots)
    if "inpainting" not in kind:  # written and read back by the loop; here as a person would
        stock = StableDiffusionXLPipeline if "sdxl" in kind else StableDiffusionPipeline
        pipeline = stock.from_pretrained(bases[kind])
        pipeline.load_lora_weights(run.folder / "test.safetensors")
        assert pipeline.get_list_adapters()["unet"]
    sides = json.loads((run.folder / "test.json").read_text())
    assert sides["sd version"] == {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL"}[kind.split()[0]]


def test_a_stopped_and_resumed_run_is_bit_identical(make_run, bases):
    changes = {"model.base": str(bases["sd2 v"]), "data.flip": True, "train.steps": 3}
    whole, settings = make_run(**changes)
    drive(whole, settings)
    run, settings = make_run(**changes)
    for event in training(settings, run):
        run.write(event)
        if isinstance(event, StepDone) and event.step == 1:
            run.request("stop")
    drive(run, settings)
    first, second = weights(whole), weights(run)
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_cached_texts_train_as_live_ones(make_run, bases):
    """The text encoders frozen, once from the cache and once live (which tag dropout forces)."""
    changes = {"model.base": str(bases["sdxl"]), "adapter.text_encoder": False}
    cached, settings = make_run(**changes)
    drive(cached, settings)
    live, settings = make_run(**changes, **{"data.tag_dropout": 1e-12})
    drive(live, settings)
    first, second = weights(cached), weights(live)
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-6)


def test_sdxl_is_told_sizes_and_pooled_text(make_run, bases):
    """The trainee's prediction is the UNet's with what StableDiffusionXLPipeline would hand to it."""
    base = bases["sdxl"]
    _, settings = make_run(**{"model.base": str(base)})
    trainee = load_trainee(settings, base_of(settings), None, torch.device("cpu"), torch.float32)
    stock = StableDiffusionXLPipeline.from_pretrained(base)
    noisy, t = torch.randn(1, 4, 8, 8), torch.tensor([300])
    sizes = torch.tensor([[48.0, 24.0, 2.0, 0.0, 32.0, 32.0]])
    with torch.no_grad():
        ours = trainee.predict(noisy, t, trainee.text_input(["zib"]), sizes)
        hidden, _, pooled, _ = stock.encode_prompt("zib", device="cpu", do_classifier_free_guidance=False)
        ids = stock._get_add_time_ids((48, 24), (2, 0), (32, 32), torch.float32, pooled.shape[-1])
        more = {"text_embeds": pooled, "time_ids": ids}
        theirs = stock.unet(noisy, t, encoder_hidden_states=hidden, added_cond_kwargs=more).sample
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_sizes_reach_the_embedding_unrounded(make_run, bases):
    """bf16 has 8 bits: it makes 1336 of 1333. The pooled text is bf16, and so is what the UNet goes on with."""
    _, settings = make_run(**{"model.base": str(bases["sdxl"])})
    trainee = load_trainee(settings, base_of(settings), None, torch.device("cpu"), torch.bfloat16)
    told, embedded = [], []
    trainee.unet.register_forward_pre_hook(lambda _, args, kwargs: told.append(kwargs), with_kwargs=True)
    trainee.unet.add_time_proj.register_forward_pre_hook(lambda _, args: embedded.append(args[0]))
    sizes = [1333, 777, 0, 301, 1216, 832]
    noisy = torch.randn(1, 4, 8, 8).bfloat16()
    with torch.no_grad():
        answer = trainee.predict(noisy, torch.tensor([300]), trainee.text_input(["zib"]), torch.tensor([sizes]).float())
    conditions = told[0]["added_cond_kwargs"]
    assert conditions["time_ids"].tolist() == [sizes] and embedded[0].tolist() == sizes
    assert conditions["text_embeds"].dtype == answer.dtype == torch.bfloat16


def test_inpainting_models_see_a_full_mask_and_an_empty_picture(make_run, bases):
    base = inspect_base(str(bases["sd1 inpainting"]))
    _, settings = make_run(**{"model.base": str(base.source)})
    trainee = load_trainee(settings, base_of(settings), None, torch.device("cpu"), torch.float32)
    noisy, t, masked = torch.randn(1, 4, 16, 16), torch.tensor([300]), torch.randn(1, 5, 16, 16)
    with torch.no_grad():
        ours = trainee.predict(noisy, t, trainee.text_input(["zib"]), torch.zeros(1, 6), masked)
        hidden = trainee.reader.encode(list(trainee.text_encoders.values()), trainee.reader.tokens(["zib"])).hidden
        theirs = trainee.unet(torch.cat([noisy, masked], 1), t, hidden).sample  # diffusers' order
    torch.testing.assert_close(ours, theirs)


def test_going_on_from_a_lora_starts_with_what_it_does(make_run, bases):
    base = str(bases["sd2 v"])
    first, settings = make_run(**{"model.base": base})
    drive(first, settings)
    changes = {"adapter.start_from": str(first.folder / "test.safetensors"), "train.lr": 1e-9, "train.steps": 1}
    second, settings = make_run(**{"model.base": base, "adapter.rank": 8}, **changes)
    drive(second, settings)
    one, two = (load_file(run.folder / "test.safetensors") for run in (first, second))
    assert one.keys() == two.keys()
    for name in {key.rsplit(".lora_", 1)[0] for key in one if ".lora_" in key}:
        deltas = [f[f"{name}.lora_up.weight"].flatten(1) @ f[f"{name}.lora_down.weight"].flatten(1) for f in (one, two)]
        scales = [f[f"{name}.alpha"] / f[f"{name}.lora_down.weight"].shape[0] for f in (one, two)]
        torch.testing.assert_close(deltas[0] * scales[0], deltas[1] * scales[1], rtol=1e-3, atol=1e-6)


def test_text_layers_of_a_start_stay_where_the_text_encoder_is_not_trained(make_run, bases):
    base = str(bases["sd2 v"])
    first, settings = make_run(**{"model.base": base})
    drive(first, settings)
    changes = {"adapter.start_from": str(first.folder / "test.safetensors"), "adapter.text_encoder": False}
    for second, settings in (
        make_run(**{"model.base": base}, **changes),
        make_run(**{"model.base": base}, **changes | {"adapter.text_encoder": True, "train.text_encoder_lr": 0.0}),
    ):
        drive(second, settings)
        one, two = (load_file(run.folder / "test.safetensors") for run in (first, second))
        assert one.keys() == two.keys()
        same = {name: torch.allclose(one[name], two[name], rtol=1e-5, atol=1e-9) for name in one if "lora_up" in name}
        assert all(equal for name, equal in same.items() if name.startswith("lora_te"))
        # Where the UNet's middle is one pixel, softmax over one place gives its queries and keys no gradient.
        learn = [equal for name, equal in same.items() if name.startswith("lora_unet") and "attn1_to_" not in name]
        assert learn and not any(learn)


def test_a_run_with_frozen_text_layers_resumes_and_exports(make_run, bases, tmp_path):
    base = str(bases["sd2 v"])
    first, settings = make_run(**{"model.base": base, "run.name": "first"})
    drive(first, settings)
    changes = {"adapter.start_from": str(first.folder / "first.safetensors"), "adapter.text_encoder": False}
    whole, settings = make_run(**{"model.base": base}, **changes)
    drive(whole, settings)
    parts, settings = make_run(**{"model.base": base}, **changes)
    for event in training(settings, parts):
        parts.write(event)
        if isinstance(event, StepDone) and event.step == 1:
            parts.request("stop")
    drive(parts, settings)
    one, two = weights(whole), weights(parts)
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    out = tmp_path / "again.safetensors"
    assert main(["export", str(parts.folder), "--out", str(out)]) == 0
    assert any(key.startswith("lora_te") for key in load_file(out))


def test_a_stacked_lora_is_part_of_the_base(make_run, bases):
    base = str(bases["sd2 v"])
    first, settings = make_run(**{"model.base": base})
    drive(first, settings)
    file = first.folder / "test.safetensors"
    _, plain = make_run(**{"model.base": base})
    _, stacked = make_run(**{"model.base": base, "adapter.stack": [f"{file}=0.5"]})
    trainees = [load_trainee(s, base_of(s), None, torch.device("cpu"), torch.float32) for s in (plain, stacked)]
    name = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    before, after = (t.unet.get_submodule(name).weight for t in trainees)
    lora = load_file(file)
    key = "lora_unet_" + name.replace(".", "_")
    down, up, alpha = (lora[f"{key}.{part}"] for part in ("lora_down.weight", "lora_up.weight", "alpha"))
    torch.testing.assert_close(after - before, 0.5 * alpha / down.shape[0] * up @ down, rtol=1e-3, atol=1e-7)
    run, settings = make_run(**{"model.base": base, "adapter.stack": [f"{file}=0.5"], "adapter.text_encoder": False})
    assert drive(run, settings)[-1].why == "done"


def test_a_wrong_wish_about_the_model_is_caught_before_training(make_run, bases, tmp_path):
    _, settings = make_run(**{"model.base": str(bases["sd2 v"])})
    settings.model.prediction = "epsilon"
    assert any(p.where == "model.prediction" for p in prepare(settings).problems)
    settings.model.prediction, settings.model.base, settings.model.clip_skip = "auto", str(bases["sdxl"]), 2
    assert any(p.where == "model.clip_skip" and p.fatal for p in prepare(settings).problems)
    settings.adapter.start_from, settings.adapter.stack = str(tmp_path / "no.safetensors"), ["also-not=0.3"]
    assert {"adapter.start_from", "adapter.stack"} <= {p.where for p in prepare(settings).problems if p.fatal}


def test_a_lora_of_another_family_is_no_start(make_run, bases):
    first, settings = make_run(**{"model.base": str(bases["sd2 v"]), "train.steps": 1})
    drive(first, settings)
    start = str(first.folder / "test.safetensors")
    second, settings = make_run(**{"model.base": str(bases["sdxl"]), "adapter.start_from": start})
    with pytest.raises(UserError) as raised:
        drive(second, settings)
    assert "test.safetensors" in str(raised.value)


def test_the_probe_measures_and_leaves_nothing_behind(make_run, images, capsys):
    _, settings = make_run()
    flags = [f"--model.base={settings.model.base}", "--data.resolution=64", "--train.device=cpu", "--adapter.rank=2"]
    assert main(["probe", "--json", f"--data.folder={images}", *flags]) == 0
    told = json.loads(capsys.readouterr().out)
    assert 0 < told["step_seconds"] < 60 and told["peak_bytes"] > 50e6 and told["free_bytes"] > 0
    assert told["trainable"] > 0 and told["problem"] == ""
    assert main(["probe", f"--data.folder={images}/nowhere", *flags]) == 1
    assert "nowhere" in capsys.readouterr().err

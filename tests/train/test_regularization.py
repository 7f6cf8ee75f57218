"""Regularization images: as many as images, without the trigger word, weighed apart, drawn by the base when asked."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from base_models import draw_images, make_base
from diffusers import DDIMScheduler, StableDiffusionPipeline
from driving import drive, same, weights
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open

from sdlora.check import prepare
from sdlora.data.buckets import place
from sdlora.data.dataset import Item, Plan
from sdlora.data.regularization import MARK, beside
from sdlora.events import Progress, Warned
from sdlora.families.base import inspect_base
from sdlora.messages import say
from sdlora.train import class_images, loop
from sdlora.train.batch import Captioning
from sdlora.train.prepare import regular_folder


def item(number: int, repeats: int = 1) -> Item:
    size = (64, 64)
    where = place(size, resolution=64, step=8)
    return Item(
        f"p{number}.png", f"p{number}.png", f"a dog {number}", "sidecar", repeats, size, where, f"{number:064x}"
    )


@given(
    images=st.lists(st.integers(1, 5), min_size=1, max_size=8), regular=st.integers(1, 60), batch_size=st.integers(1, 6)
)
def test_they_count_as_often_as_the_images_in_every_epoch(images, regular, batch_size):
    items = [item(number, repeats) for number, repeats in enumerate(images)]
    chosen = beside(items, [item(100 + number) for number in range(regular)])
    assert sum(one.repeats for one in chosen) == sum(images)
    counts = [one.repeats for one in chosen]
    assert max(counts) - min(counts) <= 1 and all(one.regular and one.name.startswith(MARK) for one in chosen)
    assert len({one.name for one in chosen}) == len(chosen) == min(regular, sum(images))
    plan = Plan([*items, *chosen], batch_size, seed=3)
    trained = [n for step in range(1, plan.batches_per_epoch + 1) for batch in plan.at(step) for n in batch]
    assert sum(n >= len(items) for n in trained) == sum(images) == len(trained) / 2


def test_too_many_are_left_out_evenly():
    chosen = beside([item(0, 4)], [item(100 + number) for number in range(8)])
    assert [one.content_hash for one in chosen] == [f"{n:064x}" for n in (100, 102, 104, 106)]


def test_the_trigger_word_is_not_put_before_their_captions():
    own, regular = item(1), beside([item(1)], [item(2)])[0]
    captioning = Captioning(trigger="zib", shuffle=True, tag_dropout=0.5)
    assert captioning.texts([own, regular]) == ["zib, a dog 1", "a dog 2"]
    assert {captioning.text(regular, 0, step, 0) for step in range(20)} <= {"a dog 2", ""}


# ---- in runs


@pytest.fixture
def run_with(make_run, tmp_path, monkeypatch):
    """run_with(**overrides) -> (run, settings): five images, three regularization images, no test pictures."""
    monkeypatch.setattr(loop, "try_export", lambda job: None)
    folder = tmp_path / "regular"
    folder.mkdir()
    for number in range(3):
        Image.effect_noise((32, 32), 30).convert("RGB").save(folder / f"r{number}.png")
        (folder / f"r{number}.txt").write_text(f"a dog, tag {number}")

    def make(**overrides):
        values = {"data.regularization": str(folder), "adapter.targets": "cross-attn", "train.precision": "fp32"}
        run, settings = make_run(**{**values, **overrides})
        settings.sample.prompts = []
        return run, settings

    return make


def spied(monkeypatch, name="error_of"):
    """What the loop asked for: (batch, weighted error, plain error) of every batch, in order."""
    seen, real = [], getattr(loop, name)

    def spy(trainee, batch, *rest):
        found = real(trainee, batch, *rest)
        seen.append((batch, *found))
        return found

    monkeypatch.setattr(loop, name, spy)
    return seen


def test_their_error_weighs_what_is_asked_for(run_with, monkeypatch):
    """Ruiz et al. 2023, equation 2: the error of the images, plus lambda times that of the class images."""
    seen = spied(monkeypatch)
    drive(*run_with(**{"train.prior_weight": 0.25, "train.min_snr_gamma": 0.0, "data.trigger": "zib"}))
    told = []
    for batch, weighted, plain in seen:
        regular = torch.tensor(["zib" not in text for text in batch.texts])
        torch.testing.assert_close(weighted, torch.where(regular, 0.25, 1.0) * plain)
        told += regular.tolist()
    assert any(told) and not all(told)


def test_a_weight_of_nothing_learns_nothing_of_them(run_with, monkeypatch):
    """With regularization images alone in its batches, a step of weight 0 leaves the weights as they are."""
    monkeypatch.setattr(loop, "make_batch", only_regular(loop.make_batch))

    def learnt(weight: float) -> bool:
        run, settings = run_with(**{"train.steps": 1, "train.prior_weight": weight, "train.batch_size": 16})
        drive(run, settings)
        return any(value.any() for name, value in weights(run).items() if name.endswith(".up"))

    assert not learnt(0.0) and learnt(0.5)


def only_regular(real):
    def make(items, *args, **options):
        return real([one for one in items if one.regular], *args, **options)

    return make


def test_a_run_with_them_goes_on_exactly(run_with):
    whole, settings = run_with()
    drive(whole, settings)
    cut, settings = run_with()
    drive(cut, settings, stop_after=2)
    drive(cut, settings)
    assert same(weights(whole), weights(cut))


def test_the_file_tells_them_as_kohyas_trainers_do(run_with, monkeypatch):
    monkeypatch.undo()
    run, settings = run_with(**{"train.steps": 1, "train.prior_weight": 0.5})
    drive(run, settings)
    with safe_open(run.folder / "test.safetensors", "pt") as file:
        told = file.metadata()
    assert (told["ss_num_train_images"], told["ss_num_reg_images"], told["ss_prior_loss_weight"]) == ("5", "5", "0.5")
    assert json.loads(told["ss_reg_dataset_dirs"]) == {"regular": {"n_repeats": 1, "img_count": 3}}
    assert str(run.folder.parent) not in str(told)


# ---- drawn by the base


PROMPTS = ["a dog", "a red dog"]


@pytest.fixture
def drawn(run_with, monkeypatch):
    """drawn(**overrides) -> (run, settings, its folder of drawn pictures)."""

    def make(**overrides):
        run, settings = run_with(**{"data.regularization": "", "data.class_prompts": PROMPTS, **overrides})
        return run, settings, regular_folder(settings, inspect_base(settings.model.base))

    return make


def test_the_base_draws_them_as_diffusers_does(drawn):
    """Each prompt in its turn, its own seed: the pictures of the stock pipeline; as many as there are images."""
    run, settings, folder = drawn(**{"train.steps": 1})
    events = drive(run, settings)
    assert [event.done for event in events if isinstance(event, Progress) and event.what == "class"] == [*range(6)]
    pictures = sorted(folder.glob("*.png"))
    assert [path.with_suffix(".txt").read_text() for path in pictures] == [PROMPTS[n % 2] for n in range(5)]
    pipeline = StableDiffusionPipeline.from_pretrained(settings.model.base, safety_checker=None)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    for number, path in enumerate(pictures):
        wanted = pipeline(
            PROMPTS[number % 2], height=32, width=32, num_inference_steps=2, guidance_scale=2.0,
            generator=torch.Generator().manual_seed(number), output_type="np",
        ).images[0]  # fmt: skip
        assert np.abs(np.asarray(Image.open(path)) / 255 - wanted).max() < 2 / 255


def test_they_are_drawn_once_for_all_runs_and_a_cut_off_run_goes_on(drawn, monkeypatch):
    run, settings, folder = drawn(**{"train.steps": 1})
    real, written = class_images.save_png, []

    def save(image, path):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        real(image, path)

    monkeypatch.setattr(class_images, "save_png", save)
    with pytest.raises(KeyboardInterrupt):
        drive(run, settings)
    assert len(list(folder.glob("*.png"))) == 2
    first = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    monkeypatch.setattr(class_images, "save_png", real)
    events = drive(run, settings)
    assert [e.done for e in events if isinstance(e, Progress) and e.what == "class"] == [2, 3, 4, 5]
    assert all((folder / name).read_bytes() == content for name, content in first.items())
    again, settings, _ = drawn(**{"train.steps": 1, "train.seed": 8})
    assert not any(isinstance(e, Progress) and e.what == "class" for e in drive(again, settings))


def test_another_base_or_prompt_draws_its_own(drawn, tmp_path):
    _, settings, folder = drawn()
    other = make_base(tmp_path / "other", prediction="v_prediction")
    changed = settings.model_copy(deep=True)
    changed.model.base = str(other)
    assert regular_folder(changed, inspect_base(str(other))) != folder
    for key, value in (("steps", 3), ("guidance", 3.0), ("negative", "blurry"), ("sampler", "euler")):
        changed = settings.model_copy(deep=True)
        setattr(changed.sample, key, value)
        assert regular_folder(changed, inspect_base(settings.model.base)) != folder
    settings.train.seed = 99
    assert regular_folder(settings, inspect_base(settings.model.base)) == folder


def test_changed_regularization_images_are_told_at_a_resume(run_with):
    run, settings = run_with()
    drive(run, settings, stop_after=2)
    (Path(settings.data.regularization) / "r1.txt").write_text("a cat")
    told = [event.text for event in drive(run, settings) if isinstance(event, Warned)]
    assert say("runs.captions_changed", captions=f"{MARK}r1.png") in told


# ---- checks


def problems_of(tmp_path, base, **data):
    values = {"model": {"base": str(base)}, "data": data, "run": {"folder": str(tmp_path / "runs")}}
    return prepare(values).problems


def test_folders_inside_one_another_are_refused(tmp_path, base_folder):
    images = draw_images(tmp_path / "images")
    inner = draw_images(images / "regular")
    for folder, regular, key, path in (
        (images, inner, "images.regularization_among_images", inner),
        (images, images, "images.regularization_among_images", images),
        (inner, images, "images.images_among_regularization", inner),
    ):
        told = problems_of(tmp_path, base_folder, folder=str(folder), regularization=str(regular))
        (found,) = [p for p in told if p.fatal]
        assert (found.what, found.where) == (say(key, path=path), "data.regularization")


def test_a_missing_folder_is_a_problem_of_its_own_setting(tmp_path, base_folder):
    images = draw_images(tmp_path / "images")
    told = problems_of(tmp_path, base_folder, folder=str(images), regularization=str(tmp_path / "no"))
    assert [p.where for p in told if p.fatal] == ["data.regularization"]


def test_a_trigger_word_in_them_is_told(tmp_path, base_folder):
    images, regular = draw_images(tmp_path / "images"), draw_images(tmp_path / "regular")
    told = problems_of(tmp_path, base_folder, folder=str(images), trigger="zib", regularization=str(regular))
    assert [p.where for p in told if p.fix == say("images.name_the_class")] == ["data.regularization"]
    told = problems_of(tmp_path, base_folder, folder=str(images), trigger="zib", class_prompts=["a zib dog"])
    assert [p.where for p in told if p.fix == say("images.name_the_class")] == ["data.class_prompts"]
    told = problems_of(tmp_path, base_folder, folder=str(images), trigger="zib", class_prompts=["a dog"])
    assert not [p for p in told if p.fix == say("images.name_the_class")]

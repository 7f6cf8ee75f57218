"""Every check before a run, on small base models and folders made here."""

import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from base_models import write_single_file
from checking import check, fatal, warnings
from PIL import Image
from said import saying, says

from sdlora.check import CHECKS, adapter, cache_folder, disk, effects, output, prepare, resolve, tracker
from sdlora.check import base as base_checks
from sdlora.check import images as images_checks
from sdlora.check import train as train_checks
from sdlora.check.case import Check, as_keys
from sdlora.errors import Problem, UserError
from sdlora.families.base import inspect_base
from sdlora.messages import say, sentences
from sdlora.settings import Settings, all_settings, make_settings, merge


def test_good_settings_have_no_problem(settings: Settings, tmp_path: Path) -> None:
    assert check(settings) == []
    assert not (tmp_path / "runs").exists()


def test_all_problems_come_at_once_and_fatal_ones_first(settings: Settings, tmp_path: Path, images: Path) -> None:
    (images / "zero.jpg").touch()
    (tmp_path / "file").touch()
    settings.run.folder = str(tmp_path / "file/runs")
    settings.data.cache = str(tmp_path / "file/cache")
    settings.data.resolution, settings.sample.size = 100, 8
    settings.train.warmup, settings.train.steps = 50, 50
    settings.train.precision, settings.train.device = "fp16", "cpu"
    problems = check(settings)
    assert set(fatal(problems)) == {
        "run.folder", "data.cache", "data.resolution", "sample.size", "train.warmup", "train.precision",
    }  # fmt: skip
    assert [p.fatal for p in problems] == sorted((p.fatal for p in problems), reverse=True)
    assert say("images.left_out", name="zero.jpg", fault_of_image=say("images.fault_empty")) in warnings(problems)
    settings.model.base = str(tmp_path / "nowhere")
    assert {"model.base", "run.folder", "train.warmup"} <= set(fatal(check(settings)))
    assert "zero.jpg" in warnings(check(settings))


def test_every_sentence_says_what_to_do(settings: Settings) -> None:
    settings.data.resolution, settings.sample.size = 100, 24
    told = fatal(check(settings))
    assert told["data.resolution"] == (
        sentences(
            say("settings.not_a_multiple", key="data.resolution", size=100, name="base", step=16),
            say("settings.use_multiple", near=96, size=64),
        )
    )
    assert "sample.size is 24" in told["sample.size"] and "Use 32" in told["sample.size"]


def test_the_base_model(settings: Settings, base: Path) -> None:
    (base / "vae/diffusion_pytorch_model.safetensors").unlink()
    (base / "tokenizer/merges.txt").unlink()
    told = [p for p in check(settings) if p.where == "model.base"]
    assert len(told) == 2 and all(p.fatal for p in told)


@pytest.mark.parametrize("folder", ["", "nowhere", "images/0.png", "empty"])
def test_the_image_folder(settings: Settings, tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    settings.data.folder = str(tmp_path / folder) if folder else ""
    assert list(fatal(check(settings))) == ["data.folder"]


def test_few_small_and_uncaptioned_images(settings: Settings, images: Path) -> None:
    for i in range(2, 6):
        (images / f"{i}.png").unlink()
    for text in images.glob("*.txt"):
        text.unlink()
    Image.new("RGB", (24, 24)).save(images / "0.png")
    problems = check(settings)
    assert fatal(problems) == {}
    for sentence in (
        "are only 2 images",
        say("images.small_for_resolution", size=64, names="0.png", count=1),
        say("images.caption_missing", share="2 of 2 images", names="0.png, 1.png"),
    ):
        assert sentence in warnings(problems)
    (images / "1.png").unlink()
    assert say("images.too_few", count=1) in warnings(check(settings))


def test_the_output_folder_inside_the_images(settings: Settings, images: Path) -> None:
    for inside in (images, images / "deep/runs"):
        settings.run.folder = str(inside)
        assert "lies inside data.folder" in fatal(check(settings))["run.folder"]


def test_folders_that_cannot_be_written(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    told = fatal(check(settings))
    assert set(told) == {"run.folder", "data.cache"} and all("Read-only file system" in s for s in told.values())


Usage = namedtuple("Usage", "total used free")


def test_a_disk_that_is_too_full(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 40_000_000))
    (sentence,) = fatal(check(settings)).values()
    assert sentence.startswith("The disk of ") and "40 MB are free" in sentence
    # latents: 6 images of 80 x 48 or so; checkpoints: (3 kept + a new one + the file) x 336 per rank x 16 x 12 bytes
    assert "about 323 kB of checkpoints" in sentence
    settings.validation.held_out, settings.validation.drift_bound = 2, 0.1  # two offers, beside those that are kept
    assert "about 452 kB of checkpoints" in next(iter(fatal(check(settings)).values()))
    settings.validation.held_out = settings.validation.drift_bound = None
    settings.adapter.text_encoder = False
    assert "about 276 kB of checkpoints" in fatal(check(settings))["run.folder"]
    settings.save.keep = 0
    settings.save.every = 10
    assert "about 6 MB of checkpoints" in fatal(check(settings))["run.folder"]


def test_the_estimate_of_the_cache(settings: Settings, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image is 64 x 64 after cropping: 8 x 8 latent pixels x 4 channels x (mean + std) x 4 bytes, and a block."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 0))
    settings.data.fit = "crop"
    expected = 6 * (8 * 8 * 4 * 2 * 4 + 4096)
    assert f"about {expected / 1000:.0f} kB of cached latents" in fatal(check(settings))["run.folder"]
    settings.data.flip = True
    assert f"about {2 * expected / 1000:.0f} kB of cached latents" in fatal(check(settings))["run.folder"]
    latents = cache_folder(settings) / "latents"
    latents.mkdir(parents=True)
    (latents / "x.safetensors").write_bytes(bytes(expected))
    assert f"about {expected / 1000:.0f} kB of cached latents" in fatal(check(settings))["run.folder"]


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_half_precision_is_only_refused_on_a_cpu(settings: Settings, device: str) -> None:
    settings.train.precision, settings.train.device = "fp16", device
    assert check(settings) == []


def test_nothing_is_left_behind(settings: Settings, images: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    check(settings)
    new = set(tmp_path.rglob("*")) - set(before)
    assert {p.relative_to(images).as_posix() for p in new} <= {".sdlora_cache", ".sdlora_cache/index.json"}


# ---- the table, and the one way to settings that can be trained with


def test_every_check_is_in_the_table_once():
    """A function of the subjects' files that takes a case and is in no line of the table would never be asked."""
    written = [
        function
        for module in (adapter, base_checks, disk, effects, images_checks, output, tracker, train_checks)
        for name, function in vars(module).items()
        if getattr(function, "__module__", "") == module.__name__ and not name.startswith("_")
        if inspect.isfunction(function) and list(inspect.signature(function).parameters) == ["case"]
    ]
    assert len(written) > 20
    assert sorted(map(repr, written)) == sorted(repr(check.problems) for check in CHECKS)


def test_a_new_line_of_the_table_is_asked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = Problem("Strange.", "Mend it.", "train.lr")
    bases = Check(lambda case: [strange] if case.items and case.base else [], frozenset({"base", "images"}))
    monkeypatch.setattr("sdlora.check.table.CHECKS", (bases,))
    assert prepare(settings).problems == (strange,)
    settings.data.folder = ""
    assert prepare(settings).problems == ()


def test_values_problems_and_resolved_settings_come_one_way(settings: Settings, base: Path) -> None:
    ready = prepare(settings.model_dump() | {"train": {"steps": 0, "lr": 3e-4}}, "here")
    assert [p.where for p in ready.fatal] == ["train.steps"] and ready.settings.train.lr == 3e-4
    assert ready.base == inspect_base(str(base))
    with pytest.raises(UserError) as wrong:
        ready.resolved()
    assert list(wrong.value.problems) == ready.fatal
    good = prepare(settings)
    assert good.fatal == [] and good.resolved() == resolve(settings, good.base)
    assert good.resolved(prompts=False).sample.prompts == []
    with pytest.raises(UserError, match="Elsewhere"):
        good.also([Problem("Elsewhere.")]).resolved()


@pytest.mark.parametrize("rate", [1, 0.02, 0.01, 1e-3])
@pytest.mark.parametrize("key", ["train.lr", "train.text_encoder_lr"])
def test_a_rate_that_adamw_can_not_bear_is_noted(settings: Settings, key: str, rate: float) -> None:
    setattr(settings.train, key.partition(".")[2], rate)
    notes = [problem for problem in check(settings) if problem.where == key and "AdamW" in problem.what]
    assert [note.fatal for note in notes] == ([False] if rate > 0.01 else [])


@pytest.mark.parametrize(
    ("key", "value"),
    [("train.noise_offset", 0.5), ("train.weight_decay", 1.0), ("train.min_snr_gamma", 50.0), ("sample.guidance", 75.0),
     ("data.caption_dropout", 0.9), ("train.steps", 3_000_000), ("adapter.rank", 1000), ("data.repeats", 9000)],
)  # fmt: skip
def test_a_number_far_from_usual_is_noted_at_its_field(settings: Settings, key: str, value: float) -> None:
    section, _, name = key.partition(".")
    part = getattr(settings, section)

    def notes() -> list[Problem]:
        return [p for p in check(settings) if p.where == key and says(p.what, "settings.value_unusual")]

    assert not notes()
    setattr(part, name, value)
    (note,) = notes()
    assert not note.fatal and f"{value:g}" in note.what


def test_what_is_usual_holds_the_default_and_lies_within_the_bounds() -> None:
    with_a_range = [info for info in all_settings() if info.usual]
    assert len(with_a_range) > 10
    for info in with_a_range:
        low, high = info.usual
        assert info.minimum <= low < high <= info.maximum and (info.default is None or low <= info.default <= high)


@pytest.mark.parametrize(
    ("alpha", "rank", "noted"),
    [(0.001, 16, True), (200, 16, True), (1, 1024, False), (128, 16, False), (16, 16, False), (0.9, 1024, True)],
)
def test_an_alpha_far_from_usual_is_noted_at_its_field(
    settings: Settings, alpha: float, rank: int, noted: bool
) -> None:
    def notes(key: str) -> list[str]:
        return [str(p) for p in check(settings) if p.where == key and "strength" in p.what and not p.fatal]

    settings.adapter.alpha, settings.adapter.rank = alpha, rank
    assert len(notes("adapter.alpha")) == noted and all(
        f"{alpha / rank:.2g}" in note for note in notes("adapter.alpha")
    )
    settings.adapter.alpha, settings.adapter.rank = 8, 8
    settings.adapter.alpha_pattern, settings.adapter.rank_pattern = {"unet.*": alpha}, {"unet.*": rank}
    assert len(notes("adapter.alpha_pattern")) == noted and not notes("adapter.alpha")
    settings.adapter.start_from = "x.safetensors"  # keeps its own
    assert not notes("adapter.alpha_pattern")


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("single", [False, True])
def test_patterns_that_fit_nothing_are_told_before_anything_is_loaded(
    settings: Settings, bases, tmp_path: Path, family: str, single: bool
) -> None:
    path = bases(family)
    path = write_single_file(path, family, tmp_path / "base.safetensors") if single else path
    settings.model.base, settings.adapter.text_encoder = str(path), False
    settings.adapter.rank_pattern = {"*.mid_block.*": 2, "*.nothing.*": 3, "*text_encoder*": 4}
    settings.adapter.alpha_pattern = {"unet.*": 2.0, "mid_block": 1.0}
    told = [(p.what, p.where, p.fatal) for p in check(settings) if p.where.endswith("_pattern")]
    assert told == [
        (say("adapters.pattern_unused", setting="rank_pattern", pattern="'*.nothing.*'"), "adapter.rank_pattern", True),
        (
            say("adapters.pattern_unused", setting="rank_pattern", pattern="'*text_encoder*'"),
            "adapter.rank_pattern",
            True,
        ),
        (say("adapters.pattern_unused", setting="alpha_pattern", pattern="'mid_block'"), "adapter.alpha_pattern", True),
    ]
    settings.adapter.text_encoder = True
    assert sum("text_encoder" in problem.what for problem in check(settings) if problem.fatal) == 0


@pytest.mark.parametrize("key", ["sample.every", "validation.every", "save.every", "save.keep", "train.max_grad_norm"])
def test_numbers_of_hundreds_of_digits_are_refused(key: str) -> None:
    section, name = key.split(".")
    with pytest.raises(
        UserError, match=saying("settings.value_is", key=key) + " " + saying("settings.must_be_at_most")
    ):
        make_settings({section: {name: 10**300}})


def test_no_torch_is_loaded() -> None:
    code = "import sys, sdlora.check; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


# ---- how images and settings go together


def made(folder: Path, **sizes: tuple[int, int]) -> Path:
    folder.mkdir()
    for name, size in sizes.items():
        Image.new("RGB", size).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("a cat")
    return folder


def told(base: Path, folder: Path, **changes: object) -> dict[str, str]:
    settings = make_settings(merge({"model": {"base": str(base)}, "data": {"folder": str(folder)}}, changes))
    return {problem.where: problem.what for problem in check(settings) if not problem.fatal}


def test_pictures_that_lose_more_than_a_third_are_named(base: Path, tmp_path: Path) -> None:
    """At 64 pixels with sides to 128, a strip of 20:1 keeps its height and the middle 4:1 / 20:1 of its width."""
    folder = made(tmp_path / "set", strip=(1280, 64), fine=(80, 64), wide=(400, 100), square=(64, 64))
    assert told(base, folder)["data.fit"] == say("images.cropped", percent="30%", names="strip.png (20%)", count=1)
    assert "data.fit" not in told(base, folder, **{"data.fit": "pad"})
    assert told(base, folder, **{"data.fit": "crop"})["data.fit"].startswith("2 images lose more than 30% to the crop")


def test_batches_that_the_shapes_cannot_fill(base: Path, tmp_path: Path) -> None:
    """6 images of 5 shapes make 5 batches: 4 of one image, one of two."""
    shapes = {f"s{n}": size for n, size in enumerate([(96, 32), (32, 96), (64, 64), (80, 48), (48, 80)])}
    folder = made(tmp_path / "set", **shapes, again=(64, 64))
    said = told(base, folder, **{"train.batch_size": 4})["train.batch_size"]
    assert said == say("images.batches_unfilled", size=4, images=6, sizes=5, average="1.2")
    assert "train.batch_size" not in told(base, folder)
    assert "train.batch_size" not in told(base, folder, **{"train.batch_size": 4, "data.fit": "pad"})
    said = told(base, folder, **{"train.batch_size": 16, "data.fit": "pad"})["train.batch_size"]
    assert said == say("images.batch_too_large", size=16, images=6)


def test_lines_and_wildcards_that_nobody_reads_are_named(base: Path, tmp_path: Path) -> None:
    folder = made(tmp_path / "set", a=(64, 64), b=(64, 64))
    (folder / "a.txt").write_text("a red fox\na blue fox")
    (folder / "b.txt").write_text("a {red|blue} fox")
    said = told(base, folder)
    assert said["data.caption_lines"] == (say("images.several_lines", names="a.png", count=1))
    assert said["data.wildcards"] == (say("images.choices_as_text", choice="{red|blue}", count=1))
    assert not {"data.caption_lines", "data.wildcards"} & set(
        told(base, folder, **{"data.caption_lines": "random", "data.wildcards": True})
    )


@pytest.mark.parametrize("key", ["adapter.start_from", "adapter.stack"])
def test_a_lora_file_that_is_something_else_is_told_before_the_run(make_run, tmp_path, key):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n")
    _, settings = make_run(**{key: str(path) if key == "adapter.start_from" else [str(path)]})
    found = [p for p in check(settings) if p.where == key]
    assert len(found) == 1 and found[0].fatal and "Git LFS pointer" in str(found[0])


@pytest.mark.parametrize("key", ["adapter.start_from", "adapter.stack"])
@pytest.mark.parametrize(
    ("names", "cut", "words"),
    [
        (
            ["controlnet_cond_embedding.conv_in.weight", "conv_in.weight"],
            0,
            say("lorafiles.not_a_lora", file="x.safetensors", contents=say("modelfiles.is_controlnet")),
        ),
        (
            ["encoder.conv_in.weight", "decoder.conv_out.weight"],
            0,
            say("lorafiles.not_a_lora", file="x.safetensors", contents=say("lorafiles.contents_vae")),
        ),
        (["lora_unet_mid_block_x.lora_up.weight"], 5, "x.safetensors is damaged: "),
        (
            ["lora_unet_mid_block_x.lora_up.weight"],
            100,
            say("files.damaged", file="x.safetensors", damage=say("modelfiles.damage_header_cut_off")),
        ),
        (["lora_te_text_model_x.lora_up.weight", "text_model.encoder.x.lora_A.weight"], 0, ""),
    ],
)
def test_the_header_of_a_lora_file_is_read_before_the_run(make_run, tmp_path, key, names, cut, words):
    from safetensors.numpy import save_file

    path = tmp_path / "x.safetensors"
    save_file({name: np.zeros((4, 4), "f4") for name in names}, path)
    path.write_bytes(path.read_bytes()[: -cut or None])
    _, settings = make_run(**{key: str(path) if key == "adapter.start_from" else [str(path)]})
    found = [p.what for p in check(settings) if p.where == key and p.fatal]
    assert len(found) == bool(words) and all(what.startswith(words) for what in found)


def test_an_argument_that_is_wrong_is_told_as_the_setting_it_came_from():
    problems = [Problem("a", where="vae"), Problem("b", where="cat.jpg"), Problem("c", where="data.vae"), Problem("d")]
    assert [p.where for p in as_keys(problems, "model")] == ["model.vae", "cat.jpg", "data.vae", ""]
    assert [p.where for p in as_keys(problems, "data")] == ["vae", "cat.jpg", "data.vae", ""]

"""Settings with nothing left open: what is filled in, from what, and what stays as it was set."""

import os
from pathlib import Path

import pytest
from checking import check, warnings
from said import saying

from sdlora.check import cache_folder, resolve, scan_for
from sdlora.errors import UserError
from sdlora.families.base import inspect_base
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings, make_settings


def test_resolve_leaves_nothing_open(settings: Settings, base: Path, images: Path) -> None:
    settings.data.trigger = "sks"
    settings.train.lr = 3e-4
    done = resolve(settings, inspect_base(str(base)))
    assert (done.data.resolution, done.sample.size) == (64, 64)
    assert done.sample.prompts == ["sks, caption 0", "sks, caption 3"]
    assert done.train.text_encoder_lr == 1.5e-4
    assert done.data.cache == str(images / ".sdlora_cache")
    assert done.model.prediction == "v_prediction"
    assert settings.data.resolution == 0 and settings.sample.prompts == []  # the given ones are not touched
    assert resolve(done, inspect_base(str(base))) == done
    assert check(done) == [] and "64" in dump_settings(done)


def test_a_rate_of_zero_is_off_and_an_open_one_is_half(settings: Settings, base: Path) -> None:
    info = inspect_base(str(base))
    assert resolve(settings, info).train.text_encoder_lr == settings.train.lr / 2
    settings.train.text_encoder_lr = 0
    done = resolve(settings, info)
    assert done.train.text_encoder_lr == 0 and not done.adapter.text_encoder
    assert say(
        "settings.no_effect", key="adapter.text_encoder", because=say("settings.because_text_encoder_lr_0")
    ) in warnings(check(settings))


@pytest.mark.parametrize(("zero_snr", "given", "gamma"), [("on", None, 0), ("off", None, 5), ("on", 5.0, 5)])
def test_min_snr_is_off_where_it_would_drop_the_last_timesteps(settings, base, zero_snr, given, gamma) -> None:
    """The base predicts v; with zero terminal SNR min-SNR's weight of its last timestep is 0."""
    settings.model.zero_snr, settings.train.min_snr_gamma = zero_snr, given
    assert resolve(settings, inspect_base(str(base))).train.min_snr_gamma == gamma
    assert (say("settings.min_snr_with_zero_snr") in warnings(check(settings))) == (given is not None)
    settings.train.weighting = "debiased"
    assert resolve(settings, inspect_base(str(base))).train.min_snr_gamma == given
    assert say("settings.min_snr_with_zero_snr") not in warnings(check(settings))


def test_a_seed_of_minus_one_is_drawn_and_written_down(settings: Settings, base: Path) -> None:
    settings.train.seed = settings.sample.seed = -1
    drawn = [resolve(settings, inspect_base(str(base))) for _ in range(3)]
    seeds = [seed for done in drawn for seed in (done.train.seed, done.sample.seed)]
    assert all(0 <= seed < 2**32 for seed in seeds) and len(set(seeds)) == 6
    assert resolve(drawn[0], inspect_base(str(base))) == drawn[0]


def test_captions_longer_than_the_model_reads_are_named_by_tokens(settings: Settings, images: Path) -> None:
    """75 tokens a chunk, the trigger word and its comma among them: "word" and "ohwx" are one token each."""
    first, second = sorted(images.glob("*.png"))[:2]
    first.with_suffix(".txt").write_text("word " * 76)
    second.with_suffix(".txt").write_text("word " * 73)
    settings.data.max_tokens = 75
    assert "Longer than 75 tokens" in warnings(check(settings)) and first.name in warnings(check(settings))
    assert second.name not in warnings(check(settings))
    settings.data.trigger = "ohwxohwx ohwx"
    assert f"the captions of {first.name}, {second.name}" in warnings(check(settings))
    settings.data.max_tokens = 225
    assert "tokens" not in warnings(check(settings))


def test_resolve_keeps_what_is_set(settings: Settings, base: Path) -> None:
    settings.data.resolution, settings.sample.size, settings.sample.prompts = 96, 32, ["mine"]
    settings.train.text_encoder_lr, settings.data.cache, settings.model.prediction = 1e-5, "/c", "epsilon"
    settings.model.zero_snr, settings.train.min_snr_gamma, settings.validation.held_out = "off", 3.0, 2
    done = resolve(settings, inspect_base(str(base)))
    assert done == settings


def test_resolve_makes_folders_absolute(
    settings: Settings, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings.data.folder, settings.data.cache = "images", "cache"
    done = resolve(settings, inspect_base(str(base)))
    assert (done.data.folder, done.data.cache) == (str(tmp_path / "images"), str(tmp_path / "cache"))


def test_a_run_finds_its_models_from_any_folder(
    settings: Settings, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "models/base" is a hub id, too, where there is no such folder."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/base").symlink_to(base)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("models/base", "~/models/base", "./models/base/"):
        settings.model.base = settings.model.vae = given
        done = resolve(settings, inspect_base(given))
        assert done.model.base == done.model.vae == str(tmp_path / "models/base")
    for given in ("tiny", "organisation/model"):
        settings.model.base, settings.model.vae = given, ""
        done = resolve(settings, inspect_base(str(base)))
        assert (done.model.base, done.model.vae) == (given, "")


def test_a_folder_that_is_gone_is_no_hub_id(settings: Settings) -> None:
    settings.model.base = "models/"
    assert [p.what for p in check(settings) if p.fatal] == [say("models.base_missing", name="'models/'")]


@pytest.mark.skipif(os.name != "posix", reason="HOME is not the home there")
def test_a_runs_folder_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert Run.create("~/runs", "x", "").folder.parent == tmp_path / "home/runs"
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("key", "value"), [("rank", 0), ("rank", -3), ("rank", 100_000), ("alpha", 0.0), ("alpha", -1.0), ("alpha", 1e9)]
)
def test_ranks_and_alphas_of_patterns_have_the_bounds_of_all_layers(key: str, value: float) -> None:
    with pytest.raises(UserError, match=saying("settings.value_is", key=f"adapter.{key}_pattern.*mid_block*") + " .+"):
        make_settings({"adapter": {f"{key}_pattern": {"*mid_block*": value}}})


@pytest.mark.parametrize(("trigger", "expected"), [("sks", ["sks"]), ("", [""])])
def test_prompts_without_captions(settings: Settings, base: Path, images: Path, trigger: str, expected: list) -> None:
    for text in images.glob("*.txt"):
        text.write_text("")
    settings.data.trigger = trigger
    assert resolve(settings, inspect_base(str(base))).sample.prompts == expected


def test_prompts_are_different_and_not_endless(settings: Settings, base: Path, images: Path) -> None:
    for i in range(6):
        (images / f"{i}.txt").write_text("very " * 2000 if i < 5 else "other")
    first, second = resolve(settings, inspect_base(str(base))).sample.prompts
    assert len(first) <= 300 and second == "other"


def test_the_dataset_of_the_settings(settings: Settings, base: Path, tmp_path: Path) -> None:
    settings.data.fit, settings.data.repeats, settings.data.cache = "pad", 3, str(tmp_path / "cache")
    info = inspect_base(str(base))
    items = scan_for(settings, info).items
    assert {(i.placement.bucket, i.repeats) for i in items} == {((64, 64), 3)}
    assert cache_folder(settings) == tmp_path / "cache"

"""A run from another run's checkpoint: with nothing changed the same run, with settings changed a run that says so."""

from said import saying
import shutil
import sys
from pathlib import Path

import pytest
import torch
from driving import drive, same, weights
from safetensors import safe_open
from safetensors.torch import load_file

from sdlora.messages import say
from sdlora.cli import main
from sdlora.errors import UserError
from sdlora.events import Started, StepDone, Warned
from sdlora.files.intact import write_json
from sdlora.runs.origin import (
    Origin,
    begin_from,
    calmer_command,
    choose_checkpoint,
    origin_of,
    parse_origin,
    settings_for,
)
from sdlora.runs.run import Run, list_runs
from sdlora.settings import load_settings, make_settings
from sdlora.train import loop
from ui.shell.view import RunView
from ui.tabs.runs.html import run_card

KEPT = Path(__file__).parents[1] / "kept" / "0.1.0" / "runs"


@pytest.fixture
def quick(make_run, monkeypatch):
    monkeypatch.setattr(loop, "try_export", lambda job: None)

    def make(**overrides):
        quick = {"adapter.text_encoder": False, "adapter.targets": "cross-attn", "sample.prompts": ["zib"],
                 "sample.steps": 1, "train.scheduler": "constant", "save.every": 1, "save.keep": 0}  # fmt: skip
        return make_run(**quick, **overrides)

    return make


def begun(run, step=None, **changes):
    """The run that starts there, trained to its end, with its events."""
    made, settings, _ = begin_from(run, step, {key.replace("__", "."): value for key, value in changes.items()})
    return made, drive(made, settings)


def test_with_nothing_changed_it_is_the_same_run(quick):
    whole, settings = quick()
    drive(whole, settings)
    other, events = begun(whole, 2)
    assert [e.step for e in events if isinstance(e, StepDone)] == [3, 4]
    assert same(weights(other), weights(whole)) and not [e for e in events if isinstance(e, Warned)]
    assert load_settings(other.folder / "settings.toml") == settings


def test_a_finished_run_gets_more_steps(quick):
    long, settings = quick(**{"train.steps": 6})
    drive(long, settings)
    short, settings = quick()
    drive(short, settings)
    more, events = begun(short, train__steps=6)
    assert [e.step for e in events if isinstance(e, StepDone)] == [5, 6] and same(weights(more), weights(long))


def test_the_origin_is_recorded_and_shown(quick, capsys):
    run, settings = quick()
    drive(run, settings)
    other, events = begun(run, 3, train__lr=1e-4)
    assert origin_of(other.folder) == Origin(run.name, 3, str(run.folder)) and origin_of(run.folder) is None
    with safe_open(other.folder / "test.safetensors", framework="pt") as file:
        assert file.metadata()["sdlora_from"] == f"{run.name}@3"
    assert main(["runs", str(run.folder.parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [f"(from {run.name}@3)" in line for line in lines] == [other.name in line for line in lines]
    view = RunView(other.folder)
    view.update()
    assert "Started from step 3 of test." in run_card(view, "done")
    shutil.rmtree(run.folder)  # the new run needs the old one no more
    (other.folder / "checkpoints/000004/state.json").unlink()
    assert (
        next(e.step for e in drive(other, load_settings(other.folder / "settings.toml")) if isinstance(e, Started)) == 3
    )


def test_another_rate_acts_at_once_and_the_moments_go_on(quick):
    run, settings = quick()
    drive(run, settings)
    other, events = begun(run, 2, train__lr=1e-3, train__weight_decay=0.5)
    assert {e.lr for e in events if isinstance(e, StepDone)} == {1e-3}
    tensors = load_file(other.folder / "checkpoints/000004/optimizer.safetensors")
    assert {float(v) for k, v in tensors.items() if k.endswith(".step")} == {4.0}
    assert not same(weights(other), weights(run))


def test_another_alpha_starts_with_what_the_lora_did(quick):
    run, settings = quick()
    drive(run, settings)
    made, settings, _ = begin_from(run, 3, {"adapter.alpha": 8.0, "train.lr": 1e-9})
    told = [e.text for e in drive(made, settings) if isinstance(e, Warned)]
    assert any(words == say("runs.optimizer_begins_strength") for words in told)
    before, after = (
        load_file(f / "lora.safetensors") for f in (run.folder / "checkpoints/000003", made.checkpoints()[-1][1])
    )
    name = next(k for k in before if k.endswith(".up"))
    torch.testing.assert_close(after[name] * 4, before[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"train.steps": 4}, saying("runs.nothing_left", step="4", steps="4")), ({"train.lr": -1}, saying("settings.value_is", key="train.lr", given="-1")),
     ({"data.folder": "/nowhere"}, saying("images.folder_missing", path="/nowhere")), ({"no.such": 1}, saying("settings.unknown_setting"))],
)  # fmt: skip
def test_what_can_not_start_is_told_and_nothing_is_made(quick, changes, words):
    run, settings = quick()
    drive(run, settings)
    with pytest.raises(UserError, match=words):
        begin_from(run, None, changes)
    assert [r.folder for r in list_runs(run.folder.parent)] == [run.folder]


def test_steps_and_names_are_read(quick, tmp_path):
    run, settings = quick()
    assert parse_origin(f"{run.folder}@12")[1] == 12 and parse_origin(str(run.folder))[1] is None
    odd = run.folder.rename(run.folder.with_name("x@7"))
    assert parse_origin(str(odd))[0].folder == odd and parse_origin(f"{odd}@3")[1] == 3
    for text in (f"{tmp_path}@3", "nowhere", "@5", f"{odd}@²"):
        with pytest.raises(UserError, match=saying("runs.not_a_run")):
            parse_origin(text)
    run = Run(odd)
    with pytest.raises(UserError, match=saying("runs.no_checkpoint_to_start") + ".*" + saying("runs.begin_again")):
        choose_checkpoint(run, None)
    with pytest.raises(UserError, match=saying("runs.no_checkpoint_of_step", step="9")):
        choose_checkpoint(run, 9)
    assert choose_checkpoint(run, 0) == (0, None, [])


def test_a_damaged_checkpoint_is_passed_over_unless_it_was_named(quick):
    run, settings = quick()
    drive(run, settings)
    (run.folder / "checkpoints/000004/lora.safetensors").write_bytes(b"x")
    step, folder, said = choose_checkpoint(run, None)
    assert step == 3 and "000004 is damaged" in said[0] and folder.name == "000003"
    with pytest.raises(UserError, match=saying("runs.checkpoint_damaged", name="000004")):
        choose_checkpoint(run, 4)


def test_what_was_derived_from_a_setting_follows_its_change(quick):
    run, settings = quick()
    assert settings_for(run, {}) == settings.model_dump(mode="python")
    followed = make_settings(settings_for(run, {"train.lr": 1e-5, "data.resolution": 64, "data.folder": "/x"}))
    unset = make_settings({})
    assert followed.train.text_encoder_lr == unset.train.text_encoder_lr
    assert followed.sample.size == 0 and followed.data.cache == ""
    kept = make_settings(settings_for(run, {"train.lr": 1e-5, "train.text_encoder_lr": 1e-3}))
    assert kept.train.text_encoder_lr == 1e-3 and kept.sample.size == settings.sample.size


def test_the_advice_is_a_command_that_works(quick, monkeypatch, capsys):
    run, settings = quick()
    for step in (1, 2, 3, 4):
        shutil.copytree(
            KEPT / next(KEPT.glob("*_kept")).name / "checkpoints/000002", run.folder / f"checkpoints/{step:06d}"
        )
    assert (
        calmer_command(run, settings, 5) == f"sdlora train --from {run.folder}@2 --train.lr 0.0001"
    )  # others say step 2
    shutil.rmtree(run.folder / "checkpoints")
    told = calmer_command(run, settings, 5)
    assert "@0 --train.lr 0.0001" in told
    assert main(told.split()[1:]) == 0
    made = list_runs(run.folder.parent)[0]
    assert made.folder != run.folder and load_settings(made.folder / "settings.toml").train.lr == 1e-4
    assert origin_of(made.folder).step == 0


def test_the_command_line_takes_a_file_and_flags_over_the_runs_settings(quick, tmp_path, capsys):
    run, settings = quick()
    drive(run, settings)
    (tmp_path / "more.toml").write_text("[train]\nsteps = 6\nlr = 1e-3\n")
    before = len(list_runs(run.folder.parent))
    assert main(["train", str(tmp_path / "more.toml"), "--from", f"{run.folder}@4", "--train.lr", "2e-3"]) == 0
    runs = list_runs(run.folder.parent)
    made = load_settings(next(r for r in runs if r.folder != run.folder).folder / "settings.toml")
    assert len(runs) == before + 1 and (made.train.steps, made.train.lr, made.train.seed) == (6, 2e-3, 7)
    assert main(["train", "--resume", str(run.folder), "--train.lr", "1"]) == 1
    assert f"sdlora train --from {run.folder}" in capsys.readouterr().err


def test_an_old_checkpoint_does_not_know_its_alpha(make_run, tmp_path):
    run, settings = make_run()
    shutil.copytree(next(KEPT.glob("*_kept")) / "checkpoints", run.folder / "checkpoints", dirs_exist_ok=True)
    with pytest.raises(UserError, match=saying("runs.alpha_not_noted", key="adapter.alpha")):
        begin_from(run, 2, {"adapter.alpha": 16.0})


@pytest.mark.parametrize("text", ["{}", "[]", '{"run": "x", "step": "y", "folder": "z"}', ""])
def test_an_odd_record_of_the_origin_is_none(tmp_path, text):
    (tmp_path / "origin.json").write_text(text)
    assert origin_of(tmp_path) is None
    write_json(tmp_path / "origin.json", {"run": "x", "step": 3, "folder": "z"})
    assert origin_of(tmp_path) == Origin("x", 3, "z")

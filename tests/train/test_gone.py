"""Folders that are deleted while it trains."""

import shutil

import pytest
from said import says

from sdlora.commands.shared.terminal import follow
from sdlora.events import Finished, StepDone
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.train import loop

pytestmark = pytest.mark.slow


def deleting(monkeypatch, folder):
    """After step 2, ``folder`` is gone."""
    take = loop.take

    def taking(self, step):
        result = take(self, step)
        if step == 2:
            shutil.rmtree(folder)
        return result

    monkeypatch.setattr(loop, "take", taking)


def test_samples_that_are_deleted_are_drawn_on(make_run, monkeypatch):
    run, settings = make_run(**{"sample.every": 3, "train.steps": 4})
    deleting(monkeypatch, run.folder / "samples")
    assert follow(run, settings, plain=True) == 0
    assert {path.name for path in (run.folder / "samples").iterdir()} == {"000003_00.png", "000004_00.png"}
    assert [event.why for _, event in run.events() if isinstance(event, Finished)] == ["done"]


def test_a_run_folder_that_is_deleted_ends_the_run_in_one_sentence(make_run, monkeypatch, tmp_path, capsys):
    run, settings = make_run()
    monkeypatch.chdir(tmp_path)
    deleting(monkeypatch, run.folder)
    assert follow(run, settings, plain=True) == 1
    said = capsys.readouterr().out
    assert say("runs.folder_gone", path=run.folder) in said
    assert not list(tmp_path.glob("*error*")) and "system refused" not in said
    assert not [event for _, event in Run(run.folder).events() if isinstance(event, StepDone)]
    assert not run.folder.exists() and "--resume" not in said  # nothing is made anew under its name


def renaming(monkeypatch, folder, new):
    """After step 2, ``folder`` has another name."""
    take = loop.take

    def taking(self, step):
        result = take(self, step)
        if step == 2:
            folder.rename(new)
        return result

    monkeypatch.setattr(loop, "take", taking)


def test_a_run_folder_that_is_renamed_is_trained_on_under_its_new_name(make_run, monkeypatch, capsys):
    run, settings = make_run(**{"save.every": 3, "train.steps": 4})
    old, new = run.folder, run.folder.with_name("better name")
    renaming(monkeypatch, old, new)
    assert follow(run, settings, plain=True) == 0
    assert not old.exists() and (new / "test.safetensors").is_file()
    assert [event.step for _, event in Run(new).events() if isinstance(event, StepDone)] == [1, 2, 3, 4]
    assert [step for step, _ in Run(new).checkpoints()] == [3, 4] and Run(new).state() == "done"
    assert f"Your LoRA: {new / 'test.safetensors'}" in capsys.readouterr().out


def test_a_run_folder_that_is_moved_away_is_gone(make_run, monkeypatch, tmp_path, capsys):
    run, settings = make_run()
    renaming(monkeypatch, run.folder, tmp_path / "elsewhere")
    assert follow(run, settings, plain=True) == 1
    assert says(capsys.readouterr().out, "runs.folder_gone")
    assert not run.folder.exists() and (tmp_path / "elsewhere/settings.toml").is_file()

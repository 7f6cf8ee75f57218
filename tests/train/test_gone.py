"""Folders that are deleted while it trains."""

import shutil

import pytest

from sdlora.commands.shared.terminal import follow
from sdlora.events import Finished, StepDone
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
    assert f"The run folder {run.folder} is gone: deleted or renamed while it trained." in said
    assert not list(tmp_path.glob("*error*")) and "system refused" not in said
    assert not [event for _, event in Run(run.folder).events() if isinstance(event, StepDone)]

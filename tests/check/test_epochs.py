"""A run whose length is given in epochs: as many steps as the trainer's own plan takes, kept as steps."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from said import says

from sdlora.check import prepare, scan_for
from sdlora.data.captions import write_caption
from sdlora.data.dataset import Plan, hold_out
from sdlora.settings import dump_settings, load_settings, merge

SHAPES = ((96, 96), (96, 96), (96, 96), (96, 96), (96, 96), (192, 64), (192, 64), (64, 192))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shapes"
    folder.mkdir()
    for number, size in enumerate(SHAPES):
        Image.new("RGB", size, (number * 20, 90, 90)).save(folder / f"{number}.png")
        write_caption(folder / f"{number}.png", f"number {number}")
    return folder


def prepared(folder: Path, tmp_path: Path, **train):
    values = {f"train.{key}": value for key, value in train.items()}
    given = {"data.folder": str(folder), "model.base": "tiny", "run.folder": str(tmp_path / "runs"), "data.repeats": 3}
    ready = prepare(merge({}, given | {"validation.held_out": 2} | values))
    assert not ready.fatal
    return ready


@pytest.mark.parametrize(("batch", "accumulate", "epochs"), [(1, 1, 2), (4, 1, 3), (4, 2, 4), (5, 3, 1), (4, 7, 5)])
def test_so_many_epochs_show_each_image_so_often(folder, tmp_path, batch, accumulate, epochs):
    """The trainer's plan is carried out: the last epoch is whole, and the last step is needed for that."""
    ready = prepared(folder, tmp_path, batch_size=batch, accumulate=accumulate, epochs=epochs, seed=3)
    settings = ready.settings
    items = hold_out(scan_for(settings, ready.base).items, 2, 3)[0]
    plan = Plan(items, batch, 3, accumulate=accumulate)

    def least(steps: int) -> int:
        """How often the image is shown that is shown the least."""
        seen = Counter(i for step in range(1, steps + 1) for part in plan.at(step) for i in part)
        return min(seen[number] for number in range(len(items)))

    assert least(settings.train.steps) >= 3 * epochs
    assert least(settings.train.steps - 1) < 3 * epochs


def test_a_run_keeps_the_steps(folder, tmp_path):
    """So that it resumes the same though images were added meanwhile."""
    ready = prepared(folder, tmp_path, epochs=5, batch_size=2, steps=17)
    resolved = ready.resolved()
    assert (resolved.train.epochs, resolved.train.steps) == (None, ready.settings.train.steps)
    assert resolved.train.steps == prepared(folder, tmp_path, epochs=5, batch_size=2).settings.train.steps != 17
    told = [problem for problem in ready.problems if problem.where == "train.epochs"]
    assert [problem.fatal for problem in told] == [False] and says(str(told), "settings.leave_epochs_empty")
    (tmp_path / "settings.toml").write_text(dump_settings(resolved))
    assert load_settings(tmp_path / "settings.toml").train == resolved.train
    assert prepared(folder, tmp_path, steps=17).resolved().train.steps == 17


def test_several_devices_share_an_epoch(folder, tmp_path, monkeypatch):
    alone = prepared(folder, tmp_path, epochs=8).settings.train.steps
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun says it
    assert prepared(folder, tmp_path, epochs=8).settings.train.steps * 2 == alone

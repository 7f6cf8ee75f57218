"""The public names: lazy, the same for Python, ``dir`` and type checkers; and docs/python.md, whose code runs."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image
from test_imports import loaded_by

import sdlora

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_package_costs_nothing_until_a_name_is_used():
    assert not {"torch", "pydantic", "numpy", "diffusers"} & loaded_by("import sdlora; dir(sdlora)")
    assert "torch" not in loaded_by("from sdlora import load_settings, Settings, Run, UserError, train")
    assert "torch" in loaded_by("from sdlora import inject")


def test_every_public_name_is_there_for_all_who_ask():
    tree = ast.parse(Path(sdlora.__file__).read_text(encoding="utf-8"))
    (checkers,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.asname or alias.name: f"{node.module}:{alias.name}" for node in checkers.body for alias in node.names
    }
    assert sorted(imported) == sorted(sdlora.__all__) and set(sdlora.__all__) <= set(dir(sdlora))
    for name, place in imported.items():
        value = getattr(sdlora, name)
        assert callable(value)
        if name != "train":  # a room's name too
            module, _, attribute = place.partition(":")
            assert value is getattr(import_module(module), attribute)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        sdlora.trian  # noqa: B018
    assert set(re.findall(r"`(\w+)(?:\([^`]*\))?`(?=.* \| )", PAGE.read_text(encoding="utf-8"))) >= set(sdlora.__all__)


@pytest.mark.slow
def test_every_block_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    Image.effect_noise((128, 128), 90).convert("RGB").save(tmp_path / "pictures/cat.png")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    out = capsys.readouterr().out
    loss, trained, total = re.search(r"loss ([\d.]+), (\d+) of (\d+)", out).groups()
    assert float(loss) < 0.03 and int(trained) == 4 * (2 + 32) + 4 * (32 + 32) and int(total) > int(trained)
    run = sdlora.Run(names["file"].parent)
    assert run.state() == "done" and run.checkpoints()[-1][0] == 2 and re.search(r"\d+ layers 16", out)


@pytest.mark.slow
def test_what_a_watcher_raises_ends_the_training_and_keeps_the_last_step(tmp_path, images):
    values = {
        "model": {"base": "tiny"}, "data": {"folder": str(images), "cache": str(tmp_path / "c")},
        "train": {"steps": 3}, "sample": {"every": 0}, "run": {"folder": str(tmp_path / "runs")},
    }  # fmt: skip

    def watch(event):
        if event.kind == "step":
            raise ZeroDivisionError("enough")

    with pytest.raises(ZeroDivisionError):
        sdlora.train(sdlora.make_settings(values), watch)
    (run,) = sdlora.list_runs(tmp_path / "runs")
    assert run.state() == "failed" and run.checkpoints()[-1][0] == 1 and not run.alive()
    file = sdlora.train(run)
    assert file.is_file() and run.state() == "done" and run.checkpoints()[-1][0] == 3


def test_all_problems_are_raised_at_once_and_nothing_is_made(tmp_path):
    settings = sdlora.make_settings({"data": {"folder": str(tmp_path / "no")}, "run": {"folder": str(tmp_path / "r")}})
    settings.model.base = "nothing"
    with pytest.raises(sdlora.UserError) as told:
        sdlora.train(settings)
    assert len(told.value.problems) >= 2 and not (tmp_path / "r").exists()

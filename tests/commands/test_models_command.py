"""`sdlora models`: the list, for people and for programs, and the folders to look in."""

import json

import pytest

from sdlora.cli import main
from sdlora.families.base import inspect_base
from sdlora.messages import say


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of one's own, without anything of this computer."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "APPDATA", "INVOKEAI_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr("sdlora.models.places.SYSTEM", ())
    (tmp_path / "here" / "now").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "now")
    return tmp_path


def told(capsys, *argv):
    status = main(["models", *map(str, argv)])
    return status, *capsys.readouterr()


def test_models_are_listed_with_what_they_are(home, capsys, base_folder):
    assert told(capsys)[1].strip() == say("terminal.no_models", count=0)
    assert told(capsys, "--add", base_folder.parent)[0] == 0
    status, out, _ = told(capsys)
    (line,) = [line for line in out.splitlines() if line.endswith(str(base_folder))]
    info = inspect_base(str(base_folder))
    assert status == 0 and line.startswith(str(info.described))
    assert str(base_folder.parent) in told(capsys, "--places")[1]
    lines = [json.loads(line) for line in told(capsys, "--json")[1].splitlines()]
    (one,) = [line for line in lines if line["base"] == str(base_folder)]
    assert (one["family"], one["prediction"]) == (info.family, info.prediction) and one["bytes"] > 0
    told(capsys, "--forget", base_folder.parent)
    assert told(capsys, "--json")[1] == ""
    assert json.loads(told(capsys, base_folder.parent, "--json")[1].splitlines()[0])["base"]  # named, not remembered
    status, _, err = told(capsys, "--add", home / "none")
    assert status == 1 and err.startswith(say("models.folder_missing", path=home / "none"))

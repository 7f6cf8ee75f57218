"""`launch.py doctor` and `launch.py update`: what they find, with real git folders where git is meant."""

import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest
from launcher import Stop, doctor
from launcher import update as update_module
from launcher.main import main
from launcher.update import update
from launching import one_sentence, options


@pytest.fixture
def examined(made, monkeypatch):
    """What is found of the installation that ``made`` makes."""

    def find(look, **changed) -> dict[str, bool]:
        monkeypatch.setattr(doctor, "Installer", lambda given: real(given, made.venv))
        return {text: good for good, text in look(options(**changed))}

    real = doctor.Installer
    return find


def wrong(found: dict[str, bool]) -> list[str]:
    return [text for text, good in found.items() if not good]


def test_an_installation_is_told_as_it_stands(made, examined, monkeypatch):
    (nothing,) = wrong(examined(doctor.installed))
    assert "Nothing is installed" in nothing
    made.ensure()
    monkeypatch.setattr(doctor, "loads", lambda python, build: iter(()))
    assert wrong(examined(doctor.installed)) == []
    monkeypatch.setattr(doctor, "fingerprint", lambda: "newer")
    assert "brings it up to date" in wrong(examined(doctor.installed))[0]
    made.venv.joinpath("bin/python").unlink()
    assert "is gone" in wrong(examined(doctor.installed))[0]
    (made.venv / "sdlora.json").unlink()
    assert "interrupted" in wrong(examined(doctor.installed))[0]


def test_packages_that_do_not_load_are_told_with_the_cause(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: libcudart.so.13'\nexit 1\n")
    broken.chmod(0o755)
    ((good, text),) = doctor.loads(str(broken), "cpu")
    assert not good and "libcudart" in text and one_sentence(text)
    broken.write_text("#!/bin/sh\necho 2.13.0 False\n")
    assert [good for good, _ in doctor.loads(str(broken), "cu130")] == [True, False]
    assert [good for good, _ in doctor.loads(str(broken), "cpu")] == [True]


def test_the_folder_and_the_disk(made, examined, monkeypatch):
    assert wrong(examined(doctor.folder)) == []
    monkeypatch.setattr(doctor, "ROOT", made.folder / "OneDrive" / "sdlora")
    (made.folder / "OneDrive" / "sdlora").mkdir(parents=True)
    assert "OneDrive" in wrong(examined(doctor.folder))[0]
    assert wrong(examined(doctor.room)) == []
    made.free = 1e9
    assert "free some" in wrong(examined(doctor.room))[0]


def test_windows_long_path_is_told(made, examined, monkeypatch):
    monkeypatch.setattr(doctor.os, "name", "nt")
    monkeypatch.setattr(doctor, "long_paths_allowed", lambda: False)
    deep = made.folder / ("x" * 100) / ("y" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setattr(doctor, "ROOT", deep)
    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", lambda dir: nullcontext())
    told = wrong(examined(doctor.folder))
    monkeypatch.undo()
    assert len(told) == 1 and "characters" in told[0]


def test_the_command_tells_all_and_its_exit_code(monkeypatch, capsys):
    looks = (lambda given: iter([(True, "fine")]), lambda given: iter([(False, "Broken: mend it.")]))
    monkeypatch.setattr(doctor, "port_free", lambda port: iter([(True, "port")]))
    monkeypatch.setattr(doctor, "LOOKS", looks[:1])
    assert main(["doctor"]) == 0
    monkeypatch.setattr(doctor, "LOOKS", looks)
    assert main(["doctor"]) == 1
    assert "PROBLEM  Broken: mend it." in capsys.readouterr().out


# ---- update


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A clone of a repository with one file; what is called after a pull is only noted."""
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init")
    commit(origin, "first")
    git(tmp_path, "clone", "origin", "clone")
    monkeypatch.setattr(update_module, "ROOT", tmp_path / "clone")
    monkeypatch.setattr(update_module, "run", lambda command: called.append(command[-1]) or 0)
    called: list[str] = []
    (tmp_path / "clone").joinpath("called").mkdir()
    monkeypatch.setattr(update_module, "called", called, raising=False)
    return tmp_path / "clone"


def commit(folder: Path, text: str) -> None:
    (folder / "file.txt").write_text(text)
    git(folder, "add", "file.txt")
    git(folder, "commit", "-m", text)


def test_an_update_brings_what_is_new_and_installs_it(clone):
    commit(clone.parent / "origin", "second")
    assert update(options()) == 0
    assert (clone / "file.txt").read_text() == "second" and update_module.called == ["install"]


@pytest.mark.parametrize(
    "obstacle, words",
    [
        ("changed", "git stash"),
        ("own commit", "git pull --rebase"),
        ("no source", "clone sdlora anew"),
        ("gone", "network"),
    ],
)
def test_what_is_in_the_way_is_one_sentence(clone, obstacle, words):
    commit(clone.parent / "origin", "second")
    if obstacle == "changed":
        (clone / "file.txt").write_text("mine")
    elif obstacle == "own commit":
        commit(clone, "mine")
    elif obstacle == "no source":
        git(clone, "remote", "remove", "origin")
    else:
        git(clone, "remote", "set-url", "origin", "https://127.0.0.1:9/x.git")
    with pytest.raises(Stop) as stop:
        update(options())
    assert one_sentence(str(stop.value)) and words in str(stop.value) and update_module.called == []


def test_without_git_the_way_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(update_module, "ROOT", tmp_path)
    with pytest.raises(Stop) as stop:
        update(options())
    assert one_sentence(str(stop.value)) and "unpack" in str(stop.value)

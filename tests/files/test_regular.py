"""Only regular files are opened: against the kinds of file that a system has."""

import os
import socket
from pathlib import Path

import pytest
from said import saying

from sdlora.errors import UserError
from sdlora.families.shared import header
from sdlora.families.shared.header import read_header
from sdlora.files.intact import digest_of, read_json
from sdlora.files.regular import NotRegular, open_regular, read_regular
from sdlora.foreign import import_file
from sdlora.lorafiles.stream import TensorFile
from sdlora.pictures.job import read_job
from sdlora.runs.run import Run
from sdlora.settings.machine import read_toml
from sdlora.toolbox.unpickle import read_pickle
from ui.shell.view import RunView


def test_files_and_links_to_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc\r\n\x1a")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert read_regular(tmp_path / "x") == read_regular(tmp_path / "link") == b"abc\r\n\x1a"
    assert read_regular(tmp_path / "x", 2) == b"ab"
    with open_regular(tmp_path / "x") as file:
        assert file.read(1) == b"a" and file.seek(3) == 3
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "gone")


@pytest.mark.skipif(os.name == "nt", reason="the kinds of file of Unix")
@pytest.mark.timeout(20)
def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("sock")
        opened = []
        real = os.open
        monkeypatch.setattr(os, "open", lambda *a, **k: opened.append(a[0]) or real(*a, **k))
        for name, kind in (
            ("pipe", saying("files.thing_pipe")),
            ("zero", saying("files.thing_device")),
            ("sock", saying("files.thing_socket")),
            (".", saying("files.thing_folder")),
        ):
            with pytest.raises(NotRegular, match=kind):
                open_regular(tmp_path / name)
        assert opened == []


@pytest.mark.skipif(os.name == "nt", reason="the kinds of file of Unix")
@pytest.mark.timeout(20)
def test_a_file_that_becomes_a_pipe_in_between_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    real = os.stat

    def swap(path: object) -> os.stat_result:
        found = real(path)
        (tmp_path / "x").unlink()
        os.mkfifo(tmp_path / "x")
        return found

    monkeypatch.setattr(os, "stat", swap)
    with pytest.raises(NotRegular, match=saying("files.thing_pipe")):
        open_regular(tmp_path / "x")


@pytest.mark.skipif(os.name == "nt", reason="the kinds of file of Unix")
@pytest.mark.timeout(60)
def test_no_reader_waits_for_a_pipe(tmp_path: Path) -> None:
    """Each reader of a file that may lie in a run, a cache or beside a model: one would wait for ever."""
    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    view = RunView(tmp_path)
    os.mkfifo(tmp_path / "events.jsonl")
    assert not view.update() and list(Run(tmp_path).events()) == []
    assert header.read_json_object(pipe) == {}
    for read in (digest_of, read_json):
        with pytest.raises(NotRegular):
            read(pipe)
    for read in (read_toml, import_file, read_header, TensorFile, read_pickle, read_job):
        with pytest.raises(UserError, match="pipe"):
            read(pipe)

"""Captioning a folder: modes, one picture or all, a stop and going on, undo; by the command, against a fake server."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from captioned import caption_of
from chat_server import saying_so, server
from PIL import Image
from said import says

from sdlora.captioners import CAPTIONERS, Captioner, job
from sdlora.captioners.job import Wish, caption_folder
from sdlora.cli import main
from sdlora.data.history import History
from sdlora.errors import UserError
from sdlora.messages import say


@pytest.fixture
def folder(tmp_path):
    """Four pictures of one grey level each; the first two have captions, in two kinds of files."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (number, number, number)).save(folder / f"{number}.png")
    (folder / "0.txt").write_text("old")
    (folder / "1.caption").write_text("older")
    return folder


def grey(picture):
    return f"grey {picture.getpixel((0, 0))[0]}"


@pytest.fixture
def captioner(monkeypatch):
    """What it is told to say; it may be changed to fail."""
    says_so = {"of": grey}
    made = Captioner("made up", "says the grey level", "tags", lambda options: lambda picture: says_so["of"](picture))
    monkeypatch.setitem(CAPTIONERS, "made up", made)
    return says_so


def texts(folder):
    return [caption_of(folder / f"{number}.png") for number in range(4)]


def test_the_modes_and_undo(folder, captioner):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = caption_folder(folder, Wish("made up"))
    assert (done.written, done.skipped) == (2, 2) and texts(folder) == ["old", "older", "grey 2", "grey 3"]
    History(folder).undo()
    caption_folder(
        folder, Wish("made up", mode="append", trigger="zib", unwanted=("grey 3",), images=("0.png", "1.png"))
    )
    assert texts(folder)[:2] == ["zib, old, grey 0", "zib, older, grey 1"]
    done = caption_folder(folder, Wish("made up", mode="replace", unwanted=("grey 3",)))
    assert texts(folder)[:3] == ["grey 0", "grey 1", "grey 2"] and done.silent == ["3.png"]
    assert History(folder).last().words == "made up" and History(folder).last().count == 3
    while History(folder).last():
        History(folder).undo()
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("mode", ["skip", "append", "replace"])
def test_a_job_that_was_cut_off_goes_on_where_it_was(folder, captioner, mode):
    before, seen = texts(folder), []

    def cut_off(picture):
        if len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(grey(picture))
        return seen[-1]

    captioner["of"] = cut_off
    with pytest.raises(KeyboardInterrupt):
        caption_folder(folder, Wish("made up", mode=mode))
    first = seen.copy()
    captioner["of"] = lambda picture: seen.append(grey(picture)) or seen[-1]
    done = caption_folder(folder, Wish("made up", mode=mode))
    wanted = [f"grey {n}" for n in range(4)] if mode != "skip" else ["grey 2", "grey 3"]
    assert seen == wanted and len(first) == 1 and done.written == len(wanted) - 1
    assert History(folder).undo() == ([folder / f"{n}.png" for n in range(4 - len(wanted), 4)], 0)
    assert texts(folder) == before
    caption_folder(folder, Wish("made up", mode=mode))  # finished and undone: from the beginning
    assert seen == wanted * 2


def test_a_picture_that_fails_is_named_and_three_in_a_row_are_enough(folder, captioner):
    (folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")

    def fails(picture):
        raise ValueError("no such task")

    captioner["of"] = lambda picture: fails(picture) if grey(picture) == "grey 2" else grey(picture)
    done = caption_folder(folder, Wish("made up", mode="replace"))
    assert done.written == 2 and [p.where for p in done.problems] == ["0.png", "2.png"]
    assert says(done.problems[1].what, "captioning.broke_off", reason="no such task")
    captioner["of"] = fails
    with pytest.raises(UserError):
        caption_folder(folder, Wish("made up", mode="replace"))
    assert texts(folder)[1] == "grey 1"


def test_captions_are_there_as_they_come(folder, captioner, monkeypatch):
    monkeypatch.setattr(job, "PACE", 0)
    there = []
    caption_folder(folder, Wish("made up"), lambda step: there.append((step.done, step.of, texts(folder)[2])))
    assert there == [(1, 2, "grey 2"), (2, 2, "grey 2")]


def test_the_command_tells_undoes_and_refuses(folder, capsys, monkeypatch):
    with server(lambda asked: saying_so("a grey square"), ["m"]) as (address, asked):
        assert main(["caption", str(folder), "--server", address, "--json"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert lines[0] == {"done": 1, "of": 2, "name": "2.png", "caption": "a grey square"}
        assert lines[-1]["report"]["written"] == 2 and len(asked) == 2
        assert main(["caption", str(folder), "--undo"]) == 0
        assert say("captioning.undone", count=2) in capsys.readouterr().out and not (folder / "2.txt").exists()
        assert main(["caption", str(folder), "--server", address, "--mode=replace", "--image", "3.png"]) == 0
        assert texts(folder)[3] == "a grey square" and texts(folder)[0] == "old"
    History(folder).write({folder / "0.png": "by hand"}, "one", "0.png")
    assert main(["caption", str(folder), "--undo"]) == 1
    assert texts(folder)[0] == "by hand"
    for wrong, key in (
        (["--image", "9.png"], "captioning.no_such_picture"),
        (["--server", address, "--model=m"], "captioning.no_server"),
        (["--with=blip"], "captioning.no_model"),
    ):
        assert main(["caption", str(folder), "--mode=replace", *wrong]) == 1
        told = capsys.readouterr()
        assert says(told.out + told.err, key), wrong
    assert main(["caption", str(folder / "none")]) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal that a process can answer")
def test_a_process_that_is_ended_keeps_what_came_and_goes_on(folder):
    """The page stops it this way."""

    def slowly(asked):
        time.sleep(0.7)
        return saying_so("a grey square")

    with server(slowly, ["m"]) as (address, asked):
        command = [
            sys.executable,
            "-m",
            "sdlora",
            "caption",
            str(folder),
            "--mode=replace",
            f"--server={address}",
            "--json",
        ]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.readline()  # the first has come, and is not written yet
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 130
        assert texts(folder)[0] == "a grey square" and texts(folder)[3] == ""
        assert not list(folder.glob(".*.tmp"))
        before = len(asked)
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60)
        assert json.loads(done.stdout.splitlines()[-1])["report"]["written"] == 4
        assert len(asked) - before in (2, 3)  # one may have been asked when it was ended
    assert History(folder).undo() == ([folder / f"{n}.png" for n in range(4)], 0)
    assert texts(folder)[0] == "old"

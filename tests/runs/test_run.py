"""The run folder: whole events, true states, safe names."""

from said import saying
import json
import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlora.errors import UserError
from sdlora.events import Finished, Sampled, Started, StepDone, from_line, to_line
from sdlora.messages import say
from sdlora.runs.run import Run, list_runs, safe_name
from sdlora.settings import dump_settings, make_settings


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "runs", "cat toy", "")


@pytest.mark.skipif(os.name != "posix", reason="a lock there can't be looked at")
@pytest.mark.parametrize("error", [PermissionError(13, "no"), OSError(30, "Read-only file system")])
def test_a_run_that_may_only_be_read_is_listed(run, monkeypatch, error):
    """A backup, another person's run: whether it trains is read from its lock all the same."""
    run.write(StepDone(1, 0.5, 1e-4, 1.0, 0))
    run.open_lock()
    only_read = Run(run.folder)

    def acquire(lock, *args, **options):
        raise error

    monkeypatch.setattr(type(only_read._lock), "acquire", acquire)
    assert only_read.state() == "running"
    run.close_lock()
    assert only_read.state() == "interrupted"


@given(st.text(max_size=300))
def test_any_text_gives_a_safe_name(text):
    name = safe_name(text)
    assert name == os.path.basename(name) and name not in ("", ".", "..") and len(name) <= 60
    assert not set(name) & set('<>:"/\\|?*\0 ') and not name.startswith((".", "-"))
    assert name.upper().split(".")[0] not in ("CON", "NUL", "COM1")


def test_events_survive_the_file_and_torn_lines(run):
    told = [Started(0, 4, 2, 10, 20, 30, "cpu"), StepDone(1, 0.5, 1e-4, 0.1), Sampled(1, ["a\nb.png"])]
    for event in told[:2]:
        run.write(event)
    with open(run.folder / "events.jsonl", "ab") as file:
        file.write(b'{"kind": "step", "time": 1.0, "st')  # the power went
    run.write(told[2])
    assert [e for _, e in run.events()] == told


def test_numbers_in_events_are_finite_or_null():
    line = to_line(StepDone(1, math.nan, math.inf, 0.1), 5.0)
    assert "NaN" not in line and "Infinity" not in line
    assert math.isnan(from_line(line)[1].loss)


@given(st.text(), st.integers(0, 10**6), st.integers(1, 255))
def test_a_line_that_was_changed_is_passed_over(text, place, bits):
    event = Sampled(7, [text, "b.png"])
    line = to_line(event, 5.0)
    json.loads(line)  # still one JSON object
    assert from_line("[" * 100_000) is None
    assert from_line(line) == (5.0, event) == from_line(line + "\n")
    data = bytearray(line.encode())
    data[place % len(data)] ^= bits
    changed = from_line(data.decode("utf-8", "replace"))
    assert changed in (None, (5.0, event))  # the same: where the name of the checksum itself was hit


@given(st.text())
def test_no_line_breaks_the_reader(line):
    assert from_line(line) is None or line


def test_a_lock_tells_life_whatever_was_written(run):
    code = (
        "import sys, time; from sdlora.runs.run import Run; from sdlora.events import Started;"
        "r = Run(sys.argv[1]); r.open_lock(); r.write(Started(0, 1, 1, 1, 1, 1, 'cpu')); print('up', flush=True);"
        "time.sleep(600)"
    )
    trainer = subprocess.Popen([sys.executable, "-c", code, str(run.folder)], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout.readline() == "up\n"
    assert run.alive() and run.state() == "running"
    trainer.kill()
    trainer.wait()
    assert not run.alive() and run.state() == "interrupted"
    run.write(Finished(0, "done"))
    assert run.state() == "done"


def test_names_never_collide(tmp_path):
    runs = [Run.create(tmp_path, "same", "") for _ in range(3)]
    assert len({r.folder for r in runs}) == 3
    assert {r.folder for r in list_runs(tmp_path)} == {r.folder for r in runs}


def test_runs_of_one_minute_are_newest_first_whatever_their_names(tmp_path):
    for number, name in enumerate(("2026-11-21_1532_b", "2026-11-21_1532_a", "2026-11-21_1530_c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.toml").touch()
        os.utime(tmp_path / name / "settings.toml", (number, number))
    assert [run.name[-1] for run in list_runs(tmp_path)] == ["a", "b", "c"]


def test_a_run_that_has_no_place_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=saying("images.folder_is_file")):
        Run.create(tmp_path / "file", "x", "")


def test_old_checkpoints_go(run):
    for step in (5, 100, 20):
        (run.folder / "checkpoints" / f"{step:06d}").mkdir()
    (run.folder / "checkpoints" / ".000200.tmp").mkdir()
    run.drop_old_checkpoints(0)
    assert [s for s, _ in run.checkpoints()] == [5, 20, 100]
    run.drop_old_checkpoints(2)
    assert [s for s, _ in run.checkpoints()] == [20, 100]


WHOLE = dump_settings(make_settings({"train": {"steps": 12}}))


@pytest.fixture
def whole(tmp_path):
    return Run.create(tmp_path / "runs", "whole", WHOLE)


def test_a_run_knows_its_own_settings(whole):
    path = whole.folder / "settings.toml"
    assert whole.settings().train.steps == 12
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))  # an editor on Windows saved it
    assert whole.settings() == make_settings({"train": {"steps": 12}})


def test_settings_that_were_cut_at_any_line_are_named(whole):
    path = whole.folder / "settings.toml"
    lines = path.read_text().splitlines(keepends=True)
    end = next(n for n, line in enumerate(lines) if line.startswith("folder") and n > len(lines) - 6)
    for kept in range(end + 1):
        path.write_text("".join(lines[:kept]))
        with pytest.raises(UserError, match=say("runs.settings_cut_off", name=whole.name)):
            whole.settings()


@pytest.mark.parametrize("change", [("steps = 12", "steps = 10"), ("lr = 0.0001\n", ""), ("seed = 0", "seed = 1")])
def test_settings_that_were_edited_are_named_and_can_be_taken(whole, change):
    path = whole.folder / "settings.toml"
    text = path.read_text().replace(*change, 1)
    assert text != path.read_text()
    path.write_text(text)
    with pytest.raises(UserError, match=saying("runs.settings_edited", name=whole.name) + " " + saying("runs.unseal_or_restore")):
        whole.settings()
    path.write_text("".join(text.splitlines(keepends=True)[:-1]))  # as the sentence says
    assert whole.settings().train.steps in (10, 12)


@pytest.mark.parametrize("name", ["a" * 300, "猫" * 200, "a\0b", "", "."])
def test_what_is_no_run_is_told_in_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=saying("runs.not_a_run")) as told:
        Run.open(name)
    assert len(str(told.value)) < 300


def test_odd_files_in_a_run_stop_nobody(whole):
    for name in ("lock", "events.jsonl"):
        (whole.folder / name).mkdir()
    (whole.folder / "checkpoints" / "²").mkdir()
    (whole.folder / "checkpoints" / "000004").mkdir()
    assert (whole.state(), list(whole.events()), [step for step, _ in whole.checkpoints()]) == ("new", [], [4])

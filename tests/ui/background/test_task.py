"""Commands in the background: how far they are is read from what they write, however they end."""

import sys
import time
from pathlib import Path

import pytest

from ui.background.table import JOBS
from ui.background.task import Task, TaskState


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task whose command is the Python code that it is started with."""
    monkeypatch.setitem(JOBS, "code", lambda folder, code: [sys.executable, "-c", code, str(folder)])
    return Task("code", tmp_path / "tasks", patience=60)


def ended(task: Task) -> TaskState:
    task.wait(60)
    assert not task.running
    return task.state()


def test_progress_is_read_while_it_runs_and_the_folder_goes(task, tmp_path):
    go = tmp_path / "go"
    code = f"""
import json, pathlib, sys, time
print("a library's words")
print(json.dumps({{"done": 1, "of": 2}}), flush=True)
print('{{"done": 2, "o', end="", flush=True)
while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)
print('f": 2}}')
print(json.dumps({{"described": (pathlib.Path(sys.argv[1]) / "asked.txt").read_text()}}), end="")
"""
    assert task.state() is None
    assert task.start(code, files={"asked.txt": "what"})
    assert not task.start("another")  # one at a time
    end = time.monotonic() + 60
    while not task.state().reported and time.monotonic() < end:
        time.sleep(0.02)
    assert task.state() == TaskState((code,), runs=True, reported={"done": 1, "of": 2})
    go.touch()
    assert ended(task) == TaskState((code,), reported={"done": 2, "of": 2, "described": "what"})
    assert list((tmp_path / "tasks").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import sys; sys.exit('first\\nThe hub said no.\\nDetails: error.txt')", "The hub said no."),
        ("import os; os._exit(9)", ""),
        ("raise SystemExit('x' * 9000)", "x" * 500),
        ("import sys; sys.stderr.buffer.write(bytes([255, 10])); sys.exit(1)", "\ufffd"),
    ],
)
def test_what_fails_says_its_last_words(task, code, problem):
    assert task.start(code)
    assert ended(task) == TaskState((code,), failed=True, problem=problem)


def test_what_takes_too_long_is_ended(task):
    task.patience = 0.2
    task.start("import sys, time; print('slow', file=sys.stderr, flush=True); time.sleep(600)")
    assert (ended(task).failed, ended(task).problem) == (True, "")
    task.patience = 60
    assert task.start("print('{}')")  # and another may begin
    assert not ended(task).failed


def test_no_process_is_a_failure_like_any_other(task, tmp_path, monkeypatch):
    monkeypatch.setitem(JOBS, "code", lambda folder, code: [str(tmp_path / "no-such-program")])
    task.start("")
    assert ended(task).failed and "no-such-program" in ended(task).problem
    Path(tmp_path / "tasks").rmdir()
    (tmp_path / "tasks").write_text("a file where the folder should be")
    task.start("")
    assert ended(task).failed


def test_whoever_started_it_hears_the_end_before_another_can_begin(task):
    heard = []
    task.start("print('{\"a\": 1}')", ended=lambda state: heard.append((state.reported, task.running)))
    ended(task)
    assert heard == [({"a": 1}, True)]

"""Trainers as processes of their own."""

import os
import shutil
import signal
import sys
import time

import pytest
from serve_fake import trainers as fake_trainers

from sdlora.events import Started
from sdlora.runs.run import Run
from sdlora.settings import make_settings
from ui.shell.process import Trainers, draw_command, export_command, resume_command, train_command
from ui.shell.queue import Queue
from ui.shell.watch import Watch


@pytest.fixture
def settings(tmp_path):
    values = {"train": {"steps": 8}, "save": {"every": 2}, "run": {"folder": str(tmp_path / "runs"), "name": "a/b ü"}}
    return make_settings(values | {"sample": {"prompts": ["x"], "every": 4}})


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.02")


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def watch_of(tmp_path, trainers):
    return Watch(tmp_path / "runs", Queue(tmp_path / "runs", trainers))


def state_of(watch, name):
    watch.refresh(force=True)
    found = watch.get(name)
    return found and found[1]


def test_the_commands_are_those_of_the_command_line(tmp_path):
    assert train_command(tmp_path) == [sys.executable, "-m", "sdlora", "train", "--run", str(tmp_path)]
    assert draw_command(tmp_path) == [sys.executable, "-m", "sdlora", "draw", str(tmp_path)]
    assert export_command(tmp_path, ["--step", "3"])[2:] == ["sdlora", "export", str(tmp_path), "--step", "3"]
    assert resume_command(tmp_path) == [sys.executable, "-m", "sdlora", "train", "--resume", str(tmp_path)]


def test_a_run_from_start_to_file(settings, fast, tmp_path):
    watch = watch_of(tmp_path, fake_trainers())
    run = watch.queue.add(settings)
    assert state_of(watch, run.name) in ("starting", "running")
    wait(lambda: state_of(watch, run.name) == "done")
    view, _ = watch.get(run.name)
    assert (view.step, len(view.losses.points()), sorted(view.samples)) == (8, 8, [0, 4, 8])
    assert [path.name for _, path, _ in view.lora_files()] == ["a-b-ü.safetensors"]
    assert [step for step, _ in run.checkpoints()] == [2, 4, 6, 8]
    watch.trainers.export(run, 4, "diffusers", "fp32")
    wait(lambda: len(view.lora_files()) == 2 and not watch.trainers.exporting(run.name))
    assert [(step, path.name, final) for step, path, final in view.lora_files()] == [
        (8, "a-b-ü.safetensors", True),
        (4, "a-b-ü-000004-diffusers-fp32.safetensors", False),
    ]
    assert not watch.trainers.export_failed(run.name)


def test_an_export_that_fails_says_so(settings, tmp_path):
    fails = [sys.executable, "-c", "raise SystemExit('no')"]
    watch = watch_of(tmp_path, Trainers(export=lambda folder, options: fails))
    run = Run.create(tmp_path / "runs", "x", "")
    watch.trainers.export(run, 1)
    wait(lambda: watch.trainers.export_failed(run.name))
    assert (run.folder / "exports" / "log.txt").read_text().strip() == "no"


def test_the_trainer_is_cut_off_from_the_page(settings, tmp_path, monkeypatch):
    script = (
        "import os, sys; print(os.getsid(0) == os.getpid(), 'SDLORA_PASSWORD' in os.environ, repr(sys.stdin.read()))"
    )
    monkeypatch.setenv("SDLORA_PASSWORD", "very secret")
    queue = Queue(tmp_path / "runs", Trainers(train=lambda folder: [sys.executable, "-c", script]))
    run = queue.add(settings)
    wait(lambda: queue.current() is None)
    assert (run.folder / "log.txt").read_text().strip() == "True False ''"


def test_a_killed_trainer_is_seen_and_resumed(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.1")
    watch = watch_of(tmp_path, fake_trainers())
    run = watch.queue.add(settings)
    wait(lambda: state_of(watch, run.name) == "running" and watch.get(run.name)[0].step >= 3)
    os.kill(watch.queue.current().process.pid, signal.SIGKILL)
    wait(lambda: state_of(watch, run.name) == "interrupted", 3)
    assert watch.live() is None
    run.request("stop")  # asked of a trainer that is gone: the next one must not obey it
    watch.queue.add_resume(run)
    wait(lambda: state_of(watch, run.name) == "done")
    starts = [event.step for _, event in run.events() if isinstance(event, Started)]
    assert len(starts) == 2 and starts[1] >= 2


def test_a_trainer_that_fails_at_once_says_so(settings, tmp_path):
    watch = watch_of(tmp_path, Trainers(train=lambda folder: [sys.executable, "-c", "raise SystemExit('no torch')"]))
    run = watch.queue.add(settings)
    wait(lambda: state_of(watch, run.name) == "new")
    assert watch.get(run.name)[0].log_tail() == "no torch"


def test_runs_of_other_programs_are_seen(settings, tmp_path):
    watch = watch_of(tmp_path, Trainers())
    watch.refresh()
    assert (watch.names(), watch.live()) == ((), None)
    run = Run.create(tmp_path / "runs", "theirs", "")
    run.write(Started(0, 5, 1, 1, 1, 1, "cpu"))
    holder = Run(run.folder)
    holder.open_lock()
    assert state_of(watch, run.name) == "running"
    assert watch.live() == run.name
    holder.close_lock()
    assert state_of(watch, run.name) == "interrupted"


def test_a_run_that_ended_long_ago_is_seen_when_somebody_goes_on_with_it(tmp_path, monkeypatch):
    """Ended runs are only looked at now and then, by the size of their events."""
    watch = watch_of(tmp_path, Trainers())
    run = Run.create(tmp_path / "runs", "old", "")
    run.write(Started(0, 5, 1, 1, 1, 1, "cpu"))
    watch.refresh()
    assert watch.get(run.name)[1] == "interrupted"
    holder = Run(run.folder)
    holder.open_lock()
    run.write(Started(0, 5, 1, 1, 1, 1, "cpu"))
    begin = time.monotonic()
    wait(lambda: watch.refresh() or watch.get(run.name)[1] == "running", 10)
    assert time.monotonic() - begin < 2
    holder.close_lock()
    wait(lambda: watch.refresh() or watch.get(run.name)[1] == "interrupted", 10)


def test_runs_appear_and_go_without_being_asked_for(tmp_path):
    watch = watch_of(tmp_path, Trainers())
    watch.refresh()
    run = Run.create(tmp_path / "runs", "new", "")
    wait(lambda: watch.refresh() or run.name in watch.names(), 5)
    shutil.rmtree(run.folder)
    wait(lambda: watch.refresh() or watch.names() == (), 5)

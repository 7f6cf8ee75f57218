"""Trainers as processes of their own."""

import os
import signal
import sys
import threading
import time

import pytest
from serve_fake import trainers as fake_trainers

from sdlora.config import make_settings
from sdlora.errors import UserError
from sdlora.events import Started
from sdlora.run import Run, list_runs
from ui.process import Trainers, resume_command, train_command
from ui.watch import Watch


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


def state_of(watch, name):
    watch.refresh(force=True)
    found = watch.get(name)
    return found and found[1]


def test_the_commands_are_those_of_the_command_line(tmp_path):
    assert train_command(tmp_path) == [sys.executable, "-m", "sdlora", "train", "--run", str(tmp_path)]
    assert resume_command(tmp_path) == [sys.executable, "-m", "sdlora", "train", "--resume", str(tmp_path)]


def test_a_run_from_start_to_file(settings, fast, tmp_path):
    watch = Watch(tmp_path / "runs", fake_trainers())
    run = watch.trainers.start(settings, watch.busy)
    assert state_of(watch, run.name) in ("starting", "running")
    wait(lambda: state_of(watch, run.name) == "done")
    view, _ = watch.get(run.name)
    assert (view.step, len(view.losses.points()), sorted(view.samples)) == (8, 8, [0, 4, 8])
    assert [path.name for _, path, _ in view.lora_files()] == ["a-b-ü.safetensors"]
    assert [step for step, _ in run.checkpoints()] == [2, 4, 6, 8]
    watch.trainers.export(run, 4)
    wait(lambda: len(view.lora_files()) == 2 and not watch.trainers.exporting(run.name))
    assert [(step, path.name, final) for step, path, final in view.lora_files()] == [
        (8, "a-b-ü.safetensors", True),
        (4, "a-b-ü-000004.safetensors", False),
    ]


def test_the_trainer_is_cut_off_from_the_page(settings, tmp_path, monkeypatch):
    script = (
        "import os, sys; print(os.getsid(0) == os.getpid(), 'SDLORA_PASSWORD' in os.environ, repr(sys.stdin.read()))"
    )
    monkeypatch.setenv("SDLORA_PASSWORD", "very secret")
    trainers = Trainers(train=lambda folder: [sys.executable, "-c", script])
    run = trainers.start(settings, lambda: None)
    wait(lambda: not trainers.starting(run.name))
    assert (run.folder / "log.txt").read_text().strip() == "True False ''"


def test_two_clicks_start_one_run(settings, tmp_path):
    sleeper = Trainers(train=lambda folder: [sys.executable, "-c", "import time; time.sleep(30)"])
    watch = Watch(tmp_path / "runs", sleeper)
    refused = []

    def click():
        try:
            sleeper.start(settings, watch.busy)
        except UserError as error:
            refused.append(str(error))

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    assert len(list_runs(tmp_path / "runs")) == 1
    assert len(refused) == 3 and all("is training" in sentence for sentence in refused)
    for process in sleeper._started.values():
        process.kill()
        process.wait()


def test_a_killed_trainer_is_seen_and_resumed(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.1")
    watch = Watch(tmp_path / "runs", fake_trainers())
    run = watch.trainers.start(settings, watch.busy)
    wait(lambda: state_of(watch, run.name) == "running" and watch.get(run.name)[0].step >= 3)
    os.kill(watch.trainers._started[run.name].pid, signal.SIGKILL)
    wait(lambda: state_of(watch, run.name) == "interrupted", 3)
    assert watch.live() is None
    run.request("stop")  # asked of a trainer that is gone: the next one must not obey it
    watch.trainers.resume(run, watch.busy)
    wait(lambda: state_of(watch, run.name) == "done")
    starts = [event.step for _, event in run.events() if isinstance(event, Started)]
    assert len(starts) == 2 and starts[1] >= 2


def test_a_trainer_that_fails_at_once_says_so(settings, tmp_path):
    watch = Watch(
        tmp_path / "runs", Trainers(train=lambda folder: [sys.executable, "-c", "raise SystemExit('no torch')"])
    )
    run = watch.trainers.start(settings, watch.busy)
    wait(lambda: state_of(watch, run.name) == "new")
    assert watch.get(run.name)[0].log_tail() == "no torch"


def test_runs_of_other_programs_are_seen(settings, tmp_path):
    watch = Watch(tmp_path / "runs", Trainers())
    watch.refresh()
    assert (watch.names(), watch.live()) == ([], None)
    run = Run.create(tmp_path / "runs", "theirs", "")
    run.write(Started(0, 5, 1, 1, 1, 1, "cpu"))
    holder = Run(run.folder)
    holder.open_lock()
    assert state_of(watch, run.name) == "running"
    assert watch.busy() == "theirs"
    holder.close_lock()
    assert state_of(watch, run.name) == "interrupted"

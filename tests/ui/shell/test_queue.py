"""The queue: in order, one at a time, whatever dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from browser import ROOT
from said import saying
from serve_fake import trainers as fake_trainers

from sdlora.errors import UserError
from sdlora.events import Started
from sdlora.runs.run import Run, list_runs
from sdlora.settings import make_settings
from ui.shell.process import Trainers
from ui.shell.queue import Queue, QueueEntry, is_name, new_name

SLEEPS = [sys.executable, "-c", "import sys, time; time.sleep(60)"]


def settings_for(root: Path, name: str, steps: int = 6):
    values = {"train": {"steps": steps}, "save": {"every": 2}, "run": {"folder": str(root), "name": name}}
    return make_settings(values | {"sample": {"prompts": ["x"], "every": 100}})


def sleepers() -> Trainers:
    """Trainers that live for a while and say nothing."""
    return Trainers(*[lambda folder: [*SLEEPS, str(folder)]] * 2, draw=lambda folder: [*SLEEPS, str(folder)])


@pytest.fixture
def root(tmp_path):
    yield tmp_path / "runs"
    for child in subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True).stdout.split():
        os.kill(int(child), signal.SIGKILL)


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def names(queue: Queue) -> list[str]:
    return [entry.name.split("_")[-1] for entry in queue.waiting()]


def test_the_first_starts_at_once_and_the_next_when_it_has_ended(root, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.02")
    queue = Queue(root, fake_trainers())
    first, second = queue.add(settings_for(root, "one")), queue.add(settings_for(root, "two"))
    assert queue.current().entry == QueueEntry("train", first.name)
    assert (queue.place(first.name), queue.place(second.name)) == (None, 1)
    assert not (second.folder / "events.jsonl").exists()
    wait(lambda: queue.start_next() or second.state() == "done")
    wait(lambda: second.state() == "done" and queue.current() is None)
    ends = [max(time for time, _ in first.events()), min(time for time, _ in second.events())]
    assert first.state() == "done" and ends == sorted(ends)


def test_waiting_runs_change_places_and_leave(root):
    queue = Queue(root, sleepers())
    runs = [queue.add(settings_for(root, name)) for name in ("now", "a", "b", "c")]
    assert names(queue) == ["a", "b", "c"]
    queue.move(runs[3].name, -1)
    assert names(queue) == ["a", "c", "b"]
    queue.move(runs[1].name, 1)
    queue.move(runs[1].name, 1)
    queue.move(runs[1].name, 1)  # it is the last already
    assert names(queue) == ["c", "b", "a"]
    queue.remove(runs[2].name)
    queue.remove("no such run")
    assert names(queue) == ["c", "a"] and not runs[2].folder.exists()
    assert Queue(root).waiting() == queue.waiting()  # another server, or this one after a restart


def test_a_run_that_has_begun_keeps_its_folder_when_it_leaves_the_queue(root):
    queue = Queue(root, sleepers())
    queue.add(settings_for(root, "now"))
    old = Run.create(root, "old", "")
    old.write(Started(0, 5, 1, 1, 1, 1, "cpu"))
    old.request("stop")
    queue.add_resume(old)
    assert names(queue) == ["old"] and not old.requested("stop")
    with pytest.raises(UserError, match=saying("page.IS_TRAINING")):
        queue.add_resume(old)
    queue.remove(old.name)
    assert queue.waiting() == [] and (old.folder / "events.jsonl").exists()


def test_drawings_go_before_runs(root):
    queue = Queue(root, sleepers())
    queue.add(settings_for(root, "now"))
    later = queue.add(settings_for(root, "later"))
    for name in ("d1", "d2"):
        queue.add_drawing(name)
    assert names(queue) == ["d1", "d2", "later"] and queue.place(later.name) == 1


def test_a_trainer_from_a_terminal_is_waited_for(root):
    theirs = Run.create(root, "theirs", "")
    theirs.open_lock()
    queue = Queue(root, sleepers())
    queue.add(settings_for(root, "mine"))
    assert names(queue) == ["mine"] and queue.current() is None
    theirs.close_lock()
    assert queue.start_next().name.endswith("mine")


SERVER = """
import sys
from pathlib import Path
from ui.shell.process import Trainers
from ui.shell.queue import Queue
sleep = lambda folder: [sys.executable, "-c", "import time; time.sleep(60)", str(folder)]
if sys.argv[2] == "dies":
    import os
    def sleep(folder):
        os.kill(os.getpid(), 9)
queue = Queue(Path(sys.argv[1]), Trainers(sleep, sleep))
for _ in range(30):
    queue.start_next()
"""


def serve(root: Path, how: str = "") -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", SERVER, str(root), how], env=environment)


def test_two_servers_start_one_run(root):
    holder = Run.create(root, "holder", "")
    holder.open_lock()  # nothing starts while the queue is being filled
    queue = Queue(root, sleepers())
    for name in "abc":
        queue.add(settings_for(root, name))
    holder.close_lock()
    for server in [serve(root) for _ in range(3)]:
        assert server.wait(120) == 0
    assert names(queue) == ["b", "c"]
    running = subprocess.run(["pgrep", "-fc", "time.sleep.60.. .*/runs/"], capture_output=True, text=True)
    assert queue.current().entry.name.endswith("_a"), running.stdout


def test_a_server_that_is_killed_while_it_starts_a_run_loses_nothing(root):
    holder = Run.create(root, "holder", "")
    holder.open_lock()
    queue = Queue(root, sleepers())
    run = queue.add(settings_for(root, "precious"))
    holder.close_lock()
    assert serve(root, "dies").wait(120) == -signal.SIGKILL
    assert json.loads((root / ".queue" / "queue.json").read_text())["current"]["process"]["pid"] == 0
    assert queue.waiting() == [] and queue.current() is None
    assert queue.start_next() == QueueEntry("train", run.name)
    assert queue.current().process.lives()


def test_a_killed_trainer_makes_room(root, monkeypatch):
    queue = Queue(root, sleepers())
    queue.add(settings_for(root, "now"))
    queue.add(settings_for(root, "next"))
    assert queue.start_next() is None
    os.kill(queue.current().process.pid, signal.SIGKILL)
    wait(lambda: queue.start_next() is not None, 10)
    assert queue.current().entry.name.endswith("_next") and queue.waiting() == []


def test_a_process_that_cannot_be_made_leaves_the_run_waiting(root):
    queue = Queue(root, Trainers(train=lambda folder: ["/no/such/program"]))
    with pytest.raises(OSError):
        queue.add(settings_for(root, "a"))
    assert names(queue) == ["a"] and queue.current() is None


def test_many_clicks_at_once_keep_every_run(root):
    queue = Queue(root, sleepers())
    clicks = [threading.Thread(target=queue.add, args=(settings_for(root, f"r{n}"),)) for n in range(8)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    assert len(queue.waiting()) == 7 and len(list_runs(root)) == 8


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"entries": [{"kind": "x"}], "current": 1}', b"\xff\xfe", b"null"]
)
def test_a_damaged_file_counts_as_empty(root, data):
    (root / ".queue").mkdir(parents=True)
    (root / ".queue" / "queue.json").write_bytes(data)
    queue = Queue(root, sleepers())
    assert queue.waiting() == [] and queue.current() is None
    queue.add(settings_for(root, "a"))
    assert queue.current().entry.name.endswith("_a")


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b", "a\\b", "C:x", "a\0b", "x" * 300, 7, None])
def test_names_that_lead_elsewhere_are_not_names(root, name, tmp_path):
    (tmp_path / "x").mkdir()
    assert not is_name(name)
    (root / ".queue").mkdir(parents=True)
    told = {"entries": [{"kind": "train", "name": name}], "current": None}
    (root / ".queue" / "queue.json").write_text(json.dumps(told))
    queue = Queue(root, sleepers())
    assert queue.waiting() == []
    assert (tmp_path / "x").is_dir()


def test_new_names_differ_and_are_names():
    made = {new_name("a/../b") for _ in range(50)}
    assert len(made) == 50 and all(is_name(name) for name in made)

"""What is taken out of the queue can be put back; what waits can be exchanged for other settings."""

import time

import pytest
from said import saying
from test_queue import names, root, settings_for, sleepers  # noqa: F401  (root is a fixture)

from sdlora.errors import UserError
from sdlora.events import Started
from sdlora.files.intact import write_json
from sdlora.runs.bin import binned
from sdlora.runs.remarks import remark, remarks_of
from sdlora.runs.run import Run
from sdlora.settings import load_settings
from ui.shell.queue import Queue


@pytest.fixture
def queue(root):  # noqa: F811
    queue = Queue(root, sleepers())
    for name in ("now", "a", "b", "c"):
        queue.add(settings_for(root, name))
    return queue


def folder_of(queue, name):
    return next(queue.root.glob(f"*_{name}"))


def test_a_removed_run_is_put_back_to_its_place_by_any_server(queue):
    folder = folder_of(queue, "b")
    before = (folder / "settings.toml").read_bytes()
    queue.remove(folder.name)
    assert names(queue) == ["a", "c"] and not folder.exists()
    other = Queue(queue.root, sleepers())
    assert other.removed().name == folder.name
    assert other.put_back().name == folder.name
    assert names(queue) == ["a", "b", "c"] and (folder / "settings.toml").read_bytes() == before
    assert queue.removed() is None and queue.put_back() is None and names(queue) == ["a", "b", "c"]


def test_the_last_of_a_queue_that_became_shorter_goes_to_the_end(queue):
    folder = folder_of(queue, "c")
    queue.remove(folder.name)
    queue.move(folder_of(queue, "b").name, -1)
    queue.put_back()
    assert names(queue) == ["b", "a", "c"]


def test_a_run_to_be_gone_on_with_is_put_back_too(queue):
    old = Run.create(queue.root, "old", "")
    old.write(Started(0, 5, 1, 1, 1, 1, "cpu"))
    queue.add_resume(old)
    queue.remove(old.name)
    assert old.folder.is_dir() and binned(queue.root) == []
    queue.put_back()
    assert names(queue) == ["a", "b", "c", "old"] and queue.waiting()[-1].kind == "resume"


def test_nothing_is_offered_that_is_gone_or_long_ago(queue, monkeypatch):
    folder = folder_of(queue, "a")
    queue.remove(folder.name)
    now = time.time()
    monkeypatch.setattr("ui.shell.removed.time.time", lambda: now + 7200)
    assert queue.removed() is None
    monkeypatch.undo()
    assert queue.removed() is not None
    forged = {"kind": "train", "name": "../../x", "at": 0, "binned": "..", "when": now}
    write_json(queue.folder / "removed.json", forged)
    assert queue.removed() is None and queue.put_back() is None


def test_what_waits_is_exchanged_for_other_settings_in_its_place(queue):
    old = folder_of(queue, "b")
    remark(old, rating=5, note="mine")
    run = queue.replace(old.name, settings_for(queue.root, "b2", steps=77))
    assert names(queue) == ["a", "b2", "c"] and not old.exists()
    assert load_settings(run.folder / "settings.toml").train.steps == 77
    assert (remarks_of(run.folder).rating, remarks_of(run.folder).note) == (5, "mine")
    assert [gone.name for gone in binned(queue.root)] == [old.name]


def test_a_run_that_has_begun_is_not_exchanged_and_nothing_is_left(queue, monkeypatch):
    running = queue.current().entry.name
    before = sorted(path.name for path in queue.root.iterdir())
    with pytest.raises(UserError, match=saying("page.NOT_WAITING")):
        queue.replace(running, settings_for(queue.root, "late"))
    waits = folder_of(queue, "a").name
    place, calls = queue.place, []

    def begins_meanwhile(name):
        calls.append(name)
        found = place(name)
        queue.remove(waits)
        return found

    monkeypatch.setattr(queue, "place", begins_meanwhile)
    with pytest.raises(UserError, match=saying("page.NOT_WAITING")):
        queue.replace(waits, settings_for(queue.root, "late"))
    assert [path.name for path in queue.root.iterdir() if path.name.endswith("late")] == [] and calls
    assert names(queue) == ["b", "c"] and set(before) - {path.name for path in queue.root.iterdir()} == {waits}

"""Drawings on disk, and what the Compare tab makes of what is typed and chosen."""

import json
import time

import pytest
from serve_fake import trainers as fake_trainers

from sdlora.events import Started
from sdlora.runs.run import Run
from sdlora.settings import make_settings
from ui.shell.drawings import Drawings, checkpoint_title, variant_title
from ui.shell.place import Place
from ui.shell.queue import Queue
from ui.shell.watch import Watch
from ui.tabs.compare.handlers import CompareDesk, parse_strengths
from ui.tabs.runs.handlers import redraw


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """The Compare tab of a page with one run that has two checkpoints."""
    monkeypatch.setenv("FAKE_SECONDS", "0.01")
    place = Place(tmp_path / "runs")
    queue = Queue(place.runs, fake_trainers())
    values = {"train": {"steps": 4}, "save": {"every": 2}, "run": {"folder": str(place.runs), "name": "cat"}}
    run = queue.add(make_settings(values | {"sample": {"prompts": ["a cat", "a dog"], "every": 100}}))
    wait(lambda: run.state() == "done" and queue.start_next() is None and queue.current() is None)
    return CompareDesk(Watch(place.runs, queue), place, Drawings(queue), 3)


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def run_of(desk):
    desk.watch.refresh(force=True)
    return desk.watch.names()[0]


def finish(desk, name):
    wait(lambda: desk.watch.queue.start_next() or desk.drawings.read(name).state == "done")
    return desk.drawings.read(name)


def test_a_grid_is_checkpoint_by_strength_by_prompt(desk):
    run = run_of(desk)
    said, name = desk.draw([f"{run}/4", f"{run}/final"], "0, 0.5 1", "", 7)
    assert "10 pictures" in said
    drawn = finish(desk, name)
    assert drawn.titles() == [
        "base model alone", "cat, step 4 · strength 0.5", "cat, step 4 · strength 1", "cat, final · strength 0.5",
        "cat, final · strength 1",
    ]  # fmt: skip
    assert sorted(drawn.cells) == [(v, p) for v in range(5) for p in range(2)]
    assert drawn.prompts == ["a cat", "a dog"] and drawn.job["seed"] == 7
    fresh = Drawings(Queue(desk.watch.root))  # another server, or a reload
    assert fresh.listed("compare") == [name] and fresh.read(name).cells == drawn.cells
    assert desk.draw([f"{run}/4", f"{run}/final"], "0 0.5 1.0", "", 7)[1] == name  # not drawn twice


def test_the_strength_slider_draws_the_test_prompts_beside_the_base(desk):
    run = run_of(desk)
    redraw(desk.watch, desk.drawings, run, 0.35)
    drawn = finish(desk, desk.drawings.listed("strength", run)[0])
    assert drawn.titles() == ["base model alone", "cat, final · strength 0.35"] and len(drawn.cells) == 4


def test_a_drawing_that_still_waits_is_replaced(desk):
    run = run_of(desk)
    holder = Run.create(desk.watch.root, "busy", "")
    holder.write(Started(0, 5, 1, 1, 1, 1, "cpu"))
    holder.open_lock()
    for strength in (0.1, 0.2, 0.3):
        redraw(desk.watch, desk.drawings, run, strength)
    assert len(desk.watch.queue.waiting()) == 1
    assert desk.drawings.read(desk.watch.queue.waiting()[0].name).keys[1][0][1] == 0.3
    holder.close_lock()


def test_a_playground_picture_has_several_loras(desk):
    run = run_of(desk)
    said, name = desk.play("a cat", "blurry", 3, f"{run}/4", "", f"{run}/2", 0.5, 1, -0.25)
    drawn = finish(desk, name)
    assert drawn.titles() == ["cat, step 4 · strength 0.5 + cat, step 2 · strength -0.25"]
    assert drawn.job["negative"] == "blurry" and len(drawn.cells) == 1


@pytest.mark.parametrize(
    ("chosen", "strengths", "prompts", "seed", "said"),
    [
        ([], "1", "", 1, "at least one checkpoint"),
        (None, "1", "", 1, "at least one checkpoint"),
        (["../../etc/passwd", 7, None], "1", "", 1, "at least one checkpoint"),
        (["RUN/4"], "much", "", 1, "Strengths are numbers"),
        (["RUN/4"], "", "", 1, "Strengths are numbers"),
        (["RUN/4"], "nan", "", 1, "Strengths are numbers"),
        (["RUN/4"], "1e9", "", 1, "Strengths are numbers"),
        (["RUN/4"], "1", "", -2, "seed"),
        (["RUN/4"], "1", "", float("nan"), "seed"),
        (["RUN/4"], "1", "", 0.5, "seed"),
        (["RUN/4"], "1", "x\n" * 300, 1, "too many"),
    ],
)
def test_what_cannot_be_drawn_is_said(desk, chosen, strengths, prompts, seed, said):
    run = run_of(desk)
    chosen = [c.replace("RUN", run) if isinstance(c, str) else c for c in chosen] if chosen else chosen
    words, name = desk.draw(chosen, strengths, prompts, seed)
    assert said in words and not isinstance(name, str)
    assert desk.watch.queue.waiting() == [] and desk.drawings.listed("compare") == []


def test_use_this_one_writes_the_file_and_names_where(desk):
    run = run_of(desk)
    _, name = desk.draw([f"{run}/2"], "0 0.7", "x", 1)
    finish(desk, name)
    wanted = desk.use(name, 1)
    assert wanted == (f"{run}/2", 0.7)
    wait(lambda: not desk.watch.trainers.exporting(run))
    told = desk.fragments(name, [], wanted)["used"][1]()
    assert "cat-000002.safetensors" in told and str(desk.watch.root) in told and "strength 0.7" in told
    assert (desk.watch.root / run / "exports" / "cat-000002.safetensors").is_file()


@pytest.mark.parametrize("name", ["../x", "/etc", "", None, 5, "no such", {"a": 1}])
def test_names_from_the_page_lead_nowhere(desk, name):
    assert desk.drawings.read(name) is None
    parts = desk.fragments(name, [name], (name, 1))
    assert "appear here" in parts["grid"][1]() and parts["used"][1]() == ""


@pytest.mark.parametrize("files", [{"job.json": "{"}, {"job.json": "[]"}, {}])
def test_damaged_drawings_do_no_harm(desk, files):
    folder = desk.drawings.folder / "2026-11-22_000000_compare_x"
    folder.mkdir(parents=True)
    for name, words in files.items():
        (folder / name).write_text(words)
    assert desk.drawings.listed("compare") == []
    assert desk.drawings.read(folder.name).state == "failed"


def test_an_index_cannot_name_files_elsewhere(desk):
    folder = desk.drawings.folder / "2026-11-22_000000_compare_x"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text('{"kind": "compare", "variants": [[]], "prompts": ["x"]}')
    cells = [{"variant": 0, "prompt": p, "file": f} for p, f in enumerate(["../../../x.png", "/etc/passwd", "a.png"])]
    (folder / "index.json").write_text(json.dumps({"of": 3, "cells": cells}))
    assert desk.drawings.read(folder.name).cells == {(0, 2): folder / "a.png"}


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("0 0.7 1", [0, 0.7, 1]),
        ("1,0.5;1", [1, 0.5]),
        ("0 0,7; 1", [0, 0.7, 1]),
        ("-1", [-1]),
        ("x", []),
        ("1 inf", []),
        (None, []),
        ("11", []),
    ],
)
def test_strengths_are_read(typed, numbers):
    assert parse_strengths(typed) == numbers


def test_titles():
    assert checkpoint_title("2026-11-21_1532_cat-toy/500") == "cat-toy, step 500"
    assert variant_title([("2026-11-21_1532_a/final", 0.0)]) == "base model alone"

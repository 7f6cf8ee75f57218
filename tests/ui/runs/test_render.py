"""Names, prompts, captions and logs are text on the page, whatever is in them."""

import json
import re

import pytest
from example import HOSTILE
from PIL import Image
from reader import ALLOWED, Reader

from ui.words import en
from sdlora.check.resolve import resolve
from sdlora.errors import Problem
from sdlora.events import Finished, Sampled, Saved, Started, StepDone, Validated, Warned
from sdlora.families.base import inspect_base
from sdlora.runs.run import Run
from sdlora.settings import dump_settings, make_settings
from ui import text
from ui.shell import render
from ui.shell.drawings import Drawings
from ui.shell.place import Place
from ui.shell.queue import Queue
from ui.shell.view import RunView
from ui.tabs.runs import html as render_runs
from ui.tabs.runs import html_offers

@pytest.fixture
def hostile_run(tmp_path):
    place = Place(tmp_path / "runs")
    settings = make_settings({"sample": {"prompts": [HOSTILE]}, "run": {"name": HOSTILE}})
    run = Run.create(place.runs, HOSTILE, dump_settings(settings))
    Image.new("RGB", (64, 64)).save(run.folder / "samples" / "a.png")
    (run.folder / "x.safetensors").write_bytes(b"x")
    (run.folder / "log.txt").write_text(HOSTILE)
    for event in (
        Started(0, 10, 1, 1, 1, 1, HOSTILE),
        StepDone(1, 0.1, 1e-4, 0.1),
        Warned(HOSTILE),
        Sampled(0, ["samples/a.png"]),
        Sampled(1, ["samples/a.png"]),
        Saved(1, "x.safetensors", final=True),
        Finished(1, "failed", text=HOSTILE),
    ):
        run.write(event)
    view = RunView(run.folder)
    view.update()
    return view, place


def test_hostile_texts_stay_text(hostile_run):
    view, place = hostile_run
    other = RunView(Run.create(place.runs, "other", "[sample]\nprompts = ['x']\n[data]\ntrigger = '<b>'").folder)
    pieces = [
        render_runs.status_strip(view, "running"),
        render_runs.run_card(view, "failed"),
        render_runs.run_card(view, "interrupted"),
        render_runs.samples(view, place)[0],
        render_runs.run_card(view, "waiting", 1, HOSTILE),
        render_runs.announcement(view, "running"),
        render_runs.files(view.lora_files(), view.folder.name, place),
        render_runs.settings_table([view, other]),
        render_runs.drawing(hostile_drawing(place, view), place, HOSTILE),
        render_runs.download_link(HOSTILE, HOSTILE, "gradio_api/file=/x"),
        render.checks([Problem(HOSTILE, HOSTILE), Problem(HOSTILE, fatal=False)]),
        render.notes([Problem(HOSTILE)]),
        render.note(HOSTILE),
        render.plain(HOSTILE),
    ]
    for html in pieces:
        read = Reader(html)
        assert read.tags <= ALLOWED
        assert not [name for name, _ in read.attributes if name.startswith("on")]
        sources = [value for name, value in read.attributes if name in ("src", "href")]
        assert all(re.match(r"gradio_api/file=/[\w/.%~-]+$", s) for s in sources), sources
    for piece in (pieces[1], pieces[3], pieces[7], pieces[8]):
        assert HOSTILE in Reader(piece).text


def test_the_offers_of_a_run_have_a_sentence_and_a_file_each(tmp_path):
    """In both languages; with hostile names of files; not before there is a file, nor where nothing was measured."""
    place = Place(tmp_path / "runs")
    run = Run.create(place.runs, "cat", dump_settings(make_settings({})))
    (run.folder / "exports").mkdir()
    for step, file in ((20, "exports/cat-000020.safetensors"), (40, "cat.safetensors")):
        (run.folder / f"checkpoints/{step:06d}").mkdir()
        (run.folder / file).write_bytes(b"x")
    for event in (Validated(0, 0.5, 4, drift=0.0), Validated(20, 0.125, 4, drift=0.2), Validated(40, 0.25, 4, drift=0.4)):
        run.write(event)
    view = RunView(run.folder)
    view.update()
    assert html_offers.card(view, place, run.name) == ""
    run.write(Saved(40, "cat.safetensors", final=True))
    run.write(Finished(40, "done", file="cat.safetensors"))
    view.update()
    read = Reader(html_offers.card(view, place, run.name))
    assert read.tags <= ALLOWED and "0.1250" in read.text and "0.2500" in read.text and "0.5000" in read.text
    links = [value for name, value in read.attributes if name == "href"]
    assert [link.rpartition("/")[2] for link in links] == ["cat-000020.safetensors", "cat.safetensors"]
    run.write(Finished(40, "done", file=HOSTILE))
    view.update()
    hostile = html_offers.card(view, place, run.name)
    assert HOSTILE in Reader(hostile).text and Reader(hostile).tags <= ALLOWED
    (run.folder / "checkpoints/000020").rmdir()  # what is gone is not offered
    assert len(re.findall("<a ", html_offers.card(view, place, run.name))) <= 1


def hostile_drawing(place, view):
    drawings = Drawings(Queue(place.runs))
    key = f"{view.folder.name}/final"
    folder = drawings.folder / "2026-11-22_000000_compare_x"
    folder.mkdir(parents=True)
    lora = {"key": key, "path": HOSTILE, "strength": 1}
    (folder / "job.json").write_text(json.dumps({"kind": HOSTILE, "variants": [[lora]], "prompts": [HOSTILE]}))
    (folder / "index.json").write_text(json.dumps({"of": 1, "cells": [{"variant": 0, "prompt": 0, "file": "a.png"}]}))
    (folder / "log.txt").write_text(HOSTILE)
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    return drawings.read(folder.name)


def test_every_state_has_a_card_and_a_word(hostile_run):
    view, _ = hostile_run
    for state, word in text.STATES.items():
        assert word in Reader(render_runs.run_card(view, state, 2)).text


def test_the_card_says_what_the_run_is_of(tmp_path):
    """Waiting, running or done; with the seed that was drawn for -1, and names for folders."""
    settings = make_settings({"data": {"folder": f"/home/me/{HOSTILE}cats"}, "train": {"seed": -1, "lr": 3e-4}})
    settings.train.seed = resolve(settings, inspect_base("tiny"), prompts=False).train.seed
    view = RunView(Run.create(tmp_path, "cats", dump_settings(settings)).folder)
    for state in ("waiting", "starting", "running", "failed"):
        card = Reader(render_runs.run_card(view, state, 1)).text
        assert "Learning rate 0.0003" in card and "Rank 16" in card and f"Seed {settings.train.seed}" in card
        assert "cats" in card and "/home/me" not in card
    (view.folder / "settings.toml").write_text("[[[")
    assert "Learning rate" not in Reader(render_runs.run_card(RunView(view.folder), "failed")).text


def test_the_card_of_a_dead_trainer_says_what_why_and_what_to_do(hostile_run):
    view, _ = hostile_run
    (view.folder / "log.txt").write_text("\n".join(f"line {n}" for n in range(100)))
    card = Reader(render_runs.run_card(view, "interrupted")).text
    for words in ("What happened", "stopped unexpectedly at step 1", "Why", "Try this", en.TRY_RESUME_START):
        assert words in card
    assert "line 99" in card and "line 60" in card and "line 59" not in card
    (view.folder / "checkpoints" / "000001").mkdir()
    assert "goes on from step 1" in Reader(render_runs.run_card(view, "interrupted")).text


def test_samples_have_alternative_texts_and_large_pictures(hostile_run):
    view, place = hostile_run
    drawn, complete = render_runs.samples(view, place)
    read = Reader(drawn)
    alternatives = [value for name, value in read.attributes if name == "alt"]
    assert complete and len(alternatives) == 2 and all(a.startswith("Test picture, ") for a in alternatives)
    large = [value for name, value in read.attributes if name == "data-large"]
    assert len(large) == 2 and all((place.shown / value.split("/.page/")[1]).is_file() for value in large)


def test_pictures_that_are_not_drawn_in_time_come_with_the_next_answer(hostile_run, monkeypatch):
    view, place = hostile_run
    monkeypatch.setattr(render_runs, "DRAWING_TIME", -1)
    drawn, complete = render_runs.samples(view, place)
    assert not complete and "data-large" not in drawn and "being prepared" in drawn
    monkeypatch.setattr(render_runs, "DRAWING_TIME", 60)
    assert render_runs.samples(view, place)[1]


def test_only_what_differs_stands_in_the_table(tmp_path):
    texts = ["[adapter]\nrank = 4\n[run]\nname = 'a'", "[adapter]\nrank = 8\n[run]\nname = 'b'"]
    views = [RunView(Run.create(tmp_path, "r", words).folder) for words in texts]
    read = Reader(render_runs.settings_table(views)).text
    assert "adapter.rank" in read and "4" in read and "8" in read and "train.lr" not in read and "run.name" not in read
    assert "are the same" in Reader(render_runs.settings_table([views[0], views[0]])).text
    assert render_runs.settings_table(views[:1]) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "under 1 s"), (59.6, "60 s"), (100, "2 min"), (900, "15 min"), (5400, "1 h 30 min"), (12_000, "3 h 20 min")],
)
def test_durations(seconds, said):
    assert text.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"), [(3_500, "3.5 kB"), (18_400_000, "18 MB"), (7_100_000_000, "7.1 GB"), (12, "0.0 kB")]
)
def test_sizes(count, said):
    assert text.size(count) == said


def test_paces_and_numbers():
    assert text.pace(2.04) == "2.0 s per step"
    assert text.pace(0.25) == "4.0 steps per second"
    assert text.number(12345) == "12,345"
    assert [text.compact(v) for v in (0.5, 1, 1 / 3, 16, 0.0001)] == ["0.5", "1", "0.333", "16", "0"]

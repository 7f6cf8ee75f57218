"""Names, prompts, captions and logs are text on the page, whatever is in them."""

import re
from html.parser import HTMLParser

import pytest
from example import HOSTILE
from PIL import Image

from sdlora.config import dump_settings, make_settings
from sdlora.errors import Problem
from sdlora.events import Finished, Sampled, Saved, Started, StepDone, Warned
from sdlora.run import Run
from ui import render, text
from ui.place import Place
from ui.view import RunView

ALLOWED = {
    "section", "h1", "h2", "h3", "div", "span", "i", "b", "p", "pre", "ul", "li", "small", "a", "table", "thead",
    "tbody", "tr", "th", "td", "button", "img", "figure", "figcaption",
}  # fmt: skip


class Reader(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.tags, self.text, self.attributes = set(), "", []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data


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
    pieces = [
        render.strip(view, "running"),
        render.run_card(view, "failed"),
        render.run_card(view, "interrupted"),
        render.samples(view, place),
        render.files(view.lora_files(), view.folder.name, place),
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
    assert HOSTILE in Reader(pieces[1]).text
    assert HOSTILE in Reader(pieces[3]).text


def test_every_state_has_a_card_and_a_word(hostile_run):
    view, _ = hostile_run
    for state, word in text.STATES.items():
        assert word in Reader(render.run_card(view, state)).text


def test_the_run_card_of_a_dead_trainer_shows_the_end_of_its_log(hostile_run):
    view, _ = hostile_run
    (view.folder / "log.txt").write_text("\n".join(f"line {n}" for n in range(100)))
    card = Reader(render.run_card(view, "interrupted")).text
    assert "stopped unexpectedly at step 1" in card
    assert "line 99" in card and "line 80" not in card


def test_samples_have_alternative_texts_and_a_large_view_beside_before(hostile_run):
    view, place = hostile_run
    read = Reader(render.samples(view, place))
    alternatives = [value for name, value in read.attributes if name == "alt"]
    assert len(alternatives) == 5  # two small ones; "before" alone, and "before" with step 1, large
    assert all(a.startswith("Test picture, ") for a in alternatives)


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

"""What is said of a run: kept as written, by the run, whatever was typed."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import saying

from sdlora.errors import UserError
from sdlora.runs.remarks import BEST, FILE, Remarks, remark, remarks_of
from sdlora.runs.run import Run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path, "cat", "")


def test_what_is_said_stays_and_the_rest_stays_as_it_was(run):
    assert remarks_of(run.folder) == Remarks() and not remarks_of(run.folder)
    remark(run.folder, rating=4)
    remark(run.folder, note="eyes too blue\nlower rate next time")
    remark(run.folder, name=" cat,\n second try ")
    assert remarks_of(run.folder) == Remarks("cat, second try", 4, "eyes too blue\nlower rate next time")
    assert tomllib.loads((run.folder / FILE).read_text())["rating"] == 4  # any TOML reader has it
    assert remark(run.folder, name="", note="", rating=0) == Remarks()
    assert not (run.folder / FILE).exists()


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=200))
def test_any_text_is_kept_or_cleaned_and_never_breaks_the_file(tmp_path_factory, name, note):
    folder = tmp_path_factory.mktemp("run")
    said = remark(folder, name=name, note=note, rating=1)
    assert remarks_of(folder) == said == remark(folder, name=said.name, note=said.note)
    assert said.name.isprintable() or not said.name
    assert tomllib.loads((folder / FILE).read_bytes().decode("utf-8")) == {
        "name": said.name, "rating": 1, "note": said.note
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "key"),
    [({"rating": BEST + 1}, "rating_odd"), ({"rating": -1}, "rating_odd"), ({"rating": True}, "rating_odd"),
     ({"name": "x" * 121}, "name_too_long"), ({"note": "x" * 20_001}, "note_too_long")],
)  # fmt: skip
def test_what_is_too_much_is_refused_and_nothing_is_lost(run, said, key):
    remark(run.folder, name="before", rating=2, note="kept")
    with pytest.raises(UserError, match=saying(f"runs.{key}")):
        remark(run.folder, **said)
    assert remarks_of(run.folder) == Remarks("before", 2, "kept")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name = ", b"name = 3\nrating = 'x'\nnote = []", b"rating = 99", b""])
def test_a_file_that_is_something_else_says_nothing(run, content):
    (run.folder / FILE).write_bytes(content)
    assert remarks_of(run.folder) == Remarks()


@pytest.mark.skipif(os.name != "posix", reason="no pipes")
def test_a_pipe_in_its_place_is_not_opened(run):
    os.mkfifo(run.folder / FILE)
    assert remarks_of(run.folder) == Remarks()
    assert remark(run.folder, rating=3).rating == 3 == remarks_of(run.folder).rating

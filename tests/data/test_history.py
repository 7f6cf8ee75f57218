"""Caption changes and taking them back, also by another process and after a crash."""

import errno
import json
import os

import pytest
from captioned import caption_of
from PIL import Image
from said import saying

from sdlora.data import CACHE_FOLDER, history
from sdlora.data.captions import write_caption
from sdlora.data.history import CaptionChange, History
from sdlora.errors import UserError


def make_images(folder, count):
    folder.mkdir()
    for n in range(1, count + 1):
        Image.new("RGB", (8, 8), (n, 90, 160)).save(folder / f"disc{n:04d}.png")
        write_caption(folder / f"disc{n:04d}.png", f"a disc, number {n}")
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_images(tmp_path / "discs", 3)


def texts(folder):
    return [caption_of(image) for image in sorted(folder.glob("*.png"))]


def test_changes_are_taken_back_one_by_one_by_whoever_comes_next(folder):
    images = sorted(folder.glob("*.png"))
    before = texts(folder)
    History(folder).write(dict.fromkeys(images, "same"), "front", "same")
    History(folder).write({images[0]: "first"}, "one", "disc0001.png")
    assert texts(folder) == ["first", "same", "same"]
    assert History(folder).last() == CaptionChange(2, "one", "disc0001.png", 1)
    assert History(folder).undo() == ([images[0]], 0)
    assert texts(folder) == ["same"] * 3
    assert History(folder).undo() == (images, 0)
    assert texts(folder) == before
    assert History(folder).last() is None
    assert History(folder).undo() == ([], 0)


def test_a_file_that_was_not_there_goes_and_any_bytes_come_back(folder):
    images = sorted(folder.glob("*.png"))
    images[0].with_suffix(".txt").unlink()
    images[1].with_suffix(".txt").write_bytes(b"caf\xe9\r\n\xff\xfe")
    History(folder).write(dict.fromkeys(images, "new"), "end", "new")
    History(folder).undo()
    assert not images[0].with_suffix(".txt").exists()
    assert images[1].with_suffix(".txt").read_bytes() == b"caf\xe9\r\n\xff\xfe"


def test_what_changed_again_by_hand_stays(folder):
    images = sorted(folder.glob("*.png"))
    History(folder).write(dict.fromkeys(images, "new"), "end", "new")
    images[2].with_suffix(".txt").write_text("by hand")
    images[1].unlink()
    assert History(folder).undo() == ([images[0]], 1)
    assert images[2].with_suffix(".txt").read_text() == "by hand"


def test_a_change_that_stopped_halfway_can_be_undone(folder, monkeypatch):
    images, before = sorted(folder.glob("*.png")), texts(folder)
    write = history.write_caption
    monkeypatch.setattr(history, "write_caption", lambda image, new: write(image, new) if image != images[1] else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        History(folder).write(dict.fromkeys(images, "new"), "end", "new")
    assert texts(folder)[0] == "new" != texts(folder)[1]
    restored, changed = History(folder).undo()
    assert restored[0] == images[0] and images[1] not in restored and not changed
    assert texts(folder) == before


def test_a_change_that_can_not_be_taken_back_says_which(folder, monkeypatch):
    images = sorted(folder.glob("*.png"))
    History(folder).write(dict.fromkeys(images, "new"), "end", "new")
    write = history.write_atomically

    def full(path, data):
        if path.name == "disc0002.txt":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(history, "write_atomically", full)
    with pytest.raises(
        UserError, match=saying("images.caption_not_saved", file="disc0002.txt", reason="No space left on device")
    ):
        History(folder).undo()
    monkeypatch.undo()
    History(folder).undo()  # the rest, once there is room
    assert texts(folder) == [f"a disc, number {n}" for n in (1, 2, 3)]


def test_more_captions_than_are_written_at_a_time_keep_their_order(tmp_path):
    folder = make_images(tmp_path / "many", 60)
    images = sorted(folder.glob("*.png"))
    before = texts(folder)
    History(folder).write({image: f"{n}" for n, image in enumerate(images)}, "end", "new")
    assert texts(folder) == [str(n) for n in range(60)]
    assert History(folder).undo() == (images, 0)
    assert texts(folder) == before


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", "nothing", '{"kind": "end", "words": "", "files": {"a.png": 3}}',
        '{"kind": "no", "words": "", "files": {}}',
        json.dumps({"kind": "end", "words": "", "files": {"../secret.png": ["old", "now"]}}),
        json.dumps({"kind": "end", "words": "", "files": {"/tmp/secret.png": ["old", "now"]}}),
    ],
)  # fmt: skip
def test_a_damaged_or_hostile_file_undoes_nothing(folder, content):
    (folder.parent / "secret.png").write_bytes((folder / "disc0001.png").read_bytes())
    (folder.parent / "secret.txt").write_text("now")
    undo = folder / CACHE_FOLDER / "undo"
    undo.mkdir(parents=True)
    (undo / "000001.json").write_text(content)
    assert History(folder).last() is None
    assert History(folder).undo() == ([], 0)
    assert (folder.parent / "secret.txt").read_text() == "now"


def test_only_so_many_changes_are_kept(folder, monkeypatch):
    monkeypatch.setattr(history, "KEPT", 3)
    image = folder / "disc0001.png"
    for n in range(6):
        History(folder).write({image: f"caption {n}"}, "one", "disc0001.png")
    assert len(list((folder / CACHE_FOLDER / "undo").glob("*.json"))) == 3


def test_without_a_place_for_undo_nothing_is_changed(folder):
    (folder / CACHE_FOLDER).write_text("a file is in the way")
    with pytest.raises(UserError, match=saying("images.no_undo")):
        History(folder).write({folder / "disc0001.png": "new"}, "one", "")
    assert texts(folder)[0] == "a disc, number 1"


def test_a_job_that_goes_on_is_one_change_and_knows_where_it_was(folder):
    images, before = sorted(folder.glob("*.png")), texts(folder)
    number = History(folder).grow(0, {images[0]: "first"}, "a model", job="j")
    History(folder).write({images[2]: "by hand"}, "one", "disc0003.png")
    assert History(folder).grow(number, {images[1]: "second", images[2]: "third"}, "a model", job="j") == number
    assert History(folder).unfinished("j") == (number, set(images)) and History(folder).unfinished("k") == (0, set())
    write_caption(images[1], before[1])  # as if it had been killed before that file was written
    assert History(folder).unfinished("j")[1] == {images[0], images[2]}
    write_caption(images[1], "second")
    History(folder).finish(number)
    assert History(folder).unfinished("j") == (0, set())
    assert History(folder).undo() == ([], 1)  # what was typed in between changed again
    assert History(folder).last() == CaptionChange(number, "captioned", "a model", 3)
    assert History(folder).undo()[0] == images[:2] + images[2:] and texts(folder)[:2] == before[:2]


def test_a_job_whose_change_was_undone_begins_another(folder):
    images, before = sorted(folder.glob("*.png")), texts(folder)
    number = History(folder).grow(0, {images[0]: "first"}, "a model", job="j")
    History(folder).undo()
    again = History(folder).grow(number, {images[1]: "second"}, "a model", job="j")
    assert History(folder).unfinished("j") == (again, {images[1]})
    History(folder).undo()
    assert texts(folder) == before

"""Caption changes and taking them back, also by another process and after a crash."""

import errno
import json
import os

import pytest
from captioned import caption_of
from example import make_images
from said import saying

from sdlora.data import CACHE_FOLDER
from sdlora.errors import UserError
from ui.tabs.images import history
from ui.tabs.images.history import CaptionChange, History


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
        UserError, match=saying("page.NOT_SAVED", name="disc0002.txt", reason="No space left on device")
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
    assert len(list((folder / CACHE_FOLDER / "undo").iterdir())) == 3


def test_without_a_place_for_undo_nothing_is_changed(folder):
    (folder / CACHE_FOLDER).write_text("a file is in the way")
    with pytest.raises(UserError, match=saying("page.NO_UNDO")):
        History(folder).write({folder / "disc0001.png": "new"}, "one", "")
    assert texts(folder)[0] == "a disc, number 1"

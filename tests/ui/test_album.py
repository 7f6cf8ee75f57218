"""Folders of any size: pages, captions, notes."""

import pytest
from example import HOSTILE, make_images
from PIL import Image

from sdlora.errors import UserError
from ui.album import PAGE, Album
from ui.place import Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "runs")


def test_two_thousand_images_are_drawn_a_page_at_a_time(place, tmp_path, monkeypatch):
    image = make_images(tmp_path / "many", 1) / "disc0001.png"
    for n in range(2, 2001):
        (tmp_path / "many" / f"disc{n:04d}.png").hardlink_to(image)
    drawn = []
    draw = Place.picture
    monkeypatch.setattr(Place, "picture", lambda self, path, side: drawn.append(path) or draw(self, path, side))
    album = Album.open(tmp_path / "many")
    assert drawn == []
    assert len(album.thumbnails(place)) == PAGE == len(drawn)
    album.turn(-1)
    assert album.page == 0
    album.turn(1000)
    assert album.page == album.pages - 1 == 33
    assert len(album.thumbnails(place)) == 2000 - 33 * PAGE
    assert "2,000 images" in album.summary


def test_a_caption_is_on_disk_at_once(place, tmp_path):
    folder = make_images(tmp_path / "discs", 3)
    album = Album.open(folder)
    album.choose(1)
    assert album.image == folder / "disc0002.png"
    assert album.save(HOSTILE)
    assert (folder / "disc0002.txt").read_text(encoding="utf-8") == HOSTILE
    assert not album.save(HOSTILE)
    assert album.thumbnails(place)[1][1].startswith("<img src=x")
    (folder / "disc0002.png").unlink()
    with pytest.raises(UserError, match="not there any more"):
        album.save("something else")


def test_an_index_that_is_not_on_the_page_chooses_nothing(tmp_path):
    album = Album.open(make_images(tmp_path / "discs", 3))
    for index in (3, -1, 10**9):
        album.choose(index)
        assert album.image is None
        assert not album.save("x")


def test_images_that_cannot_be_read_are_named_and_shown_as_a_square(place, tmp_path):
    folder = make_images(tmp_path / "discs", 2)
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    (folder / "._disc0001.png").write_bytes(b"hidden")
    album = Album.open(folder)
    assert len(album.thumbnails(place)) == 3
    assert [str(note) for note in album.all_notes()] == ["broken.png can't be read and is left out."]
    with Image.open(album.thumbnails(place)[0][0]) as square:
        assert square.size == (128, 128)


def test_an_empty_folder_is_an_empty_album(place, tmp_path):
    album = Album.open(tmp_path)
    assert (album.images, album.thumbnails(place), album.pages) == ([], [], 1)

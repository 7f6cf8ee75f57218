"""Folders of any size: pages, filters, what is wrong with an image, changes on disk."""

import threading

import pytest
from example import HOSTILE, make_images
from PIL import Image
from said import saying

from sdlora.data.captions import write_caption
from sdlora.data.edit import Edit
from sdlora.data.listing import find_images
from sdlora.errors import UserError
from ui.shell.place import Place
from ui.tabs.images.album import Album, Albums, Changed, Filter, Limits

SIZE = Limits(64, 75)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "runs")


def opened(folder) -> Album:
    album = Album(folder)
    album.read()
    album.look()
    assert album.wait(60)
    return album


def names(album, **wanted):
    return [entry.name for entry in album.entries(Filter(**wanted), SIZE)]


def test_filters_search_and_tags(tmp_path):
    folder = make_images(tmp_path / "discs", 4, "Disc {n}, blue")
    (folder / "disc0002.txt").unlink()
    write_caption(folder / "disc0003.png", "Disc 3, RED, blue")
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    album = opened(folder)
    assert (names(album, show="bare"), names(album, show="named")) == ([], ["broken.png", "disc0002.png"])
    assert names(album, show="problem") == ["broken.png"]
    assert names(album, search="red") == ["disc0003.png"]
    assert names(album, search="0004") == ["disc0004.png"]
    assert names(album, tags=("red", "Blue")) == ["disc0003.png"]
    assert names(album, search="(") == names(album, tags=("sky",)) == []
    assert album.tags(Filter(), SIZE) == [("blue", 3)]
    counts = album.counts(SIZE)
    assert (counts["all"], counts["bare"], counts["named"], counts["problem"], counts["unreadable"]) == (5, 0, 2, 1, 1)


def test_what_is_wrong_with_an_image(tmp_path):
    folder = make_images(tmp_path / "discs", 3)
    Image.new("RGB", (20, 20)).save(folder / "tiny.png")
    Image.new("RGB", (96, 96)).save(folder / "disc0001.jpg")
    write_caption(folder / "disc0002.png", "word " * 76)
    write_caption(folder / "disc0003.png", "word " * 75)
    album = opened(folder)
    found = {e.name: e.problems(SIZE) for e in album.entries(Filter(), SIZE)}
    assert found == {
        "disc0001.jpg": ["shared"],
        "disc0001.png": ["shared"],
        "disc0002.png": ["long"],
        "disc0003.png": [],
        "tiny.png": ["small"],
    }
    assert album.entry("tiny.png").problems(Limits(8)) == []


def test_a_caption_is_on_disk_at_once_and_can_be_taken_back(tmp_path):
    folder = make_images(tmp_path / "discs", 3)
    album = opened(folder)
    assert album.save("disc0002.png", HOSTILE)
    assert (folder / "disc0002.txt").read_text(encoding="utf-8") == HOSTILE
    assert not album.save("disc0002.png", HOSTILE)
    assert album.undo() == (1, 0)
    assert album.entry("disc0002.png").caption == "a disc, number 2"
    (folder / "disc0002.png").unlink()
    with pytest.raises(UserError, match=saying("page.GONE")):
        album.save("disc0002.png", "something else")


def test_a_caption_that_was_changed_meanwhile_is_not_written_over(tmp_path):
    """Two pages have the same image before them; a page's own earlier words are no conflict."""
    album = opened(make_images(tmp_path / "discs", 1))
    name, seen, file = "disc0001.png", "a disc, number 1", tmp_path / "discs" / "disc0001.txt"
    assert album.save(name, "AAA", seen, "one")
    with pytest.raises(Changed) as changed:
        album.save(name, "BBB", seen, "two")
    assert (changed.value.now, file.read_text()) == ("AAA", "AAA")
    assert album.save(name, "BBB", "AAA", "two")  # seen, and chosen
    assert not album.save(name, "AAA", "AAA", "one")  # only looked at
    file.write_text("by another program")
    with pytest.raises(Changed):
        album.save(name, "CCC", "BBB", "two")
    assert album.save(name, "DDD", "by another program", "two")
    assert album.save(name, "EEE", "by another program", "two")  # the answer to DDD was not here yet


def test_what_is_typed_in_one_go_is_one_change(tmp_path):
    album = opened(make_images(tmp_path / "discs", 2))
    name, seen = "disc0001.png", "a disc, number 1"
    for words in ("a", "a b", "a b c"):
        assert album.save(name, words, seen, "page", goes_on=True)
    assert not album.save(name, "a b c", seen, "page")  # the box is left
    assert album.save(name, "d", "a b c", "page")
    assert [album.undo()[0] for _ in range(3)] == [1, 1, 0]
    assert album.entry(name).caption == seen


def test_the_limit_is_that_of_the_trainer_trigger_word_and_commas_included(tmp_path):
    """sdlora.families.shared.clip_text cuts: the same chunks, with the real tokenizer's words."""
    folder = make_images(tmp_path / "discs", 3, "word " * 149)
    write_caption(folder / "disc0002.png", "word " * 146)
    write_caption(folder / "disc0003.png", ("word " * 60 + ", ") * 2 + "word " * 60)  # a chunk ends at its last comma
    album = opened(folder)
    told = {e.name: e.problems(Limits(64, 150, "ohwx")) for e in album.entries(Filter(), SIZE)}
    assert told == {"disc0001.png": ["long"], "disc0002.png": [], "disc0003.png": ["long"]}
    assert album.entry("disc0002.png").length(Limits(64, 150, "ohwx")) == 146 + 2  # the word and its comma
    assert album.entry("disc0003.png").problems(Limits(64, 225)) == []


def test_to_look_at_a_caption_made_from_the_name_does_not_write_it(tmp_path):
    folder = make_images(tmp_path / "discs", 1)
    (folder / "disc0001.txt").unlink()
    (folder / "disc0001.png").rename(folder / "red apple.png")
    album = opened(folder)
    assert album.entry("red apple.png").caption == "red apple"
    assert not album.save("red apple.png", "red apple")
    assert not (folder / "red apple.txt").exists()


@pytest.mark.parametrize("name", ["", "no.png", "../x.png", "/etc/passwd"])
def test_a_name_that_is_not_of_the_album_changes_nothing(tmp_path, name):
    folder = make_images(tmp_path / "discs", 1)
    album = opened(folder)
    before = {p.name for p in tmp_path.rglob("*")}
    assert not album.save(name, "x")
    assert album.put_aside([name]) == []
    assert {p.name for p in tmp_path.rglob("*")} == before


def test_bulk_edits_reach_what_is_shown_and_only_that(tmp_path):
    folder = make_images(tmp_path / "discs", 4, "disc {n}")
    (folder / "disc0004.txt").unlink()
    album = opened(folder)
    shown = Filter(search="disc 2")
    assert list(album.preview(shown, SIZE, Edit("front", "ohwx"))) == [folder / "disc0002.png"]
    assert album.apply(shown, SIZE, Edit("front", "ohwx")) == 1
    assert album.apply(Filter(), SIZE, Edit("front", "ohwx")) == 3
    assert [e.caption for e in album.entries(Filter(), SIZE)] == [
        "ohwx, disc 1",
        "ohwx, disc 2",
        "ohwx, disc 3",
        "ohwx, disc",
    ]
    assert album.undo() == (3, 0)
    assert not (folder / "disc0004.txt").exists()
    assert Album(folder).undo() == (1, 0)
    assert album.apply(Filter(search="nothing like it"), SIZE, Edit("front", "x")) == 0


def test_images_that_are_put_aside_are_not_trained_on(tmp_path):
    folder = make_images(tmp_path / "discs", 3)
    album = opened(folder)
    assert album.put_aside(["disc0002.png"]) == ["disc0002.png"]
    assert names(album) == ["disc0001.png", "disc0003.png"] == [p.name for p in find_images(folder)]
    assert (folder / ".aside" / "disc0002.png").exists() and (folder / ".aside" / "disc0002.txt").exists()
    make_images(folder, 2)
    album = opened(folder)
    album.put_aside(["disc0002.png"])
    assert len(list((folder / ".aside").glob("*.png"))) == 2


def test_images_that_cannot_be_read_are_shown_as_a_square(place, tmp_path):
    folder = make_images(tmp_path / "discs", 2)
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    (folder / "._disc0001.png").write_bytes(b"hidden")
    album = opened(folder)
    shown = album.thumbnails(place, album.entries(Filter(), SIZE), SIZE)
    assert len(shown) == 3
    assert shown[0][1].startswith("▲ can't be read")
    with Image.open(shown[0][0]) as square:
        assert square.size == (128, 128)


def test_albums_are_shared_kept_and_read_anew(tmp_path):
    folder, albums = make_images(tmp_path / "discs", 1), Albums(size=2)
    album = albums.get(folder)
    make_images(folder, 2)
    assert albums.get(folder) is album and len(names(album)) == 1
    assert len(names(albums.get(folder, anew=True))) == 2
    for other in ("a", "b"):
        (tmp_path / other).mkdir()
        albums.get(tmp_path / other)
    assert albums.get(folder) is not album


def test_two_pages_that_write_at_once_lose_nothing(tmp_path):
    folder = make_images(tmp_path / "discs", 20)
    album = opened(folder)
    threads = [threading.Thread(target=album.save, args=(f"disc{n:04d}.png", f"caption {n}")) for n in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.caption for e in album.entries(Filter(), SIZE)] == [f"caption {n}" for n in range(1, 21)]
    while album.history.last():
        album.undo()
    assert [e.caption for e in album.entries(Filter(), SIZE)] == [f"a disc, number {n}" for n in range(1, 21)]


@pytest.mark.parametrize("side", ["x.caption", "x.png.txt", "x.json", "x.TXT"])
def test_every_spelling_of_a_caption_goes_aside_with_its_image(tmp_path, side):
    Image.new("RGB", (64, 64)).save(tmp_path / "x.png")
    (tmp_path / side).write_text('{"caption": "a"}')
    album = opened(tmp_path)
    assert album.put_aside(["x.png"]) == ["x.png"]
    assert sorted(p.name for p in (tmp_path / ".aside").iterdir()) == sorted(["x.png", side])

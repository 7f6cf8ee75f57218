"""What may be read, what may be fetched."""

import os

import pytest
from PIL import Image
from said import saying

from sdlora.errors import UserError
from ui.shell.place import Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "runs")


@pytest.mark.parametrize(
    "typed",
    ["", "   ", "\0", "a\nb", "x" * 5000, "a/" * 3000, "~nobody-of-that-name/x", "//server/share", "\\\\server\\share",
     "no/such/folder", "<img src=x>", "CON", "/dev/null"],
)  # fmt: skip
def test_what_is_no_folder_is_refused_with_one_sentence(place, typed):
    with pytest.raises(UserError) as caught:
        place.folder(typed)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].where == "data.folder"


def test_a_folder_is_found_with_quotes_and_blanks_around_it(place, tmp_path):
    (tmp_path / "my images").mkdir()
    assert place.folder(f' "{tmp_path}/my images" ') == tmp_path / "my images"


@pytest.mark.parametrize("typed", ["{out}", "{data}/../out", "{data}/link", "/", "/etc", "~"])
def test_with_a_data_folder_nothing_else_can_be_read(tmp_path, typed):
    data, out = tmp_path / "data", tmp_path / "out"
    for folder in (data / "inner", out):
        folder.mkdir(parents=True)
    os.symlink(out, data / "link")
    place = Place(tmp_path / "runs", data)
    assert place.folder(f"{data}/inner") == data / "inner"
    with pytest.raises(UserError, match=saying("page.FOLDER_OUTSIDE")):
        place.folder(typed.format(data=data, out=out))


def test_pictures_are_drawn_anew_small_and_without_anything_but_pixels(place, tmp_path):
    image = Image.new("RGB", (800, 400), "red")
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    image.save(tmp_path / "photo.jpg", exif=exif)
    drawn = place.picture(tmp_path / "photo.jpg", 256)
    with Image.open(drawn) as shown:
        assert (shown.format, shown.size) == ("WEBP", (256, 128))
        assert not shown.getexif()
    assert drawn.is_relative_to(place.shown)
    assert place.picture(tmp_path / "photo.jpg", 256) == drawn


def test_a_changed_picture_is_drawn_again(place, tmp_path):
    source = tmp_path / "a.png"
    Image.new("RGB", (8, 8), "red").save(source)
    first = place.picture(source, 64)
    Image.new("RGB", (9, 9), "blue").save(source)
    os.utime(source, ns=(1, 1))
    assert place.picture(source, 64) != first


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_picture_that_cannot_be_read_is_none(place, tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert place.picture(tmp_path / "a.png", 64) is None
    assert place.picture(tmp_path / "gone.png", 64) is None
    assert not list(place.shown.rglob("*.tmp"))


def test_a_download_is_the_file_itself_under_the_shown_folder(place, tmp_path):
    source = place.runs / "2026-11-21_1200_x" / "cat.safetensors"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"weights")
    link = place.download(source, "../../evil <b>")
    assert link.is_relative_to(place.shown) and ".." not in link.parts
    assert (link.name, link.read_bytes()) == ("cat.safetensors", b"weights")
    assert link.stat().st_ino == source.stat().st_ino
    assert place.download(source.with_name("gone.safetensors"), "x") is None


def test_a_download_works_where_links_do_not(place, tmp_path, monkeypatch):
    source = tmp_path / "cat.safetensors"
    source.write_bytes(b"weights")

    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    link = place.download(source, "run")
    assert link.read_bytes() == b"weights" and link.stat().st_ino != source.stat().st_ino


def test_a_runs_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=saying("page.RUNS_NOT_WRITABLE")):
        Place(tmp_path / "file" / "runs")


@pytest.mark.parametrize("name", ["it's", "the '90s'", "'", '5" screens"'])
def test_quotes_that_belong_to_a_name_stay(place, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    assert place.folder(str(folder)) == folder
    assert place.folder(f'"{folder}"') == folder

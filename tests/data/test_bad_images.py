"""Files that are no pictures, or torn, or odd: one sentence each, and never other pixels."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_images import gradient, noisy, pixels, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from said import saying

from sdlora.data import images
from sdlora.data.images import check_image, content_hash, image_size, load_image
from sdlora.data.quiet import libtiff_quiet
from sdlora.errors import UserError
from sdlora.messages import say


@pytest.mark.parametrize("read", [load_image, image_size, check_image])
def test_files_that_are_no_images(tmp_path: Path, read) -> None:
    (tmp_path / "zero.jpg").touch()
    assert refused(tmp_path / "zero.jpg", read) == say(
        "images.left_out", name="zero.jpg", fault_of_image=say("images.fault_empty")
    )
    (tmp_path / "photo_17.jpg").write_bytes(b"<html>404</html>" * 20)
    assert refused(tmp_path / "photo_17.jpg", read) == say(
        "images.left_out", name="photo_17.jpg", fault_of_image=say("images.fault_web_page")
    )
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert refused(tmp_path / "script.png", read) == say(
        "images.left_out", name="script.png", fault_of_image=say("images.fault_unreadable")
    )
    assert "it is gone" in refused(tmp_path / "gone.png", read)
    (tmp_path / "folder.png").mkdir()
    assert refused(tmp_path / "folder.png", read) == say(
        "images.unreadable_left_out", name="folder.png", reason="it is a folder, not a file"
    )


def test_no_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient().save(tmp_path / "x.png")

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", deny)
    assert refused(tmp_path / "x.png") == say("images.unreadable_left_out", name="x.png", reason="no permission")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif", "gif", "avif"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    noisy().save(tmp_path / f"whole.{suffix}")
    data = (tmp_path / f"whole.{suffix}").read_bytes()
    path = tmp_path / f"torn.{suffix}"
    for share in (0.2, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        refused(path)
        refused(path, check_image)


def test_one_flipped_bit_in_a_png_is_seen_by_the_check(tmp_path: Path) -> None:
    """Asking for EXIF decodes a PNG and swallows what is wrong with it; training would fail at every start."""
    noisy().save(tmp_path / "x.png")
    data = bytearray((tmp_path / "x.png").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x.png").write_bytes(data)
    refused(tmp_path / "x.png")
    refused(tmp_path / "x.png", check_image)


def test_a_palette_png_without_its_palette_is_seen_by_the_check(tmp_path: Path) -> None:
    gradient().quantize(16).save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    start = data.index(b"PLTE") - 4
    length = struct.unpack(">I", data[start : start + 4])[0]
    (tmp_path / "x.png").write_bytes(data[:start] + data[start + 12 + length :])
    refused(tmp_path / "x.png")
    refused(tmp_path / "x.png", check_image)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(
    st.sampled_from(["PNG", "GIF", "TIFF", "WEBP", "BMP", "JPEG2000", "palette"]),
    st.floats(0, 0.999),
    st.integers(0, 7),
)
def test_what_the_check_takes_can_be_trained_on(tmp_path: Path, kind: str, place: float, bit: int) -> None:
    image = noisy(24, 20).quantize(64) if kind == "palette" else noisy(24, 20)
    image.save(tmp_path / "x", "PNG" if kind == "palette" else kind)
    content = bytearray((tmp_path / "x").read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (tmp_path / "x").write_bytes(content)
    try:
        size = check_image(tmp_path / "x")
    except UserError:
        size = None
    try:
        assert load_image(tmp_path / "x").size == size
    except UserError:
        assert size is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.integers(1, 4000), st.sampled_from(["jpg", "png", "progressive"]))
def test_a_torn_file_is_never_taken_with_other_pixels(tmp_path: Path, missing: int, kind: str) -> None:
    """Only what is needed for no pixel (a PNG's end mark) may be missing; both readers agree."""
    path = tmp_path / "x.img"
    noisy().save(path, "PNG" if kind == "png" else "JPEG", progressive=kind == "progressive")
    whole, data = pixels(path), path.read_bytes()
    path.write_bytes(data[:-missing])
    try:
        check_image(path)
    except UserError:
        return
    assert np.array_equal(pixels(path), whole)


def test_truncation_is_noticed_even_if_another_library_allowed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy().save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:-2000])
    for read in (load_image, check_image):
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        assert refused(tmp_path / "x.jpg", read) == say(
            "images.left_out", name="x.jpg", fault_of_image=say("images.fault_damaged")
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(st.data())
def test_damaged_files_never_raise_anything_else(tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]))
    noisy(24, 20).save(tmp_path / "x", kind)
    content = bytearray((tmp_path / "x").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x").write_bytes(content)
    for read in (load_image, image_size, check_image):
        try:
            read(tmp_path / "x")
        except UserError as error:
            assert str(error).endswith("and is left out.")


@pytest.mark.parametrize("read", [load_image, image_size, check_image])
def test_a_bomb_is_refused_and_a_wide_strip_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert refused(tmp_path / "bomb.png", read) == say(
        "images.left_out", name="bomb.png", fault_of_image="has more than 200 million pixels"
    )
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as some libraries do
    assert "200 million" in refused(tmp_path / "bomb.png", read)
    Image.new("1", (20_000, 30)).save(tmp_path / "strip.png")
    assert getattr(read(tmp_path / "strip.png"), "size", (20_000, 30)) == (20_000, 30)


@pytest.mark.filterwarnings("error")
def test_large_photos_are_read_without_a_warning(tmp_path: Path) -> None:
    Image.new("1", (12_000, 9_000)).save(tmp_path / "x.png")  # over Pillow's own warning limit
    assert images.MAX_PIXELS > 12_000 * 9_000
    assert image_size(tmp_path / "x.png") == (12_000, 9_000)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (255, 0, 0)).save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png").tolist() == [[[255, 0, 0]]]


def test_content_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert content_hash(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "y").write_bytes(os.urandom(3 << 20))
    assert content_hash(tmp_path / "y") != content_hash(tmp_path / "x")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
            "images.fault_git_lfs_pointer",
        ),
        (b"<!doctype html>\n<title>Sign in</title>", "images.fault_web_page"),
        (b"", "images.fault_empty"),
        (b"\x89PNG\r\n\x1a\n", "images.fault_unreadable"),
    ],
)
def test_what_lies_there_instead_of_a_picture_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UserError, match=saying("images.left_out", name="x.png", fault_of_image=saying(what))):
        check_image(tmp_path / "x.png")


FUZZ = """
import io, sys
from pathlib import Path
from PIL import Image
from sdlora.data.images import check_image, image_size
from sdlora.errors import UserError
where, refused = Path(sys.argv[1]), 0
for picture, compression in ((Image.effect_noise((32, 32), 80), "tiff_lzw"), (Image.new("RGB", (32, 32)), "jpeg")):
    out = io.BytesIO()
    picture.save(out, "TIFF", compression=compression)
    for place in range(8, len(out.getvalue()), 7):
        data = bytearray(out.getvalue())
        data[place] ^= 0x42
        where.write_bytes(data)
        for look in (check_image, image_size):
            try:
                look(where)
            except UserError as error:
                refused += 1
                assert str(error).startswith("x.tif"), error
print(refused)
"""


def test_what_libtiff_and_pillow_say_of_odd_pictures_reaches_nobody(tmp_path: Path) -> None:
    """Their lines name no file: "LZWDecode: Not enough data at scanline 0", "UserWarning: Truncated File Read"."""
    command = [sys.executable, "-c", FUZZ, str(tmp_path / "x.tif")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "" and int(done.stdout) > 20


def test_what_others_write_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with libtiff_quiet():
        os.write(2, b"Fax4Decode: Bad code word at line 41 of strip 0 (x 62).\n")
        os.write(2, b"Traceback (most recent call last):\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "Traceback (most recent call last):\nafter\n"

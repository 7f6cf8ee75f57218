"""Files from a browser: all that is hostile is refused with a sentence, all that is good arrives under a safe name."""

import io
import os
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest
from captioned import caption_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from said import saying, says

from sdlora.data.encodings import certain
from sdlora.data.listing import find_images
from sdlora.errors import UserError
from sdlora.messages import say
from ui.tabs.images import html, uploads
from ui.tabs.images.uploads import UploadLimits, add, new_folder, safe_file_name
from ui.words import en


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "datasets" / "cats"
    folder.mkdir(parents=True)
    return folder


def png(colour: str = "red", size: tuple[int, int] = (16, 12)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def sent(folder: Path, **files: bytes) -> list[tuple[str, Path]]:
    """Files as a browser's upload leaves them, by name (__ for a dot)."""
    return [send(folder, name.replace("__", "."), content) for name, content in files.items()]


def send(folder: Path, name: str, content: bytes) -> tuple[str, Path]:
    place = folder.parent.parent / "sent"
    place.mkdir(exist_ok=True)
    path = place / f"upload-{len(list(place.iterdir()))}"
    path.write_bytes(content)
    return name, path


def zipped(members: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return buffer.getvalue()


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# ---- names


@given(st.text(max_size=300))
def test_any_name_becomes_one_that_is_only_a_name(name):
    safe = safe_file_name(name)
    assert safe not in ("", ".", "..")
    assert not set(safe) & set('/\\<>:"|?*\0')
    assert not any(unicodedata.category(c).startswith("C") for c in safe)
    assert not safe.startswith((".", " ")) and not safe.endswith((".", " "))
    assert len(safe.encode("utf-8", "replace")) <= 255
    assert safe.split(".")[0].casefold() not in {"con", "nul", "prn", "aux", "com1", "lpt9"}
    assert safe_file_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat.png", "cat.png"),
        ("../../etc/passwd.png", "passwd.png"),
        ("C:\\Windows\\x.jpg", "x.jpg"),
        ("CON.png", "image-CON.png"),
        ("nul", "image-nul"),
        ("ＣＯＮ.png", "image-ＣＯＮ.png"),
        ("COM¹.txt", "image-COM¹.txt"),
        ("a\u202egnp.exe.png", "agnp.exe.png"),
        ("bell\x07\n.png", "bell.png"),
        ("<img src=x onerror=alert(1)>.png", "-img src=x onerror=alert(1)-.png"),
        ("小猫.png", "小猫.png"),
        (".png", "png"),
        ("...", "image"),
    ],
)
def test_names(name, safe):
    assert safe_file_name(name) == safe


def test_a_long_name_stays_a_file(target):
    name = "猫" * 400 + ".png"
    assert len(add([send(target, name, png())], target).images) == 1


def test_a_new_folder_never_is_an_old_one(tmp_path):
    made = [new_folder(tmp_path / "sets", "../cats") for _ in range(3)]
    assert [folder.name for folder in made] == ["cats", "cats-2", "cats-3"]
    assert all(folder.parent == tmp_path / "sets" for folder in made)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=saying("page.NO_NEW_FOLDER")):
        new_folder(tmp_path / "file", "x")


# ---- files


def test_pictures_and_captions_arrive_together(target):
    result = add(sent(target, cat__png=png(), cat__txt=b"a red\ncat", dog__jpg=png("blue")), target)
    assert everything(target) == {"cat.png", "cat.txt", "dog.jpg"}
    assert caption_of(target / "cat.png") == "a red\ncat"
    assert (len(result.images), result.refused, result.renamed) == (2, [], [])


def test_what_is_there_is_never_replaced(target):
    add(sent(target, cat__png=png("red"), cat__txt=b"red"), target)
    result = add(sent(target, cat__png=png("blue"), cat__txt=b"blue"), target)
    assert result.renamed == [("cat.png", "cat-2.png")]
    assert caption_of(target / "cat.png") == "red"
    assert caption_of(target / "cat-2.png") == "blue"
    again = add(sent(target, cat__png=png("red")), target)
    assert (again.same, again.images) == (1, [])


def test_names_that_would_share_a_caption_are_kept_apart(target):
    result = add(sent(target, cat__png=png("red"), Cat__jpg=png("blue")), target)
    assert {path.stem.casefold() for path in result.images} == {"cat", "cat-2"}


def test_a_caption_for_a_picture_that_is_there_is_handed_back(target):
    add(sent(target, cat__png=png()), target)
    result = add(sent(target, cat__txt=b"a cat", dog__txt=b"a dog"), target)
    assert result.captions == {target / "cat.png": "a cat"}
    assert result.refused == [en.CAPTION_ALONE.format(name="dog")]
    assert everything(target) == {"cat.png"}


def bomb_png() -> bytes:
    """A PNG of a few bytes that says it has 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.html", b"<script>alert(1)</script>"),
        ("drawing.svg", b"<svg onload='alert(1)'/>"),
        ("fake.png", b"<script>alert(1)</script>"),
        ("postscript.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("cut.png", png(size=(200, 200))[:60]),
        ("empty.png", b""),
        ("bomb.png", bomb_png()),
        ("weights.safetensors", b"\0" * 100),
        ("pickle.pt", b"\x80\x04."),
        ("settings.toml", b""),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(target, name, content):
    result = add([send(target, name, content), send(target, "good.png", png())], target)
    assert result.refused == [en.NO_PICTURE.format(name=name)]
    assert everything(target) == {"good.png"}


def test_too_large_a_file_is_refused(target):
    result = add(sent(target, cat__png=png() + b"\0" * 5000), target, UploadLimits(file_bytes=1000))
    assert result.refused == ["cat.png is larger than 1.0 kB."]
    assert everything(target) == set()


# ---- zips


def test_a_zip_is_unpacked_with_its_folders_and_without_what_systems_leave(target):
    members = {
        "set/10_cat/1.png": png("red"),
        "set/10_cat/1.txt": b"a cat",
        "set/2.jpg": png("blue"),
        "__MACOSX/set/._2.jpg": b"x",
        "set/.DS_Store": b"x",
        "set/Thumbs.db": b"x",
    }
    result = add([send(target, "set.zip", zipped(members))], target)
    assert everything(target) == {"10_cat/1.png", "10_cat/1.txt", "2.jpg"}
    assert result.refused == []
    assert len(find_images(target)) == 2


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "C:evil.png", "..\\..\\evil.png"]
)
def test_a_zip_cannot_write_outside_of_its_folder(target, name):
    result = add([send(target, "x.zip", zipped({name: png(), "good.png": png("blue")}))], target)
    assert everything(target) == {"good.png"}
    assert len(result.refused) == 1 and says(result.refused[0], "page.ZIP_LEADS_OUT")
    assert not list(target.parent.parent.rglob("evil*"))


def test_a_link_in_a_zip_is_not_made(target):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    result = add([send(target, "x.zip", zipped([(link, b"/etc/passwd")]))], target)
    assert result.refused == [en.ZIP_LINK.format(name="link.png")]
    assert os.listdir(target) == []


def test_names_in_a_zip_are_made_safe(target):
    members = {
        "CON/NUL.png": png("red"),
        "a\u202eb/" + "x" * 300 + ".png": png("blue"),
        "a/b/c/d/e/f/g/h.png": png("green"),
    }
    result = add([send(target, "x.zip", zipped(members))], target)
    assert len(result.images) == 3 and result.refused == []
    assert "image-CON/image-NUL.png" in everything(target)
    assert all(len(path.relative_to(target).parts) <= 6 for path in result.images)


def test_zip_bombs_are_not_opened(target):
    flat = zipped({"zeros.bmp": b"\0" * 100_000_000})
    assert len(flat) < 200_000
    result = add([send(target, "bomb.zip", flat)], target)
    assert says(result.refused[0], "page.ZIP_BOMB", size="100 MB")
    many = add(
        [send(target, "many.zip", zipped({f"{n}.png": b"" for n in range(30)}))], target, UploadLimits(zip_files=20)
    )
    assert says(many.refused[0], "page.ZIP_TOO_LARGE")
    large = add([send(target, "large.zip", zipped({"a.png": png()}))], target, UploadLimits(zip_bytes=10))
    assert says(large.refused[0], "page.ZIP_TOO_LARGE")
    nested = add([send(target, "outer.zip", zipped({"inner.zip": flat}))], target)
    assert nested.refused == [en.NO_PICTURE.format(name="inner.zip")]
    assert os.listdir(target) == []


def test_a_zip_that_lies_about_sizes_writes_no_more_than_it_says(target):
    content = bytearray(zipped({"a.png": png(size=(400, 400)) + b"\0" * 100_000}))
    at = content.index(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    content[at : at + 4] = struct.pack("<I", 100)
    result = add([send(target, "x.zip", bytes(content))], target)
    assert result.images == [] and len(result.refused) == 1
    assert os.listdir(target) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", zipped({"a.png": png()})[:-30], b"not a zip"])
def test_a_damaged_zip_is_one_sentence(target, content):
    result = add([send(target, "x.zip", content)], target)
    assert result.refused == [en.ZIP_DAMAGED.format(name="x.zip")]


def test_a_locked_zip_is_one_sentence(target):
    content = bytearray(zipped({"a.png": png()}))
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(mark) + at] |= 1
    result = add([send(target, "x.zip", bytes(content))], target)
    assert result.refused == [en.ZIP_LOCKED.format(name="a.png")]


def test_a_full_disk_is_seen_before_unpacking(target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    result = add([send(target, "x.zip", zipped({"a.png": png()}))], target)
    assert says(result.refused[0], "page.ZIP_NO_ROOM")


def test_the_first_delivery_names_the_folder():
    assert uploads.default_name(["a.png", "my cats.zip"]) == "my cats"
    assert uploads.default_name(["a.png"]) == "pictures"


def within(path: str) -> str:
    """A name as the page's script gives it to a file of a dropped folder."""
    return path.replace("/", uploads.WITHIN)


def test_files_of_a_folder_keep_their_folders(target):
    sent_files = [
        send(target, within(f"cats/{name}"), content)
        for name, content in {
            "10_sks cat/1.png": png("red"), "10_sks cat/1.txt": b"red", "blue/1.png": png("blue"),
            "blue/1.txt": b"blue", ".DS_Store": b"x", "__MACOSX/1.png": png(), "Thumbs.db": b"x",
        }.items()
    ]  # fmt: skip
    added = add(sent_files, target)
    assert everything(target) == {"10_sks cat/1.png", "10_sks cat/1.txt", "blue/1.png", "blue/1.txt"}
    assert added.refused == [] and added.renamed == []
    assert caption_of(target / "10_sks cat/1.png") == "red"
    assert caption_of(target / "blue/1.png") == "blue"
    assert uploads.default_name(name for name, _ in sent_files) == "cats"
    assert add(sent_files, target).same == 2


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/evil.png", "..\\evil.png", "a/../../../evil.png", "./evil.png", "C:/evil.png"]
)
def test_a_folders_name_leads_nowhere_else(target, name):
    before = everything(target.parent.parent)
    add([send(target, within(name), png())], target)
    new = everything(target.parent.parent) - before
    assert len([path for path in new if path.endswith("evil.png")]) == 1
    assert all(path.startswith(("datasets/cats/", "sent/")) for path in new)
    assert uploads.default_name([within(name)]).strip(".") not in ("", "/")


def test_the_name_of_a_set_is_that_of_its_folder():
    assert uploads.default_name([within("my cats/a.png"), within("my cats/x/b.png")]) == "my cats"
    assert uploads.default_name([within("my cats/a.png"), "b.png"]) == "pictures"
    assert uploads.default_name([within("10_cat/a.png")]) == "pictures"
    assert uploads.default_name(["a.png", "set.zip"]) == "set"


def test_what_phones_and_other_trainers_have_arrives(target):
    import io

    import pillow_heif

    heic = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), "red")).save(heic, quality=90)
    texts = {"a.txt": "赛博朋克, 一个女孩".encode("gbk"), "b.png.txt": "黑色的猫, 窗边".encode("gbk")}
    files = {"a.heic": heic.getvalue(), "b.png": png(), "metadata.csv": b"file_name,text\nc.png,x\n", **texts}
    result = add(sent(target, **{name.replace(".", "__"): data for name, data in files.items()}), target)
    assert result.refused == [] and {path.name for path in result.images} == {"a.heic", "b.png"}
    assert caption_of(target / "a.heic") == "赛博朋克, 一个女孩"
    assert caption_of(target / "b.png") == "黑色的猫, 窗边"
    assert (target / "metadata.csv").exists()


def test_a_guessed_encoding_of_captions_is_told(target):
    """With what was read, for nobody else sees it: the caption is kept as UTF-8."""
    lone = add(sent(target, a__png=png(), a__txt="猫".encode("gbk")), target)
    assert caption_of(target / "a.png") == "猫" and certain((target / "a.txt").read_bytes()) == "猫"
    more = add(sent(target, b__png=png("blue"), b__txt="黒猫が窓辺にいる".encode("cp932")), target)
    for result, words in ((lone, "GBK (simplified Chinese): a.txt as “猫”"), (more, "Japanese): b.txt as “黒猫が")):
        assert len(result.guessed) == 1 and words in html.added(result, target)
    sure = add(sent(target, c__png=png("green"), c__txt="una señal".encode()), target)
    assert sure.guessed == []


def test_accents_alone_stay_what_they_are(target):
    """è in UTF-8 is 猫 in GBK: beside other captions in UTF-8 it is no question, and none later, when it is alone."""
    texts = {"a__txt": "è".encode(), "b__txt": "une forêt".encode()}
    assert add(sent(target, a__png=png(), b__png=png("blue"), **texts), target).guessed == []
    assert caption_of(target / "a.png") == "è"


def test_what_is_no_text_is_no_caption(target):
    result = add(sent(target, a__png=png(), a__txt=png("blue"), b__png=png("red"), b__txt=b"<html></html>"), target)
    assert len(result.images) == 2 and not list(target.glob("*.txt"))
    for words, reason in zip(result.refused, ("files.because_not_text", "files.because_web_page"), strict=True):
        assert says(words, "images.caption_unreadable", reason=say(reason))

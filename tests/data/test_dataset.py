"""Scanning folders: what is found, what is wrong, what is remembered."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image
from said import says

from sdlora.data import index
from sdlora.data.dataset import Dataset, scan
from sdlora.messages import say


def make(folder: Path, *names: str, size: tuple[int, int] = (64, 64), colour: str = "red") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(folder / name)


def look(folder: Path, **options: object) -> Dataset:
    return scan(folder, **{"resolution": 64, "step": 8, **options})


def sentences(found: Dataset, fatal: bool = False) -> list[str]:
    return [problem.what for problem in found.problems if problem.fatal == fatal]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that scans open; files are trusted at once, however young."""
    names: list[str] = []
    original = index._inspect

    def inspect(path: Path, name: str, stat: tuple[int, int, int]) -> index.Seen:
        names.append(name)
        return original(path, name, stat)

    monkeypatch.setattr(index, "_inspect", inspect)
    monkeypatch.setattr(index, "SETTLED", -(10**12))
    return names


def test_items_are_complete(tmp_path: Path) -> None:
    make(tmp_path, "b10.png", "b2.png", "3_cat/x.png", size=(128, 64))
    (tmp_path / "b2.txt").write_text("hello")
    found = look(tmp_path, repeats=2)
    assert [(i.name, i.caption, i.source, i.repeats) for i in found.items] == [
        ("3_cat/x.png", "cat", "folder", 6),
        ("b2.png", "hello", "sidecar", 2),
        ("b10.png", "b10", "name", 2),
    ]
    for item in found.items:
        assert item.path == tmp_path / item.name and item.size == (128, 64)
        assert item.placement.bucket == (88, 40) and len(item.content_hash) == 64
    assert sentences(found) == [say("images.captions_from_names", share="1 of 3 images", example="b10.png gives “b10”")]


def test_the_size_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (120, 60)).save(tmp_path / "x.jpg", exif=exif)
    assert look(tmp_path).items[0].size == (60, 120)


# ---- what is wrong


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "no images", "nul", "long"])
def test_folders_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / kind
    if kind == "file":
        folder.write_text("x")
    elif kind == "no images":
        folder.mkdir()
        (folder / "notes.txt").write_text("x")
        (folder / "._x.png").write_text("x")
    elif kind == "empty":
        folder.mkdir()
    folder = {"nul": Path("a\0b"), "long": tmp_path / ("x" * 5000)}.get(kind, folder)
    found = look(folder)
    *others, problem = found.problems
    assert [p.what for p in others] == [
        say("images.other_files", kind_of_file=say("images.kind_lone_caption"), names="notes.txt", count=1)
    ] * (kind == "no images")
    assert not found.items and problem.fatal and problem.where == "folder" and problem.fix
    expected = {
        "missing": "images.folder_missing", "file": "images.folder_is_file", "empty": "images.folder_without_images",
        "no images": "images.folder_without_images", "nul": "images.folder_unreadable",
        "long": "images.folder_unreadable",
    }  # fmt: skip
    assert says(problem.what, expected[kind])


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", deny)
    assert sentences(look(tmp_path), fatal=True) == [say("images.folder_forbidden", path=tmp_path)]


def test_a_closed_folder_inside_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.png", "inner/b.png")
    scandir = os.scandir

    def deny(path: str) -> object:
        if str(path).endswith("inner"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    found = look(tmp_path)
    assert [i.name for i in found.items] == ["a.png"]
    assert say("images.subfolder_left_out", path="inner", reason=say("common.EACCES")) in sentences(found)


def test_bad_images_are_left_out_with_a_sentence_each(tmp_path: Path) -> None:
    make(tmp_path, "good.png")
    make(tmp_path, "pixel.png", size=(1, 1))
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "torn.png").write_bytes((tmp_path / "good.png").read_bytes()[:-40])
    (tmp_path / "._good.png").write_bytes(b"\0" * 100)
    for name in ("good", "pixel", "zero", "text", "torn"):
        (tmp_path / f"{name}.txt").write_text("x")
    found = look(tmp_path)
    assert [i.name for i in found.items] == ["good.png"]
    assert sentences(found) == [
        say("images.left_out", name="text.png", fault_of_image=say("images.fault_unreadable")),
        say("images.left_out", name="torn.png", fault_of_image=say("images.fault_damaged")),
        say("images.left_out", name="zero.jpg", fault_of_image=say("images.fault_empty")),
        say("images.too_small_left_out", name="pixel.png", width=1, height=1, step=8),
    ]
    assert len(look(tmp_path, upscale=True).items) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_pipes_and_devices_are_named_and_never_opened(tmp_path: Path) -> None:
    """Opening a pipe waits for a writer for ever, and /dev/zero has no end."""
    make(tmp_path, "good.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "link.png").symlink_to(tmp_path / "good.png")
    found = look(tmp_path)
    assert [i.name for i in found.items] == ["good.png", "link.png"]
    told = " ".join(sentences(found))
    assert "pipe.png" in told and "a pipe" in told and "zero.png" in told and "a device" in told


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
@pytest.mark.timeout(30)
def test_a_pipe_as_the_index_is_replaced(tmp_path: Path, opened: list[str]) -> None:
    make(tmp_path, "a.png")
    (tmp_path / ".sdlora_cache").mkdir()
    os.mkfifo(tmp_path / ".sdlora_cache/index.json")
    assert len(look(tmp_path).items) == 1 and (tmp_path / ".sdlora_cache/index.json").is_file()
    assert len(look(tmp_path).items) == 1 and opened == ["a.png"]


def test_nothing_usable_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "zero.jpg").touch()
    found = look(tmp_path)
    assert sentences(found) == [say("images.left_out", name="zero.jpg", fault_of_image=say("images.fault_empty"))]
    assert sentences(found, fatal=True) == [say("images.no_usable_image", path=tmp_path)]


def test_many_problems_become_a_number(tmp_path: Path) -> None:
    make(tmp_path, "good.png")
    for i in range(100):
        (tmp_path / f"bad{i}.jpg").touch()
    (tmp_path / "good.txt").write_text("x")
    found = sentences(look(tmp_path))
    assert len(found) == 21 and found[-1] == say(
        "images.more_remarks", count=80, remarks=say("images.remarks_unreadable")
    )


def test_shared_stems_are_told_and_both_train(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "a.webp", "b.png")
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("x")
    found = look(tmp_path)
    assert len(found.items) == 3 and [i.caption for i in found.items] == ["x"] * 3
    assert sentences(found) == [say("images.caption_shared", name="a", names="a.png, a.webp")]


def test_no_captions_at_all(tmp_path: Path) -> None:
    make(tmp_path, "red_fox.png", "IMG_1.png")
    assert sentences(look(tmp_path)) == [
        say("images.captions_from_names", share="1 of 2 images", example="red_fox.png gives “red fox”"),
        say("images.caption_missing", share="1 of 2 images", names="IMG_1.png"),
    ]
    (tmp_path / "IMG_1.txt").touch()
    (tmp_path / "red_fox.txt").write_text("x")
    assert sentences(look(tmp_path)) == [say("images.caption_empty", share="1 of 2 images", names="IMG_1.png")]


def test_kohya_folders(tmp_path: Path) -> None:
    make(tmp_path, "0_off/a.png", "2024_holiday/b.png", "5_x/c.png", "99999999999999_y/d.png")
    found = look(tmp_path)
    assert [i.repeats for i in found.items] == [5, 2024, 10_000]
    told = sentences(found)
    assert say("images.folder_with_0_repeats", name="0_off") in told
    assert say("images.folder_with_repeats", name="2024_holiday", count=2024) in told
    make(tmp_path, "7_here/a.png")
    assert look(tmp_path / "7_here").items[0].repeats == 1


def test_metadata_counts_as_captions(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "sub/b.png")
    rows = [{"file_name": "a.png", "text": "one"}, {"file_name": "sub/b.png", "text": "two"}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = look(tmp_path)
    assert [i.caption for i in found.items] == ["one", "two"] and not found.problems


# ---- the index


def test_a_second_scan_opens_nothing(tmp_path: Path, opened: list[str]) -> None:
    make(tmp_path, "a.png", "b/c.png")
    (tmp_path / "zero.jpg").touch()
    first = look(tmp_path)
    assert sorted(opened) == ["a.png", "b/c.png", "zero.jpg"]
    opened.clear()
    assert look(tmp_path) == first and opened == []
    assert [p.name for p in (tmp_path / ".sdlora_cache").iterdir()] == ["index.json"]


def test_an_edited_image_is_noticed_even_with_its_old_time(tmp_path: Path, opened: list[str]) -> None:
    for name, colour in (("a.bmp", "red"), ("b.bmp", "red")):
        make(tmp_path, name, colour=colour)
    before = {i.name: i.content_hash for i in look(tmp_path).items}
    opened.clear()
    stat = (tmp_path / "b.bmp").stat()
    make(tmp_path, "b.bmp", colour="blue")  # the same size in bytes
    os.utime(tmp_path / "b.bmp", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (tmp_path / "b.bmp").stat()[6:9:2] == stat[6:9:2]
    after = {i.name: i.content_hash for i in look(tmp_path).items}
    assert opened == ["b.bmp"] and after["a.bmp"] == before["a.bmp"] and after["b.bmp"] != before["b.bmp"]


def test_files_changed_a_moment_ago_are_not_trusted(tmp_path: Path) -> None:
    """Two edits can fall into one tick of the file system's clock."""
    make(tmp_path, "a.png")
    look(tmp_path)
    index_file = tmp_path / ".sdlora_cache/index.json"
    assert not index_file.exists() or json.loads(index_file.read_text())["files"] == {}


def test_removed_and_repaired_images(tmp_path: Path, opened: list[str]) -> None:
    make(tmp_path, "a.png", "b.png")
    (tmp_path / "c.png").touch()
    assert len(look(tmp_path).items) == 2
    (tmp_path / "a.png").unlink()
    make(tmp_path, "c.png")
    assert [i.name for i in look(tmp_path).items] == ["b.png", "c.png"]
    kept = json.loads((tmp_path / ".sdlora_cache/index.json").read_text())["files"]
    assert sorted(kept) == ["b.png", "c.png"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1, "files": {}}',
        '{"version": 2, "files": {"a.png": [1]}}',
        "\0\xff",
    ],
)
def test_a_damaged_index_is_made_anew(tmp_path: Path, opened: list[str], content: str) -> None:
    make(tmp_path, "a.png")
    first = look(tmp_path)
    (tmp_path / ".sdlora_cache/index.json").write_text(content, encoding="latin-1")
    opened.clear()
    assert look(tmp_path) == first and opened == ["a.png"]


def test_the_cache_folder_can_be_elsewhere_or_unwritable(tmp_path: Path, opened: list[str]) -> None:
    make(tmp_path / "data", "a.png")
    look(tmp_path / "data", cache=tmp_path / "elsewhere")
    assert not (tmp_path / "data/.sdlora_cache").exists()
    make(tmp_path / "more", "a.png")
    look(tmp_path / "more", cache=tmp_path / "elsewhere")
    opened.clear()
    look(tmp_path / "data", cache=tmp_path / "elsewhere")
    look(tmp_path / "more", cache=tmp_path / "elsewhere")
    assert opened == [] and len(list((tmp_path / "elsewhere").iterdir())) == 2
    found = look(tmp_path / "data", cache=tmp_path / "data/a.png/inside")
    assert len(found.items) == 1
    assert any("cache folder" in s and "can't be written" in s for s in sentences(found))


def test_other_settings_use_the_same_index(tmp_path: Path, opened: list[str]) -> None:
    make(tmp_path, "a.png", size=(100, 50))
    look(tmp_path)
    opened.clear()
    assert look(tmp_path, fit="pad").items[0].placement.bucket == (64, 64) and opened == []
    assert look(tmp_path, fit="crop").items[0].placement.bucket == (48, 48) and opened == []


@pytest.mark.slow
def test_ten_thousand_images_again(tmp_path: Path, opened: list[str]) -> None:
    make(tmp_path, "0.png")
    data = (tmp_path / "0.png").read_bytes()
    for i in range(1, 10_000):
        (tmp_path / f"{i}.png").write_bytes(data)
        (tmp_path / f"{i}.txt").write_text("a cat")
    first = look(tmp_path)
    opened.clear()
    assert look(tmp_path).items == first.items and opened == []


def test_folders_given_relative_or_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "set/a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert look(Path("set")).items[0].path == look(Path("~/set")).items[0].path == tmp_path / "set/a.png"

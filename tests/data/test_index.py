"""The index of what is known of image files: whatever becomes of it, the images are what they are."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sdlora.data import index
from sdlora.data.dataset import Dataset, scan
from sdlora.files.intact import read_json, write_json
from sdlora.messages import say


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that scans open; files are trusted at once, however young."""
    names: list[str] = []
    inspect = index._inspect
    monkeypatch.setattr(index, "_inspect", lambda path, name, stat: names.append(name) or inspect(path, name, stat))
    monkeypatch.setattr(index, "SETTLED", -(10**12))
    return names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, size in (("a.png", (64, 48)), ("b.png", (96, 32))):
        Image.new("RGB", size, "red").save(tmp_path / name)
        (tmp_path / name).with_suffix(".txt").write_text("x")
    return tmp_path


def look(folder: Path) -> Dataset:
    return scan(folder, resolution=64, step=8)


def flipped(path: Path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    path.write_bytes(data)


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


DAMAGES: dict[str, Callable[[Path], object]] = {
    **{f"a bit at {place}": lambda path, place=place: flipped(path, place) for place in (0, 0.2, 0.4, 0.6, 0.8, 1)},
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "half zeroed": lambda path: path.write_bytes(path.read_bytes()[:100].ljust(path.stat().st_size, b"\0")),
    "empty": lambda path: path.write_bytes(b""),
    "an edited size": lambda path: edited(path, "64, 48", "48, 64"),
    "no digest": lambda path: path.write_text(json.dumps(read_json(path))),
    "nested": lambda path: path.write_text("[" * 100_000),
    "nested whole": lambda path: path.write_text('{"files":' * 5000 + "1" + "}" * 5000),
    "thousands of digits": lambda path: path.write_text('{"version": ' + "9" * 10_000 + "}"),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_index_is_made_anew_without_a_word(folder: Path, opened: list[str], how: str) -> None:
    first = look(folder)
    kept = folder / ".sdlora_cache/index.json"
    whole = read_json(kept)
    DAMAGES[how](kept)
    opened.clear()
    assert look(folder) == first and first.problems == () and sorted(opened) == ["a.png", "b.png"]
    assert read_json(kept) == whole
    opened.clear()
    assert look(folder) == first and opened == []


ENTRY = ["bytes", "mtime", "ctime", "hash", "width", "height", "problem"]
ABSURD = [
    {"width": -64}, {"width": 0}, {"width": 10**30}, {"width": 1e400}, {"width": float("nan")}, {"width": "64"},
    {"width": 64.5}, {"width": True}, {"width": None}, {"width": [64]}, {"width": 20_000, "height": 20_000},
    {"hash": 5}, {"hash": ""}, {"hash": "../" * 20 + "abcd"}, {"problem": 7}, {"problem": None},
]  # fmt: skip


@pytest.mark.parametrize("change", ABSURD, ids=str)
def test_what_no_scan_can_have_found_is_not_believed(folder: Path, opened: list[str], change: dict) -> None:
    """Even with the right digest, as a tool or another version may write it: that file alone is opened again."""
    first = look(folder)
    kept = folder / ".sdlora_cache/index.json"
    content = read_json(kept)
    entry = dict(zip(ENTRY, content["files"]["a.png"], strict=True))
    content["files"]["a.png"] = list((entry | change).values())
    write_json(kept, content)
    opened.clear()
    assert look(folder) == first and opened == ["a.png"]


@pytest.mark.parametrize("files", [[], 5, None, {"a.png": 5}, {"a.png": {}}, {"a.png": [[]] * 7}, {"a.png": [1] * 9}])
def test_entries_of_another_shape_are_not_believed(folder: Path, opened: list[str], files: object) -> None:
    first = look(folder)
    write_json(folder / ".sdlora_cache/index.json", {"version": index.VERSION, "files": files})
    opened.clear()
    assert look(folder) == first and sorted(opened) == ["a.png", "b.png"]


def test_a_file_that_is_no_picture_is_remembered_with_its_problem(folder: Path, opened: list[str]) -> None:
    (folder / "c.png").write_bytes(b"nothing")
    first = look(folder)
    assert [p.what for p in first.problems] == [
        say("images.left_out", name="c.png", fault_of_image=say("images.fault_unreadable"))
    ]
    opened.clear()
    assert look(folder) == first and opened == []


def test_a_large_index_is_read_at_once(tmp_path: Path) -> None:
    seen = {f"{n}.png": index.Seen((1, 2, 3), "0" * 64, (64, 64)) for n in range(20_000)}
    assert index._save_index(tmp_path / "index.json", seen) == []
    began = time.process_time()
    assert index._load_index(tmp_path / "index.json") == seen
    assert time.process_time() - began < 5

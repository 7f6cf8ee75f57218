"""Every file of a folder is trained on, a caption, a mask, ours, or named."""

import json
import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image
from said import saying, says

from sdlora.data.captions import read_captions
from sdlora.data.dataset import Dataset, scan
from sdlora.data.listing import list_folder
from sdlora.messages import say


def make(folder: Path, *names: str, kind: str | None = None) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), "red").save(folder / name, kind)


def look(folder: Path) -> Dataset:
    return scan(folder, resolution=64, step=8)


def sentences(found: Dataset) -> list[str]:
    return [problem.what for problem in found.problems]


def captions(folder: Path) -> dict[str, str]:
    return {item.name: item.caption for item in look(folder).items}


def test_no_file_is_passed_over_in_silence(tmp_path: Path) -> None:
    """One file of every kind: those that don't train are in a sentence, each in one."""
    make(tmp_path, "good.jpg")
    (tmp_path / "good.txt").write_text("x")
    others = ["h.jxl", "x.psd", "live.mov", "old.zip", "orphan.txt", "notes.caption", "data.parquet", "a.npz", "b.toml"]
    for name in [
        *others,
        "empty",
        ".hidden.png",
        ".sdlora_cache/index.json",
        "Thumbs.db",
        "desktop.ini",
        "LICENSE",
        "Readme.md",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"what it may be")
    found = look(tmp_path)
    assert [item.name for item in found.items] == ["good.jpg"]
    told = sentences(found)
    for name in [*others, "empty"]:
        assert sum(name in sentence for sentence in told) == 1, name
    assert not any(
        name in " ".join(told) for name in ("LICENSE", "Readme", "Thumbs", "desktop", "hidden", "index", "good")
    )
    ways = {problem.what: problem.fix for problem in found.problems}
    assert ways[
        say("images.other_files", count=2, kind_of_file=say("images.kind_unreadable"), names="h.jxl, x.psd")
    ] == say("images.save_as_png")
    assert ways[say("images.other_files", kind_of_file=say("images.kind_film"), names="live.mov", count=1)] == say(
        "images.save_frames"
    )


def test_one_is_told_as_one_and_several_as_several(tmp_path: Path) -> None:
    make(tmp_path, "good.jpg")
    (tmp_path / "good.txt").write_text("x")
    names = ["b.mov", "c.zip", "d.txt", "e.xlsx", "f.xyz"]
    for name in names:
        (tmp_path / name).write_text("x")
    make(tmp_path, "good_mask.png")
    kinds = {"film": "b.mov", "archive": "c.zip", "lone_caption": "d.txt", "unknown_table": "e.xlsx",
             "mask": "good_mask.png", "other": "f.xyz"}  # fmt: skip
    assert {sentence for sentence in sentences(look(tmp_path)) if ": " in sentence} == {
        say("images.other_files", kind_of_file=say(f"images.kind_{kind}"), names=name, count=1)
        for kind, name in kinds.items()
    }
    for name in names:
        (tmp_path / f"2{name}").write_text("x")
    several = "\n".join(sentences(look(tmp_path)))
    for kind in ("kind_others", "kind_films"):
        assert says(several, "images.other_files", count=2, kind_of_file=saying(f"images.{kind}"))


def test_what_is_left_of_many_is_more_than_one(tmp_path: Path) -> None:
    make(tmp_path, "good.jpg")
    (tmp_path / "good.txt").write_text("x")
    for number in range(21):
        (tmp_path / f"{number}.png").touch()
    assert len(sentences(look(tmp_path))) == 21 and "more" not in "".join(sentences(look(tmp_path)))
    (tmp_path / "21.png").touch()
    assert sentences(look(tmp_path))[-1] == say(
        "images.more_remarks", count=2, remarks=say("images.remarks_unreadable")
    )


def test_many_of_a_kind_are_one_sentence(tmp_path: Path) -> None:
    make(tmp_path, "good.jpg")
    (tmp_path / "good.txt").write_text("x")
    for number in range(50):
        (tmp_path / f"{number:02}.jxl").touch()
    assert sentences(look(tmp_path)) == [
        say(
            "images.other_files",
            count=50,
            kind_of_file=say("images.kind_unreadable"),
            names="00.jxl, 01.jxl, 02.jxl, …",
        )
    ]


def test_a_folder_of_nothing_readable_says_what_was_seen(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.jxl").touch()
    assert [says(w, "images.folder_without_images") or "IMG_1.jxl" in w for w in sentences(look(tmp_path))] == [
        True
    ] * 2


def test_pictures_without_a_telling_name_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    make(tmp_path, "jpeg", "photo 1.5", kind="JPEG")
    make(tmp_path, "k.jpg_large", "l.jpg!d", kind="JPEG")
    make(tmp_path, "png", kind="PNG")
    make(tmp_path, "webp", kind="WEBP")
    make(tmp_path, "bmp", kind="BMP")
    make(tmp_path, "avif", kind="AVIF")
    make(tmp_path, "x.bak", "y.part", kind="PNG")  # copies of pictures would train twice
    (tmp_path / "README").write_text("BMP files go here")
    (tmp_path / "jpeg.txt").write_text("a caption")
    (tmp_path / "photo 1.5.txt").write_text("another")
    found = captions(tmp_path)
    assert sorted(found) == ["avif", "bmp", "jpeg", "k.jpg_large", "l.jpg!d", "photo 1.5", "png", "webp"]
    assert found["jpeg"] == "a caption" and found["photo 1.5"] == "another"


def test_masks_are_left_out_and_told(tmp_path: Path) -> None:
    """OneTrainer's files and folders of masks; a subject called mask is none."""
    make(
        tmp_path, "a.png", "a-masklabel.png", "a-condlabel.png", "b.jpg", "b_mask.png", "face mask.png", "gas_mask.png"
    )
    make(tmp_path, "masks/a.png", "masks/b.png", "10_mask/a.png", "mask dance/x.png")
    (tmp_path / "a-masklabel.txt").write_text("x")
    listing = list_folder(tmp_path)
    assert {listing.name(path) for path in listing.images} == {
        "10_mask/a.png", "a.png", "b.jpg", "face mask.png", "gas_mask.png", "mask dance/x.png",
    }  # fmt: skip
    (told,) = [p for p in look(tmp_path).problems if "mask" in p.what and "left out" in p.what]
    assert told.what.startswith("5 files are left out as masks: a-condlabel.png, a-masklabel.png, b_mask.png")
    assert "Rename" in told.fix and not told.fatal


def test_links_and_closed_circles(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    assert [item.name for item in look(tmp_path).items] == ["a.png"]
    told = " ".join(sentences(look(tmp_path)))
    assert (
        say("images.not_a_file", name="gone.png", thing=say("files.thing_dangling_link")) in told and "self.png" in told
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
@pytest.mark.timeout(30)
def test_captions_and_tables_that_are_pipes_are_named(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.png")
    os.mkfifo(tmp_path / "a.txt")
    (tmp_path / "b.txt").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "metadata.jsonl")
    (tmp_path / "pipe without ending").symlink_to("/dev/zero")
    told = " ".join(sentences(look(tmp_path)))
    for name, kind in (("a.txt", "a pipe"), ("b.txt", "a device"), ("metadata.jsonl", "a pipe")):
        assert f"{name} is {kind}, not a file" in told
    _, problems = read_captions([tmp_path / "a.png"], tmp_path)
    assert any("a.txt can't be read (it is a pipe, not a file)" in problem.what for problem in problems)


# ---- captions under other names


@pytest.mark.parametrize("name", ["x.TXT", "X.txt", "x.Caption", "x.png.txt", "x.png.caption", "x.PNG.TXT"])
def test_caption_files_in_other_spellings(tmp_path: Path, name: str) -> None:
    make(tmp_path, "x.png")
    (tmp_path / name).write_text("the caption")
    found = look(tmp_path)
    assert [item.caption for item in found.items] == ["the caption"] and sentences(found) == []


def test_the_spelling_of_the_image_comes_first(tmp_path: Path) -> None:
    make(tmp_path, "x.png")
    for name in ("X.txt", "x.TXT", "x.txt", "x.png.txt", "x.caption"):
        (tmp_path / name).write_text(name)
    assert captions(tmp_path) == {"x.png": "x.txt"}


@pytest.mark.parametrize(
    ("content", "caption"),
    [
        ({"caption": "a cat"}, "a cat"),
        ({"text": "a cat", "width": 5}, "a cat"),
        ({"caption": "a cat", "tags": "red, big"}, "a cat, red, big"),
        ({"tags": ["red", "big"]}, "red, big"),
        ({"width": 5}, None),
        ("nonsense", None),
    ],
)
def test_json_beside_an_image(tmp_path: Path, content: object, caption: str | None) -> None:
    make(tmp_path, "x.png")
    (tmp_path / "x.json").write_text(json.dumps(content))
    found = look(tmp_path)
    assert found.items[0].caption == (caption or "x")
    assert any("x.json holds no caption" in sentence for sentence in sentences(found)) == (caption is None)


@pytest.mark.parametrize(("image", "caption"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_composed_and_not(tmp_path: Path, image: str, caption: str) -> None:
    """A set from a Mac has "é" as two letters."""
    make(tmp_path, unicodedata.normalize(image, "café.png"), unicodedata.normalize(image, "Ünï.png"))
    (tmp_path / unicodedata.normalize(caption, "café.txt")).write_text("a cup")
    row = {"file_name": unicodedata.normalize(caption, "Ünï.png"), "text": "a letter"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    found = look(tmp_path)
    assert sorted(item.caption for item in found.items) == ["a cup", "a letter"] and sentences(found) == []


# ---- tables


ROWS = [("a.png", "one"), ("sub/b.png", "two")]


def of_jsonl(rows: list) -> str:
    return "\n".join(json.dumps({"file_name": name, "text": text}) for name, text in rows)


def of_csv(rows: list) -> str:
    return "file_name,text\n" + "\n".join(f'{name},"{text}"' for name, text in rows)


def of_kohya(rows: list) -> str:
    return json.dumps({name: {"caption": text, "train_resolution": [64, 64]} for name, text in rows})


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("metadata.jsonl", of_jsonl),
        ("Metadata.JSONL", of_jsonl),
        ("metadata.jsonl.txt", of_jsonl),
        ("captions.jsonl", of_jsonl),
        ("metadata.csv", of_csv),
        ("metadata.json", of_kohya),
        ("meta_cap.json", of_kohya),
        ("captions.json", lambda rows: json.dumps(dict(rows))),
        ("captions.json", lambda rows: json.dumps([{"image": name, "caption": text} for name, text in rows])),
        ("metadata.csv", lambda rows: "\ufeff" + of_csv(rows).replace(",", ";")),
    ],
)
@pytest.mark.parametrize(
    "spell",
    [
        lambda name: name,
        lambda name: name.replace("/", "\\"),
        lambda name: name.upper(),
        lambda name: name.removesuffix(".png"),
        lambda name: "./" + name,
        lambda name: "C:\\train\\cats\\" + name.replace("/", "\\"),
        lambda name: "/home/somebody/cats/" + name,
    ],
    ids=["as it is", "backslash", "case", "no ending", "dot", "Windows", "absolute"],
)
def test_tables_of_captions(tmp_path: Path, name: str, write, spell) -> None:
    make(tmp_path, "a.png", "sub/b.png")
    (tmp_path / name).write_text(write([(spell(image), text) for image, text in ROWS]), encoding="utf-8")
    found = look(tmp_path)
    assert {item.name: (item.caption, item.source) for item in found.items} == {
        image: (text, "metadata") for image, text in ROWS
    }
    assert sentences(found) == []


@pytest.mark.parametrize("write", [of_jsonl, of_csv, of_kohya])
def test_rows_that_mean_no_image_are_named(tmp_path: Path, write) -> None:
    make(tmp_path, "a.png")
    name = {of_jsonl: "metadata.jsonl", of_csv: "metadata.csv", of_kohya: "metadata.json"}[write]
    (tmp_path / name).write_text(write([("a.png", "x"), ("b.png", "y"), ("../a.png", "z"), ("sub/a.png", "w")]))
    (told,) = look(tmp_path).problems
    assert told.what == say("images.table_rows_without_image", file=name, count=3, names="b.png, ../a.png, sub/a.png")
    assert captions(tmp_path) == {"a.png": "x"}


def test_of_two_tables_the_nearest_and_then_the_first_kind_wins(tmp_path: Path) -> None:
    make(tmp_path, "sub/a.png")
    (tmp_path / "metadata.jsonl").write_text(of_jsonl([("sub/a.png", "far")]))
    (tmp_path / "sub/metadata.json").write_text(of_kohya([("a.png", "near, json")]))
    assert captions(tmp_path) == {"sub/a.png": "near, json"}
    (tmp_path / "sub/metadata.csv").write_text(of_csv([("a.png", "near, csv")]))
    assert captions(tmp_path) == {"sub/a.png": "near, csv"}


def test_kohyas_tags_follow_the_caption(tmp_path: Path) -> None:
    """As sd-scripts puts a FineTuningDataset's caption and tags together."""
    make(tmp_path, "a.png", "b.png")
    content = {"a": {"caption": "a cat", "tags": "red, big"}, "b": {"tags": "small"}}
    (tmp_path / "metadata.json").write_text(json.dumps(content))
    assert captions(tmp_path) == {"a.png": "a cat, red, big", "b.png": "small"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.csv", "a.png,one\n"),
        ("metadata.json", "[" * 100_000),
        ("metadata.json", "5"),
        ("metadata.json", '{"a.png": {"width": 5}}'),
        ("captions.csv", ""),
    ],
)
def test_tables_that_are_not_understood(tmp_path: Path, name: str, content: str) -> None:
    make(tmp_path, "x.png")
    (tmp_path / name).write_text(content)
    assert any(f"{name} is not understood" in sentence for sentence in sentences(look(tmp_path)))


def test_tables_in_gbk_and_wide_csv(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    (tmp_path / "metadata.csv").write_bytes('file_name,text\na.png,"赛博朋克, 一个女孩"\n'.encode("gbk"))
    found = look(tmp_path)
    assert found.items[0].caption == "赛博朋克, 一个女孩" and "GBK" in sentences(found)[0]

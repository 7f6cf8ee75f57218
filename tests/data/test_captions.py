"""Captions: sources, encodings, and what a step makes of them."""

import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from said import saying

from sdlora.data.captions import Caption, name_to_caption, read_captions, write_caption
from sdlora.data.tables import read_table
from sdlora.data.tags import clean_lines, has_word, split_tags, variant
from sdlora.errors import UserError

TEXT = "eine schöne Käserei, Größe XL, naïve"


# ---- where a caption comes from


def caption_of(image: Path, root: Path | None = None) -> Caption:
    return read_captions([image], root or image.parent)[0][image]


def test_sources_in_order(tmp_path: Path) -> None:
    image = tmp_path / "10_sks dog" / "red_apple-01.png"
    image.parent.mkdir()
    sources = {
        image.with_suffix(".txt"): "from txt",
        image.with_suffix(".caption"): "from caption",
        image.with_name("metadata.jsonl"): json.dumps({"file_name": image.name, "text": "from metadata"}),
    }
    for path, text in sources.items():
        path.write_text(text)
    seen = []
    for path in sources:
        seen.append((caption := caption_of(image, tmp_path)).text)
        assert caption.source == ("metadata" if path.suffix == ".jsonl" else "sidecar")
        path.unlink()
    seen.append((caption := caption_of(image, tmp_path)).text)
    assert caption.source == "folder"
    seen.append((caption := caption_of(image)).text)  # the data folder itself is no kohya folder
    assert caption.source == "name"
    assert seen == ["from txt", "from caption", "from metadata", "sks dog", "red apple"]


def test_an_empty_sidecar_is_an_empty_caption(tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text(" \n")
    (tmp_path / "cat.caption").write_text("not this")
    assert (caption := caption_of(tmp_path / "cat.png")).text == "" and caption.source == "sidecar"


def test_lines_are_kept_and_cleaned(tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_bytes(b"a cat,\r\n  on a\tmat\n\n\x00\x07 at night\n")
    assert caption_of(tmp_path / "cat.png").text == "a cat,\non a mat\nat night"


def test_a_very_long_caption_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("very " * 2000 + "long")
    caption = caption_of(tmp_path / "x.png")
    assert len(caption.text) == 10_004 and caption.problems == ()  # how much the model reads: preflight


def test_a_text_file_that_is_no_caption(tmp_path: Path) -> None:
    (tmp_path / "a_cat.txt").write_bytes(b"x" * (2 << 20))
    caption = caption_of(tmp_path / "a_cat.png")
    assert caption.text == "a cat" and "1 MiB" in caption.problems[0].what
    (tmp_path / "dog.txt").mkdir()
    caption = caption_of(tmp_path / "dog.png")
    assert caption.text == "dog" and "dog.txt can't be read" in caption.problems[0].what


def test_metadata_of_imagefolder(tmp_path: Path) -> None:
    rows = [
        {"file_name": "a.png", "text": "one"},
        {"file_name": "sub/b.png", "caption": "two\nlines"},
        {"file_name": "c.png", "prompt": "three", "score": 4},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(r) for r in rows) + "\n\n")
    captions, problems = read_captions([tmp_path / name for name in ("a.png", "sub/b.png", "c.png")], tmp_path)
    assert not problems
    assert [caption.text for caption in captions.values()] == ["one", "two\nlines", "three"]


def test_metadata_problems_name_the_lines(tmp_path: Path) -> None:
    lines = [
        '{"file_name": "a.png", "text": "one"}',
        "nonsense",
        '{"text": "no name"}',
        '{"file_name": "x.png"}',
        "[1]",
    ]
    lines += ['{"file_name": "b.png", "text": 5}', '{"file_name": "\\u0000", "text": "x"}', "[" * 100_000]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    table, (problem,) = read_table(tmp_path / "metadata.jsonl")
    assert table and table.rows == [("a.png", "one")]
    assert "line 2, 3, 4, 5, 6 and 2 more" in problem.what and not problem.fatal
    (tmp_path / "d" / "metadata.jsonl").mkdir(parents=True)
    table, (problem,) = read_table(tmp_path / "d/metadata.jsonl")
    assert table is None and "can't be read" in problem.what


def test_the_nearest_metadata_wins(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "sub/a.png", "text": "far"}\n{"file_name": "sub/b.png", "text": "only"}'
    )
    (tmp_path / "sub/metadata.jsonl").write_text('{"file_name": "a.png", "text": "near"}')
    images = [tmp_path / "sub/a.png", tmp_path / "sub/b.png"]
    assert [c.text for c in read_captions(images, tmp_path)[0].values()] == ["near", "only"]


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("red_apple-01.png", "red apple"),
        ("red apple (2).png", "red apple"),
        ("red-apple copy 3.png", "red apple"),
        ("Red.Apple.jpeg", "Red Apple"),
        ("apple007.png", "apple"),
        ("area51.png", "area51"),
        ("r2d2.png", "r2d2"),
        ("photo of my cat 12.png", "photo of my cat"),
        ("IMG_1234.JPG", ""),
        ("DSC01234.jpg", ""),
        ("PXL_20240102_123456789.jpg", ""),
        ("WhatsApp Image 2024-01-02.jpg", ""),
        ("00012.png", ""),
        ("d41d8cd98f00b204e9800998ecf8427e.png", ""),
        ("猫_01.png", "猫"),
        ("(1).png", ""),
        ("_.png", ""),
    ],
)
def test_file_names_as_captions(name: str, caption: str) -> None:
    assert name_to_caption(name) == caption


@given(st.text(max_size=60))
def test_any_file_name_gives_one_line(name: str) -> None:
    assert len(name_to_caption(name).splitlines()) <= 1


# ---- writing


@example(text="µá")  # its UTF-8 is 碌谩 in GBK
@given(text=st.text())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    image = tmp_path_factory.mktemp("w") / "bild ä.png"
    path = write_caption(image, text)
    assert caption_of(image).text == clean_lines(text)
    assert path.name == "bild ä.txt" and [p.name for p in image.parent.iterdir()] == [path.name]


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "x.png"
    write_caption(image, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        UserError, match=saying("images.caption_not_saved", file="x.txt", reason="No space left on device")
    ):
        write_caption(image, "new")
    assert caption_of(image).text == "old" and [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_many_threads_may_write_the_same_caption(tmp_path: Path) -> None:
    """Two browser tabs live in one process."""
    texts = [str(i) * 5000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: write_caption(tmp_path / "x.png", texts[i % 8]), range(200)))
    assert caption_of(tmp_path / "x.png").text in texts and len(list(tmp_path.iterdir())) == 1


# ---- variants

TAGS = st.lists(st.text("abcde ", min_size=1, max_size=6).map(str.strip).filter(bool), max_size=8)
RNG = st.integers(0, 2**32).map(random.Random)
STILL = {"shuffle": False, "keep_tags": 0, "tag_dropout": 0.0, "caption_dropout": 0.0}


@given(
    TAGS, st.booleans(), st.integers(0, 4), st.floats(0, 1), st.sampled_from(["sks", "sks dog", "sks, toy", "<x>"]), RNG
)
def test_the_trigger_word_is_never_lost(tags, shuffle, keep, dropout, trigger, rng) -> None:
    options = {"shuffle": shuffle, "keep_tags": keep, "tag_dropout": dropout, "caption_dropout": 0.0}
    text = variant(", ".join(tags), trigger=trigger, rng=rng, **options)
    assert text.startswith(trigger) and text.count(trigger) == 1


@given(TAGS, TAGS, st.booleans(), st.floats(0, 1), RNG)
def test_a_trigger_word_inside_the_caption_stays(before, after, shuffle, dropout, rng) -> None:
    caption = ", ".join([*before, "photo of SKS dog", *after])
    options = {"shuffle": shuffle, "keep_tags": 0, "tag_dropout": dropout, "caption_dropout": 0.0}
    assert split_tags(variant(caption, trigger="sks", rng=rng, **options)).count("photo of SKS dog") == 1


@given(TAGS, st.integers(0, 10), st.booleans(), st.floats(0, 1), RNG)
def test_kept_tags_stay_in_front(tags, keep, shuffle, dropout, rng) -> None:
    options = {"shuffle": shuffle, "keep_tags": keep, "tag_dropout": dropout, "caption_dropout": 0.0}
    seen = split_tags(variant(", ".join(tags), trigger="", rng=rng, **options))
    assert seen[:keep] == tags[:keep]
    assert not Counter(seen) - Counter(tags)


@given(TAGS, st.integers(0, 10), RNG)
def test_shuffling_keeps_every_tag(tags, keep, rng) -> None:
    options = STILL | {"shuffle": True, "keep_tags": keep}
    assert Counter(split_tags(variant(", ".join(tags), trigger="", rng=rng, **options))) == Counter(tags)


@given(TAGS, st.integers(0, 10), st.integers(0, 2**32))
def test_dropout_of_nothing_and_everything(tags, keep, seed) -> None:
    caption = ", ".join(tags)
    assert variant(caption, trigger="", rng=random.Random(seed), **STILL) == caption
    everything = STILL | {"keep_tags": keep, "tag_dropout": 1.0}
    assert variant(caption, trigger="", rng=random.Random(seed), **everything) == ", ".join(tags[:keep])
    assert variant(caption, trigger="sks", rng=random.Random(seed), **STILL | {"caption_dropout": 1.0}) == ""


@given(TAGS, st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1))
def test_a_variant_is_pure(tags, seed, tag_dropout, caption_dropout) -> None:
    options = {"shuffle": True, "keep_tags": 1, "tag_dropout": tag_dropout, "caption_dropout": caption_dropout}
    first, second = (variant(", ".join(tags), trigger="t", rng=random.Random(seed), **options) for _ in range(2))
    assert first == second


def test_dropout_happens_as_often_as_asked() -> None:
    rng, options = random.Random(0), STILL | {"tag_dropout": 0.3, "keep_tags": 1}
    left = [len(split_tags(variant("k, a, b, c, d", trigger="", rng=rng, **options))) - 1 for _ in range(5000)]
    assert sum(left) / 20_000 == pytest.approx(0.7, abs=0.015)
    dropped = [variant("a", trigger="", rng=rng, **STILL | {"caption_dropout": 0.1}) == "" for _ in range(10_000)]
    assert sum(dropped) / 10_000 == pytest.approx(0.1, abs=0.015)


def test_the_trigger_word_counts_among_the_kept_tags() -> None:
    options = STILL | {"keep_tags": 1, "tag_dropout": 1.0}
    assert variant("a, b", trigger="sks", rng=random.Random(0), **options) == "sks"
    assert variant("sks, b", trigger="sks", rng=random.Random(0), **options) == "sks"
    assert variant("a, b", trigger="sks", rng=random.Random(0), **options | {"keep_tags": 2}) == "sks, a"
    assert variant("", trigger="sks", rng=random.Random(0), **options) == "sks"


def test_prose_is_left_alone() -> None:
    prose = "A photo of sks dog, sitting ,  on grass."
    assert variant(prose, trigger="sks", rng=random.Random(0), **STILL) == prose


@pytest.mark.parametrize(
    ("text", "word", "there"),
    [
        ("a cat", "cat", True),
        ("cats", "cat", False),
        ("A CAT.", "cat", True),
        ("<s1> x", "<s1>", True),
        ("", "x", False),
    ],
)
def test_words_not_parts_of_words(text: str, word: str, there: bool) -> None:
    assert has_word(text, word) is there


# ---- commas, brackets, lines, wildcards


@pytest.mark.parametrize(
    ("caption", "tags"),
    [
        ("一只猫，红色、大眼睛, 坐", ["一只猫", "红色", "大眼睛", "坐"]),
        ("zib, (red, blue fox:1.3), small", ["zib", "(red, blue fox:1.3)", "small"]),
        ("[a, b], {c, d|e}, (f, (g, h:1.1)), i", ["[a, b]", "{c, d|e}", "(f, (g, h:1.1))", "i"]),
        (r"artoria \(fate, saber\), sword", [r"artoria \(fate", r"saber\)", "sword"]),
        ("open (bracket, never closed, c", ["open (bracket", "never closed", "c"]),
        ("smile :(, blue, sad :)", ["smile :(", "blue", "sad :)"]),
        ("closed), a", ["closed)", "a"]),
        ("one, two\nthree", ["one", "two", "three"]),
        ("（红色，蓝色）， 猫", ["（红色，蓝色）", "猫"]),
        ("", []),
    ],
)
def test_what_separates_tags(caption: str, tags: list[str]) -> None:
    assert split_tags(caption) == tags


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_weighted_brackets_are_never_torn(seed, dropout) -> None:
    options = STILL | {"shuffle": True, "tag_dropout": dropout}
    seen = variant("zib, (red, blue fox:1.3), small, [dark, cold]", trigger="zib", rng=random.Random(seed), **options)
    assert seen.count("(") == seen.count(")") == seen.count("(red, blue fox:1.3)")
    assert seen.count("[") == seen.count("]") == seen.count("[dark, cold]")


def test_full_width_commas_shuffle() -> None:
    options = STILL | {"shuffle": True}
    seen = {variant("红，绿、蓝", trigger="", rng=random.Random(n), **options) for n in range(50)}
    assert len(seen) == 6 and "蓝, 绿, 红" in seen


def test_of_several_lines_the_first_one_at_random_or_all() -> None:
    caption = "a red fox\na blue fox\na green fox"
    options = STILL | {"trigger": "zib"}
    first = {variant(caption, rng=random.Random(n), **options) for n in range(30)}
    drawn = [variant(caption, rng=random.Random(n), **options, lines="random") for n in range(3000)]
    assert first == {"zib, a red fox"}
    for colour in ("red", "blue", "green"):
        assert drawn.count(f"zib, a {colour} fox") / 3000 == pytest.approx(1 / 3, abs=0.04)
    assert variant(caption, rng=random.Random(0), **options, lines="all") == "zib, a red fox a blue fox a green fox"


def test_wildcards_are_drawn_evenly_or_left_alone() -> None:
    """sd-scripts' enable_wildcard: one of the options between the braces, each as likely."""
    caption = "a {red| blue |green} fox, {big}"
    drawn = [variant(caption, trigger="", rng=random.Random(n), **STILL, wildcards=True) for n in range(3000)]
    assert set(drawn) == {"a red fox, {big}", "a blue fox, {big}", "a green fox, {big}"}
    assert drawn.count("a blue fox, {big}") / 3000 == pytest.approx(1 / 3, abs=0.04)
    assert variant(caption, trigger="", rng=random.Random(0), **STILL) == caption


def test_kohyas_separator_keeps_tags_in_front_and_at_the_end() -> None:
    """sd-scripts' keep_tokens_separator: fixed ||| flexible ||| fixed suffix; it replaces keep_tokens."""
    caption = "1girl, solo ||| red, big, {a, b} ||| masterpiece"
    options = STILL | {"shuffle": True, "keep_tags": 5}
    seen = {variant(caption, trigger="", rng=random.Random(n), **options) for n in range(60)}
    middle = {tuple(split_tags(text))[2:5] for text in seen}
    assert all(text.startswith("1girl, solo, ") and text.endswith(", masterpiece") for text in seen)
    assert len(middle) == 6 and all(sorted(tags) == ["big", "red", "{a, b}"] for tags in middle)
    assert not any("|||" in text for text in seen)
    dropped = variant(caption, trigger="", rng=random.Random(0), **STILL | {"tag_dropout": 1.0})
    assert dropped == "1girl, solo, masterpiece"
    still = variant(caption, trigger="zib", rng=random.Random(0), **STILL)
    assert still == "zib, 1girl, solo, red, big, {a, b}, masterpiece"


def test_edits_of_the_page_keep_lines(tmp_path: Path) -> None:
    write_caption(tmp_path / "x.png", " a fox \r\n\r\nred,  big")
    assert caption_of(tmp_path / "x.png").text == "a fox\nred, big"


def test_where_a_caption_came_from_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.png.txt").write_text("one")
    (tmp_path / "metadata.csv").write_text("file_name,text\nb.png,two\n")
    images = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    found = read_captions(images, tmp_path)[0]
    assert [(found[i].source, found[i].file) for i in images] == [
        ("sidecar", "a.png.txt"), ("metadata", "metadata.csv"), ("name", ""),
    ]  # fmt: skip

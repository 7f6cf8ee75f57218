"""Encodings: what is certain, and what a folder of short captions was saved in."""

import codecs
import re
from pathlib import Path

import pytest
from captioned import caption_of
from captions_of_the_world import CAPTIONS
from hypothesis import assume, given
from hypothesis import strategies as st
from said import Said, says

from sdlora.data.captions import read_captions
from sdlora.data.encodings import certain, codec_title, decode, guess_codec
from sdlora.data.tags import one_line
from sdlora.messages import say

TEXT = "eine schöne Käserei, Größe XL, naïve"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-8"),
        codecs.BOM_UTF8 + TEXT.encode("utf-8"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"),
        TEXT.encode("latin-1"),
    ],
)
def test_encodings(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.txt").write_bytes(data)
    assert caption_of(tmp_path / "x.png") == TEXT


@given(st.text())
def test_utf8_is_read_as_written(text: str) -> None:
    assume("\0" not in text and not text.startswith("\ufeff") and not text.endswith("\x1a"))  # the end of a DOS file
    seldom = 0 < sum("\x7f" < c < "\u0800" for c in text) == sum(c > "\x7f" for c in text)  # see the disguise below
    assert seldom or certain(text.encode("utf-8")) == text
    assert certain(("ж" + text).encode("utf-8")) is not None or seldom


@pytest.mark.parametrize("text", ["кошка, été", "naïve Größe", "γάτα", "حصان", "l’été", "żółty", "ñandú", "İstanbul"])
def test_words_of_europe_in_utf8_are_certain(text: str) -> None:
    assert certain(text.encode("utf-8")) == text


@pytest.mark.parametrize("text", ["一只猫", "一只猫, 一只猫"])
def test_chinese_in_gbk_that_happens_to_be_utf8(text: str) -> None:
    """Valid UTF-8, of Cyrillic, Hebrew and Latin letters in one word."""
    data = text.encode("gbk")
    data.decode("utf-8")
    assert decode(data) == (text, "gb18030")


@pytest.mark.parametrize("text", ["猫", "毛帽", "猫, 帽", "没", "茅\n"])
def test_chinese_in_gbk_that_happens_to_be_accents_alone(tmp_path: Path, text: str) -> None:
    """猫 is "è" in UTF-8, which nobody writes as a caption; told, for it is a guess."""
    (tmp_path / "x.txt").write_bytes(text.encode("gbk"))
    captions, problems = read_captions([tmp_path / "x.png"], tmp_path)
    assert captions[tmp_path / "x.png"].text == text.strip()
    assert len(problems) == 1 and "GBK" in problems[0].what and text.strip() in problems[0].what


def test_accents_alone_among_captions_in_utf8_are_utf8(tmp_path: Path) -> None:
    """What lies beside it shows what it is: neither guessed nor told."""
    for name, text in (("a", "è"), ("b", "ñ, û"), ("c", "une forêt"), ("d", "red fox")):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    images = [tmp_path / f"{name}.png" for name in "abcd"]
    captions, problems = read_captions(images, tmp_path)
    assert [captions[image].text for image in images] == ["è", "ñ, û", "une forêt", "red fox"] and problems == []
    (tmp_path / "e.txt").write_bytes("一只猫坐在窗边".encode("gbk"))  # of two hands, and told
    captions, problems = read_captions([*images, tmp_path / "e.png"], tmp_path)
    assert [captions[image].text for image in images] == ["猫", "帽, 没", "une forêt", "red fox"]
    assert [says(problem.what, "images.not_utf8", count=3, encoding=Said("GBK.*")) for problem in problems] == [True]


def test_encodings_mixed_in_one_folder_are_each_told(tmp_path: Path) -> None:
    texts = {"a": ("黒猫が窓辺にいる", "cp932"), "b": ("девушка в кимоно", "cp1251"), "c": ("a café", "utf-8")}
    texts |= {f"z{n}": (text, "gbk") for n, text in enumerate(CAPTIONS["gb18030"].splitlines())}
    for name, (text, codec) in texts.items():
        (tmp_path / f"{name}.txt").write_bytes(text.encode(codec))
    captions, problems = read_captions([tmp_path / f"{name}.png" for name in texts], tmp_path)
    assert {image.stem: caption.text for image, caption in captions.items()} == {n: t for n, (t, _) in texts.items()}
    said = " ".join(problem.what for problem in problems)
    assert len(problems) == 3 and "a.txt as “黒猫が窓辺にいる”" in said and "b.txt as “девушка в кимоно”" in said


@given(st.binary())
def test_any_bytes_give_one_printable_line(data: bytes) -> None:
    text = one_line(decode(data)[0])
    assert "\n" not in text and "\0" not in text and text == text.strip()
    assert text.encode("utf-8").decode("utf-8") == text


@pytest.mark.parametrize("codec", CAPTIONS)
def test_a_folder_of_short_captions_is_read_as_it_was_written(tmp_path: Path, codec: str) -> None:
    captions = CAPTIONS[codec].splitlines()
    images = [tmp_path / f"{number}.png" for number in range(len(captions))]
    for image, text in zip(images, captions, strict=True):
        image.with_suffix(".txt").write_bytes(text.encode(codec))
    found, problems = read_captions(images, tmp_path)
    assert [found[image].text for image in images] == captions
    (told,) = problems
    unsure = sum(not text.isascii() for text in captions)
    assert says(told.what, "images.not_utf8", count=unsure) and not told.fatal and "UTF-8" in told.fix
    assert any(text[:20] in told.what for text in captions)


@pytest.mark.parametrize("codec", CAPTIONS)
def test_three_captions_are_enough(codec: str) -> None:
    texts = CAPTIONS[codec].splitlines()
    for start in range(0, len(texts), 3):
        some = [text.encode(codec) for text in texts[start : start + 3]]
        found = guess_codec([data for data in some if certain(data) is None])
        assert [decode(data, found)[0] for data in some] == texts[start : start + 3]


@pytest.mark.parametrize("codec", CAPTIONS)
def test_one_caption_is_nearly_always(codec: str) -> None:
    texts = CAPTIONS[codec].splitlines()
    assert sum(decode(text.encode(codec))[0] == text for text in texts) >= len(texts) - 1


def test_the_first_word_of_the_chinese_page(tmp_path: Path) -> None:
    """GBK, which was trained as "Èü²©Åó¿Ë, Ò»¸öÅ®º¢"."""
    (tmp_path / "x.txt").write_bytes("赛博朋克, 一个女孩".encode("gbk"))
    found, (told,) = read_captions([tmp_path / "x.png"], tmp_path)
    assert found[tmp_path / "x.png"].text == "赛博朋克, 一个女孩"
    assert told.what == (
        say("images.not_utf8", encoding=say("images.encoding_gbk"), file="x.txt", caption="赛博朋克, 一个女孩", count=1)
    )


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1250", "żółty samochód, dziewczyna w czerwonej sukience"),
        ("cp1253", "κορίτσι με κόκκινο φόρεμα"),
        ("cp1254", "kırmızı elbiseli kız, gülümseyen, ışıklar"),
        ("cp1255", "ילדה בשמלה אדומה"),
        ("cp1256", "فتاة بفستان أحمر"),
        ("cp874", "ผู้หญิงใส่ชุดแดง"),
        ("koi8-r", "девушка в кимоно стоит под вишней"),
        ("euc-jp", "桜の木の下に立つ着物の少女"),
    ],
)
def test_others_that_windows_and_unix_had(codec: str, text: str) -> None:
    assert decode(text.encode(codec))[0] == text and codec_title(decode(text.encode(codec))[1]) != ""


def test_a_stranger_among_captions_of_one_hand() -> None:
    """What makes no sense in its neighbours' encoding is guessed for itself."""
    assert decode("девушка в кимоно".encode("cp1251"), "gb18030")[0] == "девушка в кимоно"
    assert decode("黒猫, 窓辺".encode("cp932"), "cp932") == ("黒猫, 窓辺", "cp932")


def test_one_stranger_does_not_change_how_a_folder_is_read() -> None:
    captions = CAPTIONS["gb18030"].splitlines()
    stranger = "café à la crème".encode("cp1252")
    assert guess_codec([stranger, *(text.encode("gbk") for text in captions)]) == "gb18030"


def test_thousands_of_captions_are_not_cut_within_a_letter() -> None:
    """What is looked at ends somewhere; half a letter there would rule out the right encoding."""
    for extra in range(4):
        texts = [("x" * extra).encode(), *["一只猫坐在窗边".encode("gbk")] * 6000]
        assert (
            guess_codec(texts[1:])
            == guess_codec([b"\n".join(texts)])
            == guess_codec([b"x" * extra + b"".join(texts)])
            == "gb18030"
        )


@pytest.mark.parametrize("data", [b"red fox\0", b"red fox\x1a", b"red fox\0\0", b"red fox\r\n"])
def test_the_end_of_a_c_string_or_a_dos_file_makes_no_other_encoding(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.txt").write_bytes(data)
    assert caption_of(tmp_path / "x.png") == "red fox"


def test_utf8_that_is_cut_within_a_character_is_utf8() -> None:
    whole = "赛博朋克, 一个女孩"
    for end in (1, 2):
        assert decode(whole.encode()[:-end]) == (whole[:-1], "")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html>", "a web page"),
        (b"<html><head><title>Sign in</title>", "a web page"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40), "no text"),
        (b"PK\x03\x04\x14\0\x08\x08abc\x90\x01", "no text"),
        (b"\x1b$B@V$$8Q\x1b(B", "no text"),  # ISO-2022-JP, which no program writes captions in
        ("red fox".encode("utf-32-le"), "no text"),  # without its mark
    ],
)
def test_what_is_no_text_is_named_and_not_trained_on(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "cat.png").touch()
    (tmp_path / "cat.txt").write_bytes(data)
    captions, problems = read_captions([tmp_path / "cat.png"], tmp_path)
    assert captions[tmp_path / "cat.png"].text == "cat"
    assert len(problems) == 1 and re.search(rf"cat\.txt can't be read \(it is .*{why}", str(problems[0]))
    (tmp_path / "cat.txt").rename(tmp_path / "metadata.csv")
    _, problems = read_captions([tmp_path / "cat.png"], tmp_path)
    assert re.search(rf"metadata\.csv can't be read \(it is .*{why}", str(problems[0]))


@pytest.mark.parametrize("text", ["<sks> dog, <html_style:1>", "<html>", "<html> on a neon sign", "<head> of a horse"])
def test_captions_in_angle_brackets_are_captions(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.txt").write_text(text)
    assert caption_of(tmp_path / "x.png") == text

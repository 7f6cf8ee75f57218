"""What becomes of an answer before it is a caption."""

import pytest

from sdlora.captioners.words import cleaned, joined, without


@pytest.mark.parametrize(
    "answer, caption",
    [
        ("  a cat\n\n on a mat ", "a cat on a mat"),
        ("## Caption\n- **A cat** sits\n- a dog", "Caption A cat sits a dog"),
        ('"A cat."', "A cat."),
        ('"A cat" says "miau"', '"A cat" says "miau"'),
        ("<think>hm</think>A cat.", "A cat."),
        ("<think>it never ends", ""),
        ("一只猫。", "一只猫。"),
    ],
)
def test_an_answer_becomes_one_line(answer, caption):
    assert cleaned(answer) == caption


def test_what_is_cut_off_ends_with_its_last_whole_sentence():
    assert cleaned("One. Two is 1.5 m. Three is", cut=True) == "One. Two is 1.5 m."
    assert cleaned("一只猫。两只", cut=True) == "一只猫。"
    assert cleaned("only one with no end", cut=True) == "only one with no end"


def test_unwanted_tags_and_words_go():
    assert without("1girl, Solo, red eyes", ("solo", "eyes")) == "1girl, red"
    assert without("The image shows a cat, sitting.", ("the image shows",)) == "a cat, sitting."
    assert without("a cattle, cat", ("cat",)) == "a cattle"
    assert without("cat", ("cat", "", " ")) == ""


def test_how_a_new_caption_meets_the_old_one():
    assert joined("old, cat", "cat, new", "replace", "") == "cat, new"
    assert joined("old, cat", "cat, new", "append", "") == "old, cat, new"
    assert joined("", "cat", "append", "zib") == "zib, cat"
    assert joined("", "zib, cat", "skip", "zib") == "zib, cat"

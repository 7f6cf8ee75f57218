"""Bulk edits of captions, against what they promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlora.data.edit import Edit, changes, tag_counts
from sdlora.data.tags import one_line, split_tags

captions = st.text(st.sampled_from("ab ,é猫"), max_size=30).map(one_line)
words = st.text(st.sampled_from("ab é"), min_size=1, max_size=6).filter(lambda w: w.strip())


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (Edit("front", "ohwx"), "a cat", "ohwx, a cat"),
        (Edit("front", "ohwx"), "OHWX, a cat", "OHWX, a cat"),
        (Edit("front", "ohwx"), "", "ohwx"),
        (Edit("front", "x, y"), "y, z", "x, y, z"),
        (Edit("end", "blue,"), "a cat,", "a cat, blue"),
        (Edit("end", "  two\nlines "), "a", "a, two lines"),
        (Edit("replace", "cat", "dog"), "a cat, cats", "a dog, dogs"),
        (Edit("replace", "Cat", "dog"), "a cat", "a cat"),
        (Edit("replace", "blue", ""), "a, blue, b", "a, b"),
        (Edit("replace", "blue", ""), "blue, b", "b"),
        (Edit("replace", "a.c", "x"), "abc", "abc"),
        (Edit("replace", "x", r"\1"), "x", r"\1"),
        (Edit("remove", "BLUE"), "a, blue , b", "a, b"),
        (Edit("remove", "a, b"), "a, b, c", "c"),
        (Edit("remove", "blue"), "blue sky,  x", "blue sky,  x"),
        (Edit("remove", ""), "a,,b", "a,,b"),
    ],
)
def test_edits(edit, before, after):
    assert edit.apply(before) == after


@given(st.sampled_from(["front", "end", "remove"]), words, captions)
def test_adding_and_removing_twice_is_once(kind, what, caption):
    once = Edit(kind, what).apply(caption)
    assert Edit(kind, what).apply(once) == once


@given(words, captions)
def test_what_was_removed_is_gone_and_the_rest_stays(what, caption):
    left = split_tags(Edit("remove", what).apply(caption))
    gone = one_line(what).casefold()
    assert left == [tag for tag in split_tags(caption) if tag.casefold() != gone]


@given(st.lists(captions, max_size=20), words)
def test_changes_are_exactly_those_that_differ(texts, what):
    found = changes(dict(enumerate(texts)), Edit("front", what))
    assert all(before == texts[key] != after for key, (before, after) in found.items())
    assert all(Edit("front", what).apply(text) == text for key, text in enumerate(texts) if key not in found)


def test_tags_are_counted_once_a_caption_and_in_any_case():
    counted = tag_counts(["Cat, blue, blue", "cat", "a dog, blue", ""])
    assert counted == [("blue", 2), ("Cat", 2), ("a dog", 1)]

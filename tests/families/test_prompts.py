"""The prompt syntax against worked examples and properties; no model needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlora.families.shared.prompts import chunks, escape_brackets, weighted_parts

# Worked out by hand from the rules of AUTOMATIC1111's wiki page on emphasis.
EXAMPLES = {
    "plain text": [("plain text", 1.0)],
    "a (cat:1.3) sleeps": [("a ", 1.0), ("cat", 1.3), (" sleeps", 1.0)],
    "((very)) good": [("very", 1.21), (" good", 1.0)],
    "[less] more": [("less", 1 / 1.1), (" more", 1.0)],
    "(one (two:1.5) three)": [("one ", 1.1), ("two", 1.65), (" three", 1.1)],
    r"miku \(vocaloid\)": [("miku (vocaloid)", 1.0)],
    "(open to the end": [("open to the end", 1.1)],
    "stray) bracket]": [("stray) bracket]", 1.0)],
    "time 12:30) here": [("time 12:30) here", 1.0)],
    "(a:.5)(b:2)": [("a", 0.5), ("b", 2.0)],
    "()": [],
    "": [],
}


@pytest.mark.parametrize("prompt", EXAMPLES)
def test_weights_of_examples(prompt):
    parts = weighted_parts(prompt)
    assert [text for text, _ in parts] == [text for text, _ in EXAMPLES[prompt]]
    assert [weight for _, weight in parts] == pytest.approx([weight for _, weight in EXAMPLES[prompt]])


@given(st.text())
def test_escaped_text_means_itself(text):
    assert "".join(part for part, _ in weighted_parts(escape_brackets(text))) == text
    assert all(weight == 1.0 for _, weight in weighted_parts(escape_brackets(text)))


@given(st.text(alphabet="ab()[]:\\.1 ,", max_size=40))
def test_any_text_is_read_and_only_signs_are_lost(text):
    parts = weighted_parts(text)
    assert all(part for part, _ in parts)
    assert [c for c in "".join(p for p, _ in parts) if c in "ab"] == [c for c in text if c in "ab"]


def by_letter(text):
    return [ord(c) for c in text if c != " "]


@given(st.text(alphabet="abc,", max_size=60), st.integers(4, 20))
def test_chunks_keep_every_token_in_order_and_fit(text, room):
    made = chunks(text, by_letter, room, comma=[ord(",")])
    assert [token for chunk in made for token in chunk.ids] == by_letter(text)
    assert all(len(chunk.ids) <= room and len(chunk.ids) == len(chunk.weights) for chunk in made) and made


def test_a_full_chunk_ends_after_a_comma_nearby():
    text = "a" * 60 + "," + "b" * 30  # the 75th token is a b; the comma is 15 tokens before it
    assert [len(chunk.ids) for chunk in chunks(text, by_letter, 75, [ord(",")])] == [61, 30]
    far = "a" * 40 + "," + "b" * 50  # 35 tokens before: too far
    assert [len(chunk.ids) for chunk in chunks(far, by_letter, 75, [ord(",")])] == [75, 16]


def test_break_ends_a_chunk_and_weights_go_along():
    made = chunks("ab BREAK (cd:1.5)", by_letter, 75)
    assert [chunk.ids for chunk in made] == [tuple(b"ab"), tuple(b"cd")]
    assert made[1].weights == (1.5, 1.5)
    assert [chunk.ids for chunk in chunks("BREAKING news", by_letter, 75)] == [tuple(b"BREAKINGnews")]


def test_unweighted_text_is_plain():
    (chunk,) = chunks("(a:1.5) BREAK b", by_letter, 75, weighted=False)
    assert bytes(chunk.ids) == b"(a:1.5)BREAKb" and set(chunk.weights) == {1.0}

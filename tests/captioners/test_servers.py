"""Captions from a server: what it is asked, what is made of its answers, and what goes wrong in one sentence."""

import base64
import io

import numpy as np
import pytest
from chat_server import saying_so, server
from PIL import Image
from said import saying

from sdlora.captioners import CAPTIONERS, Options
from sdlora.captioners.server import is_local
from sdlora.errors import UserError


def opened(address, **options):
    return CAPTIONERS["server"].open(Options(server=address, **options))


def test_it_is_asked_with_the_picture_and_the_prompt():
    picture = Image.fromarray(np.full((30, 2048, 3), (200, 30, 30), np.uint8))
    with server(lambda asked: saying_so("a red strip"), ["llava"]) as (address, asked):
        assert opened(address, prompt="What?", tokens=33)(picture) == "a red strip"
    (request,) = asked
    words, image = request["messages"][0]["content"]
    assert request["model"] == "llava" and request["max_tokens"] == 33 and request["stream"] is False
    assert words == {"type": "text", "text": "What?"}
    head, data = image["image_url"]["url"].split(",")
    seen = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == "data:image/jpeg;base64" and seen.size == (1024, 15)
    assert np.abs(np.asarray(seen, int).mean((0, 1)) - (200, 30, 30)).max() < 3


def test_parts_thoughts_and_unfinished_sentences():
    answers = iter([
        saying_so([{"type": "text", "text": "one, "}, {"type": "text", "text": "two"}]),
        saying_so("<think>It is\nan apple.</think>\n“An apple.”"),
        saying_so("A cat sits. It looks at a", ends="length"),
    ])  # fmt: skip
    with server(lambda asked: next(answers), ["m"]) as (address, _):
        describe = opened(address)
        picture = Image.new("RGB", (8, 8))
        assert [describe(picture) for _ in range(3)] == ["one, two", "An apple.", "A cat sits."]


@pytest.mark.parametrize("names, key", [([], "server_without_model"), (["a", "b"], "which_model")])
def test_without_a_name_there_must_be_one_model(names, key):
    with server(lambda asked: saying_so("x"), names) as (address, asked):
        with pytest.raises(UserError, match=saying(f"captioning.{key}", address=address)):
            opened(address)
        assert opened(address, model="b")(Image.new("RGB", (8, 8))) == "x" and asked[0]["model"] == "b"


def test_pictures_are_not_sent_on_to_another_address():
    with server(lambda asked: saying_so("stolen"), ["m"]) as (other, taken):
        moved = lambda asked: (307, {"to": f"{other}/chat/completions"})  # noqa: E731
        with server(moved, ["m"]) as (address, _), pytest.raises(
            UserError, match=saying("captioning.server_refused", code=307)
        ):  # fmt: skip
            opened(address)(Image.new("RGB", (8, 8)))
    assert taken == []


def test_what_goes_wrong_is_one_sentence():
    picture = Image.new("RGB", (8, 8))
    with server(lambda asked: (500, {"error": "no memory"}), ["m"]) as (address, _), pytest.raises(
        UserError, match=saying("captioning.server_refused", code=500)
    ):  # fmt: skip
        opened(address)(picture)
    with server(lambda asked: (200, {"choices": "none"}), ["m"]) as (address, _), pytest.raises(
        UserError, match=saying("captioning.odd_answer")
    ):  # fmt: skip
        opened(address)(picture)
    with pytest.raises(UserError, match=saying("captioning.no_server")):  # it has ended
        opened(address, model="m")(picture)
    for odd in ("ftp://127.0.0.1/v1", "file:///etc/passwd", "127.0.0.1:1", "http://[::1", "http://x:99999999/v1"):
        with pytest.raises(UserError, match=saying("captioning.no_address", address=repr(odd))):
            opened(odd)


def test_which_addresses_are_this_computer():
    assert all(map(is_local, ("http://localhost:1/v1", "https://127.0.0.1/v1", "http://[::1]:8/v1")))
    others = ("http://example.org/v1", "http://127.0.0.1.evil.org", "http://localhost@evil.org", "file://localhost/x")
    assert not any(map(is_local, (*others, "http://127.0.0.1:80@evil.org/", "http://evil.org#localhost", "http://[")))

"""The cache of what the text encoders make of captions."""

from pathlib import Path

import pytest
import torch
from said import saying

from sdlora.data.cache import TextCache
from sdlora.errors import UserError


def test_text_comes_back_as_it_was(tmp_path: Path) -> None:
    cache, other = TextCache(tmp_path, "clip"), TextCache(tmp_path, "another")
    tensor = torch.randn(1, 77, 8).to(torch.bfloat16)
    for text in ("", "a cat", "a" * 10_000, "猫\n../../x"):
        assert cache.get(text) is None
        cache.put(text, tensor)
        assert torch.equal(cache.get(text), tensor) and cache.get(text).dtype == torch.bfloat16
        assert other.get(text) is None
    assert len(list((tmp_path / "text").iterdir())) == 4
    cache._path("").write_bytes(b"x")
    assert cache.get("") is None


def test_text_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=saying("images.text_encoder_not_finite", caption="'a cat'")):
        TextCache(tmp_path, "clip").put("a cat", torch.tensor([1.0, float("nan")]))

"""How texts condition the UNet, against diffusers' own pipelines and plain algebra."""

import copy

import pytest
import torch
from base_models import make_base
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

from sdlora.families.base import inspect_base
from sdlora.families.shared.clip_text import TextEncoding, TextReader, on_off, padded, time_ids
from sdlora.families.shared.load import load_text_encoders, load_tokenizers

PIPELINES = {"sd1": StableDiffusionPipeline, "sd2": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}


@pytest.fixture(scope="module", params=PIPELINES)
def model(request, tmp_path_factory):
    """(base, its text encoders, the stock pipeline)."""
    folder = make_base(tmp_path_factory.mktemp("text") / request.param, family=request.param)
    base = inspect_base(str(folder))
    stock = PIPELINES[request.param].from_pretrained(folder, dtype=torch.float32)
    return base, list(load_text_encoders(base).values()), stock


def reader_of(base, **how):
    return TextReader(base.spec, tuple(load_tokenizers(base).values()), **how)


@torch.no_grad()
def encode(reader, encoders, *texts):
    return reader.encode(encoders, reader.tokens(texts))


@torch.no_grad()
def stock_encode(stock, base, text):
    how = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": False}
    result = stock.encode_prompt(text, **how)
    return result[0], result[2] if base.family == "sdxl" else None


def test_plain_texts_are_encoded_as_diffusers_does(model):
    base, encoders, stock = model
    texts = ["a red apple", "", "zib, round"]
    ours = encode(reader_of(base), encoders, *texts)
    for number, text in enumerate(texts):
        hidden, pooled = stock_encode(stock, base, text)
        torch.testing.assert_close(ours.hidden[number : number + 1], hidden)
        if base.family == "sdxl":
            torch.testing.assert_close(ours.pooled[number : number + 1], pooled)
        else:
            assert ours.pooled is None


def test_clip_skip_counts_as_the_tools_do(model):
    base, encoders, stock = model
    if base.family == "sdxl":  # reads its second to last layer whatever is asked, as A1111 does
        plain = encode(reader_of(base), encoders, "a cat").hidden
        assert torch.equal(encode(reader_of(base, clip_skip=2), encoders, "a cat").hidden, plain)
        return
    shorter = copy.deepcopy(encoders[0])  # without its last layer it ends where clip skip 2 reads
    shorter.encoder.layers = shorter.encoder.layers[:-1]
    ids = stock.tokenizer("a cat", padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        expected = shorter(ids).last_hidden_state
    torch.testing.assert_close(encode(reader_of(base, clip_skip=2), encoders, "a cat").hidden, expected)
    assert not torch.equal(encode(reader_of(base), encoders, "a cat").hidden, expected)


def test_long_texts_are_chunks_side_by_side(model):
    base, encoders, _ = model
    reader = reader_of(base)
    one, two = "a" * (reader.room - 5), "bcd"
    both = encode(reader, encoders, f"{one} BREAK {two}")
    parts = [encode(reader, encoders, text) for text in (one, two)]
    torch.testing.assert_close(both.hidden, torch.cat([p.hidden for p in parts], dim=1))
    if base.family == "sdxl":  # the first chunk's, as A1111 takes it
        torch.testing.assert_close(both.pooled, parts[0].pooled)
    assert reader_of(base, max_chunks=1).tokens([f"{one} BREAK {two}"]).ids[0].shape[1] == 1


def test_shorter_texts_are_filled_up_with_empty_chunks(model):
    base, encoders, _ = model
    reader = reader_of(base)
    long, short = "a BREAK b BREAK c", "d"
    together = encode(reader, encoders, long, short)
    alone = [encode(reader, encoders, text) for text in (long, short, "")]
    torch.testing.assert_close(padded(alone[:2], alone[2]).hidden, together.hidden)
    first, second = on_off(alone[0], alone[1], alone[2])
    torch.testing.assert_close(torch.cat([first.hidden, second.hidden]), together.hidden)


def test_weights_scale_their_tokens_and_keep_the_mean(model):
    base, encoders, _ = model
    reader = reader_of(base)
    plain, weighted = (encode(reader, encoders, text).hidden[0] for text in ("a b", "(a:1.5) b"))
    assert not torch.equal(plain, weighted)
    widths = [encoder.config.hidden_size for encoder in encoders]
    for before, after in zip(plain.split(widths, -1), weighted.split(widths, -1), strict=True):
        torch.testing.assert_close(before.mean(), after.mean())
        expected = before.clone()
        expected[1] *= 1.5  # position 0 is the start token
        torch.testing.assert_close(after, expected * before.mean() / expected.mean())


def test_unweighted_reading_takes_brackets_as_text(model):
    base, encoders, _ = model
    plain = reader_of(base, weighted=False)
    assert torch.equal(plain.tokens(["(ab:1.5)"]).weights[0], torch.ones(1, 1, plain.room + 2))
    tokenizer = plain.tokenizers[0]
    assert plain.tokens(["(ab:1.5)"]).ids[0][0, 0].tolist()[:4] == tokenizer("(ab:1.5)").input_ids[:4]


def test_gradients_reach_the_encoders(model):
    base, encoders, _ = model
    reader = reader_of(base)
    for encoder in encoders:
        encoder.requires_grad_(True)
    try:
        reader.encode(encoders, reader.tokens(["a"])).hidden.sum().backward()
        assert all(any(p.grad is not None and p.grad.any() for p in encoder.parameters()) for encoder in encoders)
    finally:
        for encoder in encoders:
            encoder.requires_grad_(False)


def test_size_numbers_are_those_of_the_stock_pipeline():
    # StableDiffusionXLPipeline puts original_size (h, w), crops (top, left), target_size (h, w) side by side
    assert time_ids((640, 480), (8, 4), (512, 384)) == [480, 640, 4, 8, 384, 512]


def test_padding_needs_no_empty_text_where_all_are_equal():
    rows = [TextEncoding(torch.full((1, 4, 2), float(i))) for i in range(2)]
    assert padded(rows, None).hidden[:, 0, 0].tolist() == [0.0, 1.0]

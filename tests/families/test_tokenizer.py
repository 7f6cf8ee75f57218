"""The shipped tokenizer is CLIP's: known ids, and the byte-pair merging written out once more."""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from sdlora.families.base import inspect_base
from sdlora.families.shared.load import load_tokenizers
from sdlora.families.shared.locate import CLIP

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.from_pretrained(CLIP, model_max_length=77)


def test_known_facts(tokenizer):
    assert len(tokenizer) == 49408 and (tokenizer.bos_token_id, tokenizer.eos_token_id) == (49406, 49407)
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("").input_ids == [49406, 49407]
    assert tokenizer("A  PHOTO\nof a Cat").input_ids == tokenizer("a photo of a cat").input_ids
    assert tokenizer("!", add_special_tokens=False).input_ids == [256]
    assert tokenizer.convert_tokens_to_ids(["!", "!</w>", ",</w>", "<|startoftext|>"]) == [0, 256, 267, 49406]
    assert tokenizer(["word " * 100], truncation=True).input_ids[0][-1] == 49407


def plain_merge(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    """Byte-pair encoding as Sennrich et al. 2016 state it: always the pair of the lowest rank first."""
    parts = [*word[:-1], word[-1] + "</w>"]
    while True:
        pairs = [(ranks.get(pair, 10**9), place) for place, pair in enumerate(zip(parts, parts[1:], strict=False))]
        rank, place = min(pairs, default=(10**9, 0))
        if rank == 10**9:
            return parts
        parts[place : place + 2] = ["".join(parts[place : place + 2])]


def test_words_are_merged_by_rank(tokenizer):
    vocabulary = json.loads((CLIP / "vocab.json").read_text(encoding="utf-8"))
    lines = (CLIP / "merges.txt").read_text(encoding="utf-8").split("\n")[1:-1]
    ranks = {tuple(line.split(" ")): number for number, line in enumerate(lines)}
    assert len(lines) == 48894 == len(ranks) and sorted(vocabulary.values()) == list(range(49408))
    words = "photorealistic masterpiece greg rutkowski unsplash chiaroscuro zxqvw lineart kneeling ooooooo cyberpunk"
    expected = [vocabulary[part] for word in words.split() for part in plain_merge(word, ranks)]
    assert tokenizer(words, add_special_tokens=False).input_ids == expected


def test_padding_is_that_of_the_family(bases):
    """CLIP's own pads with its end token, OpenCLIP's with token 0; and a "!" in a text stays a "!"."""
    for family, paddings in (("sd1", [49407]), ("sd2", [0]), ("sdxl", [49407, 0])):
        found = load_tokenizers(inspect_base(str(bases(family)))).values()
        for tokenizer, padding in zip(found, paddings, strict=True):
            ids = tokenizer("a cat!", padding="max_length").input_ids
            assert ids == [49406, 320, 2368, 256, 49407, *[padding] * 72] and tokenizer.pad_token_id == padding


def test_the_shipped_files_come_from_the_published_list():
    """tools/clip_tokenizer/build.py, run on the list that the shipped merges give back, writes the same bytes."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "tools/clip_tokenizer/build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    vocabulary, merges = ((CLIP / name).read_text(encoding="utf-8") for name in ("vocab.json", "merges.txt"))
    published = '"bpe_simple_vocab_16e6.txt#version: 0.2\n' + merges.split("\n", 1)[1] + "more merges\nthan used\n"
    assert build.build(gzip.compress(published.encode("utf-8"))) == (vocabulary, merges)
    with pytest.raises(ValueError, match="another merge list"):
        build.build(gzip.compress(b"version\na b\n"))

"""How many tokens of the text encoder a caption takes. Every Stable Diffusion has the same vocabulary, CLIP's.

No torch: the checks and the page count with it what the trainer then reads.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

import sdlora
from sdlora.families.shared.prompts import REACH, chunks

CHUNK = 75  # a text encoder's window of 77 less its two marks
VOCABULARY = Path(sdlora.__file__).parent / "families" / "clip"
COMMA = ",</w>"
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    """CLIP's byte-pair encoding (Radford et al. 2021): lower case, words and signs apart, digits one by one."""
    files = (str(VOCABULARY / "vocab.json"), str(VOCABULARY / "merges.txt"))
    tokenizer = Tokenizer(models.BPE.from_file(*files, end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    split = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def token_counts(captions: Iterable[str]) -> list[int]:
    """The number of tokens of each, without the begin and end marks."""
    return [len(encoded.ids) for encoded in _tokenizer().encode_batch(list(captions))]


def limit(max_tokens: int) -> int:
    """How many tokens are read at most: data.max_tokens in whole chunks."""
    return max(1, max_tokens // CHUNK) * CHUNK


@lru_cache(maxsize=4096)
def is_read_whole(caption: str, max_tokens: int, weighted: bool = False) -> bool:
    """Does the text encoder read the whole caption? Chunks end at commas, so ``max_tokens`` alone don't tell."""
    most = limit(max_tokens)
    if len(caption.encode("utf-8", "replace")) <= most - (most // CHUNK - 1) * REACH:  # a token has a byte at least
        return True
    tokenizer = _tokenizer()
    comma = tokenizer.token_to_id(COMMA)
    commas = [] if comma is None else [comma]
    read = chunks(caption, lambda part: tokenizer.encode(part).ids, CHUNK, commas, weighted)
    return len(read) * CHUNK <= most

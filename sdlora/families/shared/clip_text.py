"""Texts to what the denoiser is conditioned on: tokens, hidden states and, in some families, the pooled embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sdlora.families.family import Family
from sdlora.families.shared.prompts import Chunk, chunks


class Tokens(NamedTuple):
    """One batch of texts, per text encoder in order: ids int64 and weights float32, both (B, chunks, length)."""

    ids: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]

    def to(self, device: torch.device | str) -> "Tokens":
        """A copy on another device."""
        return Tokens(*(tuple(t.to(device) for t in part) for part in self))

    def rows(self, start: int, end: int) -> "Tokens":
        """Some texts of the batch."""
        return Tokens(*(tuple(t[start:end] for t in part) for part in self))


class TextEncoding(NamedTuple):
    """Encoded texts. hidden: (B, chunks · length, d), the encoders' states side by side. pooled: (B, d2) or None."""

    hidden: Tensor
    pooled: Tensor | None = None

    def to(self, *args) -> "TextEncoding":
        """A copy on another device, or in another dtype."""
        return TextEncoding(self.hidden.to(*args), None if self.pooled is None else self.pooled.to(*args))

    def rows(self, start: int, end: int) -> "TextEncoding":
        """Some texts of the batch."""
        return TextEncoding(self.hidden[start:end], None if self.pooled is None else self.pooled[start:end])


@dataclass(frozen=True)
class TextReader:
    """How texts are read, by training and by test pictures alike.

    tokenizers: one for each of the family's text encoders, in order. clip_skip: 1 takes the last layer, 2 the one
    before (A1111's counting), in families that have the choice. max_chunks: longer texts are cut after so many chunks
    of 75 tokens. weighted: read (word:1.2) and BREAK.
    """

    family: Family
    tokenizers: tuple
    clip_skip: int = 1
    max_chunks: int = 3
    weighted: bool = True

    @property
    def pooled(self) -> bool:
        """Do its encodings have a pooled text?"""
        return self.family.pooled

    @property
    def room(self) -> int:
        """Tokens of text in one chunk: 75 of CLIP's 77."""
        return self.tokenizers[0].model_max_length - 2

    def count(self, text: str) -> int:
        """Tokens of the text, without start and end."""
        return sum(len(chunk.ids) for chunk in self.chunks(text))

    def chunks(self, text: str, tokenizer=None) -> list[Chunk]:
        """The text as this reader cuts it, before ``max_chunks``."""
        tokenizer = tokenizer or self.tokenizers[0]

        def ids(part: str) -> list[int]:
            return tokenizer(part, add_special_tokens=False, truncation=False, verbose=False).input_ids

        comma = tokenizer.convert_tokens_to_ids(",</w>")  # the unknown token's id where there is none
        return chunks(text, ids, self.room, () if comma == tokenizer.unk_token_id else (comma,), self.weighted)

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """The texts on the CPU, all with as many chunks as the longest, empty chunks filling up as A1111 does."""
        per_encoder = [[self.chunks(text, t)[: self.max_chunks] for text in texts] for t in self.tokenizers]
        count = max((len(chunks) for lists in per_encoder for chunks in lists), default=1)
        filled = [[chunks + [Chunk((), ())] * (count - len(chunks)) for chunks in lists] for lists in per_encoder]
        made = [
            [[_framed(c, tokenizer) for c in chunks] for chunks in lists]
            for lists, tokenizer in zip(filled, self.tokenizers, strict=True)
        ]
        return Tokens(
            tuple(torch.tensor([[c[0] for c in chunks] for chunks in lists], dtype=torch.int64) for lists in made),
            tuple(torch.tensor([[c[1] for c in chunks] for chunks in lists], dtype=torch.float32) for lists in made),
        )

    def encode(self, encoders: Sequence[nn.Module], tokens: Tokens) -> TextEncoding:
        """Run the encoders, which may be learning: gradients flow. ``tokens`` on the encoders' device."""
        text_state = self.family.functions().text_state
        states, pooled = [], None
        for encoder, ids, weights in zip(encoders, tokens.ids, tokens.weights, strict=True):
            batch, count, length = ids.shape
            state, pooled_state = text_state(encoder, ids.flatten(0, 1), self.clip_skip)
            pooled = pooled if pooled_state is None else pooled_state
            state = _emphasized(state, weights.flatten(0, 1))
            states.append(state.view(batch, count * length, -1))
        if pooled is not None:
            pooled = pooled.view(batch, count, -1)[:, 0]  # of the first chunk
        return TextEncoding(torch.cat(states, dim=-1), pooled)


def padded(encodings: Sequence[TextEncoding], empty: TextEncoding | None) -> TextEncoding:
    """One batch out of texts (B = 1 each) of different numbers of chunks; ``empty``: the empty text's, one chunk."""
    longest = max(e.hidden.shape[1] for e in encodings)
    rows = []
    for encoding in encodings:
        missing = longest - encoding.hidden.shape[1]
        filling = [empty.hidden] * (missing // empty.hidden.shape[1]) if missing and empty is not None else []
        rows.append(torch.cat([encoding.hidden, *filling], dim=1))
    pooled = None if encodings[0].pooled is None else torch.cat([e.pooled for e in encodings])
    return TextEncoding(torch.cat(rows), pooled)


def on_off(first: TextEncoding, second: TextEncoding, empty: TextEncoding) -> tuple[TextEncoding, TextEncoding]:
    """Prompt and negative prompt brought to the same length with empty chunks, as guidance needs."""
    both = padded([first, second], empty)
    pooled = [None, None] if both.pooled is None else both.pooled.split(1)
    one, two = both.hidden.split(1)
    return TextEncoding(one, pooled[0]), TextEncoding(two, pooled[1])


def _framed(chunk: Chunk, tokenizer) -> tuple[list[int], list[float]]:
    """With start and end, and padding to full length."""
    start, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    length = tokenizer.model_max_length
    spare = length - 2 - len(chunk.ids)
    return [start, *chunk.ids, end, *[pad] * spare], [1.0, *chunk.weights, *[1.0] * (1 + spare)]


def _emphasized(state: Tensor, weights: Tensor) -> Tensor:
    """Each token's state times its weight, then the mean put back to what it was (A1111's "Original" emphasis).

    state: (n, length, d); weights: (n, length). Returned untouched where all weights are 1.
    """
    changed = (weights != 1).any(dim=1)
    if not changed.any():
        return state
    scaled = state * weights.unsqueeze(-1).to(state.dtype)
    mean, new = state.float().mean((1, 2)), scaled.float().mean((1, 2))
    factor = torch.where(changed & (new != 0), mean / new, torch.ones_like(mean))
    return scaled * factor.view(-1, 1, 1).to(state.dtype)


def final_norm(encoder: nn.Module) -> nn.Module:
    """CLIP's last layer norm; transformers 5.6 moved it up one level."""
    return getattr(encoder, "text_model", encoder).final_layer_norm


def time_ids(original: tuple[int, int], corner: tuple[int, int], target: tuple[int, int]) -> list[int]:
    """SDXL's micro-conditioning (Podell et al. 2023, section 2.2): heights before widths, pixels.

    original, target: (width, height); corner: (left, top) of the crop.
    """
    return [original[1], original[0], corner[1], corner[0], target[1], target[0]]

"""Prompts as the tools read them: weighted words, BREAK, chunks of 75 tokens. No torch.

The syntax is AUTOMATIC1111's (its wiki, "Attention/emphasis"): (word) counts 1.1 times, [word] 1/1.1, (word:1.3) as
stated; brackets nest and multiply; \\( \\) \\[ \\] are plain brackets; an open bracket reaches to the end. BREAK in
capitals ends a chunk.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

_SIGN = re.compile(
    r"\\(?P<plain>[()\[\]\\]?)|(?P<open>[(\[])|:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)|(?P<close>[)\]])"
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_ROUND, _SQUARE = 1.1, 1 / 1.1
REACH = 20  # tokens that a chunk gives up to end at a comma, A1111's default

Tokenize = Callable[[str], list[int]]


@dataclass(frozen=True)
class Chunk:
    """Token ids of one pass of the text encoder, without start, end and padding, and each token's weight."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


def weighted_parts(prompt: str) -> list[tuple[str, float]]:
    """[("a ", 1.0), ("cat", 1.3)] for "a (cat:1.3)": neighbours of one weight are one part, none is empty."""
    letters: list[str] = []
    weights: list[float] = []
    opened: list[tuple[str, int]] = []  # bracket and where its text begins

    def put(text: str) -> None:
        letters.extend(text)
        weights.extend([1.0] * len(text))

    def close(bracket: str, factor: float) -> bool:
        if not any(kind == bracket for kind, _ in opened):
            return False
        place = max(i for i, (kind, _) in enumerate(opened) if kind == bracket)
        start = opened.pop(place)[1]
        weights[start:] = [w * factor for w in weights[start:]]
        return True

    position = 0
    for sign in _SIGN.finditer(prompt):
        put(prompt[position : sign.start()])
        position = sign.end()
        if sign["plain"] is not None:  # a backslash before any other letter is dropped
            put(sign["plain"])
        elif sign["open"]:
            opened.append((sign["open"], len(letters)))
        elif sign["weight"]:
            if not close("(", float(sign["weight"])):
                put(sign[0])
        elif not close(*(("(", _ROUND) if sign["close"] == ")" else ("[", _SQUARE))):
            put(sign["close"])
    put(prompt[position:])
    while opened:
        close(opened[-1][0], _ROUND if opened[-1][0] == "(" else _SQUARE)
    return [
        ("".join(letter for letter, _ in part), weight)
        for weight, part in groupby(zip(letters, weights, strict=True), key=lambda pair: pair[1])
    ]


def escape_brackets(text: str) -> str:
    """The text with brackets as plain letters: what a prompt must be to mean the text itself."""
    return re.sub(r"([()\[\]\\])", r"\\\1", text)


def chunks(prompt: str, tokenize: Tokenize, room: int, comma: Sequence[int] = (), weighted: bool = True) -> list[Chunk]:
    """The prompt in chunks of at most ``room`` tokens (75 for SD), at least one.

    tokenize: text -> ids without start and end. comma: the ids of "," alone; a full chunk ends after a comma among its
    last 20 tokens (A1111's default), so that no phrase is torn. weighted: read the syntax above; else all is plain.
    """
    done: list[Chunk] = []
    ids: list[int] = []
    weights: list[float] = []

    def finish(keep: int) -> None:
        done.append(Chunk(tuple(ids[:keep]), tuple(weights[:keep])))
        del ids[:keep], weights[:keep]

    for piece, weight in _pieces(prompt, weighted):
        if piece is None:
            finish(len(ids))
            continue
        for token in tokenize(piece):
            if len(ids) == room:
                finish(room if token in comma else _after_comma(ids, comma, min(REACH, room // 3)))
            ids.append(token)
            weights.append(weight)
    if ids or not done:
        finish(len(ids))
    return done


def _pieces(prompt: str, weighted: bool) -> Iterator[tuple[str | None, float]]:
    """Parts of one weight; (None, 1) where a chunk ends by BREAK."""
    if not weighted:
        yield prompt, 1.0
        return
    for text, weight in weighted_parts(prompt):
        for number, part in enumerate(_BREAK.split(text)):
            if number:
                yield None, 1.0
            yield part, weight


def _after_comma(ids: Sequence[int], comma: Sequence[int], reach: int) -> int:
    """How many tokens a full chunk keeps: up to its last comma, if that is near its end."""
    last = next((i for i in range(len(ids) - 1, len(ids) - 1 - reach, -1) if ids[i] in comma), None)
    return len(ids) if last is None else last + 1

"""What a step makes of a caption: one of its lines, wildcards drawn, tags shuffled and left out. No torch."""

import random
import re
from typing import Literal

Lines = Literal["first", "random", "all"]
PAIRS = {"(": ")", "[": "]", "{": "}", "（": "）"}
COMMAS = ",，、"
MARK = "|||"  # kohya's keep_tokens_separator
WILDCARD = re.compile(r"\{([^{}]*\|[^{}]*)\}")


def variant(
    caption: str,
    *,
    trigger: str,
    shuffle: bool,
    keep_tags: int,
    tag_dropout: float,
    caption_dropout: float,
    rng: random.Random,
    lines: Lines = "first",
    wildcards: bool = False,
) -> str:
    """The caption as one step sees it, on one line; pure given ``rng``.

    The whole caption is left out ("") with chance ``caption_dropout``. Of several lines the first counts, one at
    ``random``, or ``all`` of them as one text. ``wildcards``: each {a|b} becomes a or b. The trigger word comes in
    front where the caption lacks it (as a word, in any case). Then, of the comma-separated tags, the first
    ``keep_tags`` stay (a trigger word in front counts among them and stays in any case); of the others each is left
    out with chance ``tag_dropout``, save those that hold the trigger word, and ``shuffle`` mixes them. In a caption
    with kohya's ``|||``, what is before the first one stays in front instead, and what is behind a second one stays
    at the end; the marks themselves are never seen. Without shuffling and dropping the text is not touched.
    """
    if rng.random() < caption_dropout:
        return ""
    caption = line_of(caption, lines, rng)
    if wildcards:
        caption = WILDCARD.sub(lambda braces: rng.choice(braces[1].split("|")).strip(), caption)
    trigger = one_line(trigger)
    if trigger and not has_word(caption, trigger):
        caption = f"{trigger}, {caption}" if caption else trigger
    front, marked, rest = caption.partition(MARK)
    free, _, ending = rest.partition(MARK)
    if not shuffle and not tag_dropout:
        parts = (front, free, ending.replace(MARK, ","))
        return ", ".join(filter(None, (part.strip(f" {COMMAS}") for part in parts))) if marked else caption
    tags, lead = split_tags(caption.replace(MARK, ",") if marked else caption), split_tags(trigger)
    in_front = [t.casefold() for t in tags[: len(lead)]] == [t.casefold() for t in lead]
    kept = max(len(split_tags(front)) if marked else keep_tags, len(lead) if in_front else 0)
    end = len(tags) - len(split_tags(ending.replace(MARK, ",")))
    mixed = [t for t in tags[kept:end] if rng.random() >= tag_dropout or any(has_word(t, part) for part in lead)]
    if shuffle:
        rng.shuffle(mixed)
    return ", ".join(tags[:kept] + mixed + tags[max(kept, end) :])


def line_of(caption: str, lines: Lines, rng: random.Random) -> str:
    """The line, or the lines as one, that count; ``rng`` is asked only where there is a choice."""
    found = caption.split("\n")
    if len(found) == 1:
        return caption
    return one_line(caption) if lines == "all" else rng.choice(found) if lines == "random" else found[0]


def has_word(text: str, word: str) -> bool:
    """Is ``word`` in ``text`` as a word of its own, in any case?"""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, flags=re.IGNORECASE) is not None


def split_tags(caption: str) -> list[str]:
    """The tags without blanks around them; empty ones are dropped.

    Commas separate them, also those of Chinese and Japanese (，、), and the ends of lines; within brackets they don't:
    "(red, blue fox:1.3)" is one tag. A bracket without its partner, or behind a backslash, is a letter as any other.
    """
    tags, start, depth = [], 0, 0
    inside = _bracketed(caption)
    for position, c in enumerate(caption):
        if position in inside:
            depth += inside[position]
        elif c == "\n" or (c in COMMAS and depth == 0):
            tags.append(caption[start:position])
            start = position + 1
    return [tag.strip() for tag in (*tags, caption[start:]) if tag.strip()]


def one_line(text: str) -> str:
    """Line breaks, tabs and runs of blanks become one blank; other control characters go."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace() or c == "\u200d").split())


def clean_lines(text: str) -> str:
    """Every line as ``one_line`` makes it, without empty ones."""
    return "\n".join(filter(None, map(one_line, re.split(r"\r\n?|\n", text))))


def _bracketed(text: str) -> dict[int, int]:
    """Position of each bracket that has a partner on its line -> 1 where it opens, -1 where it closes."""
    found: dict[int, int] = {}
    opened: list[tuple[str, int]] = []
    for position, c in enumerate(text):
        if c == "\n":
            opened.clear()
        elif position and text[position - 1] == "\\":
            continue
        elif c in PAIRS:
            if not (
                text[position - 1 : position] in (":", ";", "=") and text[position + 1 : position + 2] in ("", ",")
            ):
                opened.append((PAIRS[c], position))  # ":(" as a tag of its own is a face
        elif any(closing == c for closing, _ in opened):
            while opened:
                closing, start = opened.pop()
                if closing == c:
                    found |= {start: 1, position: -1}
                    break
    return found

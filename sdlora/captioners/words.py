"""What is made of a model's answer before it is a caption: pure functions of text. No torch."""

import re
from typing import Literal

from sdlora.data.edit import Edit
from sdlora.data.tags import one_line

Mode = Literal["skip", "append", "replace"]
THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", flags=re.DOTALL | re.IGNORECASE)
SENTENCE_END = re.compile(r"[.!?。！？][\"'”’)]?(?=\s|$)|[。！？]")
QUOTES = ('""', "''", "“”", "‘’", "「」")


def cleaned(answer: str, cut: bool = False) -> str:
    """An answer as one line: without what a model has thought aloud, marks of headings and lists, and quotes around it.

    cut: the answer has ended at its longest; then an unfinished last sentence goes, unless it is the only one.
    """
    lines = (re.sub(r"^\s*([#>]+|[-*•]\s)\s*", "", line) for line in THOUGHT.sub("", answer).splitlines())
    text = one_line(" ".join(lines)).replace("**", "")
    if cut and (ends := list(SENTENCE_END.finditer(text))):
        text = text[: ends[-1].end()]
    for quotes in QUOTES:
        if len(text) > 1 and text[0] == quotes[0] and text[-1] == quotes[1] and not set(quotes) & set(text[1:-1]):
            text = text[1:-1].strip()
    return text


def without(text: str, unwanted: tuple[str, ...]) -> str:
    """The text without what nobody wants: tags that are called so, and within a sentence the words themselves."""
    for words in filter(None, map(one_line, unwanted)):
        text = Edit("remove", words).apply(text)
        found = re.sub(rf"(?<!\w){re.escape(words)}(?!\w)", "", text, flags=re.IGNORECASE)
        if found != text:
            text = re.sub(r"\s+([,.;:!?])", r"\1", one_line(found)).strip(" ,;:")
    return text


def joined(before: str, new: str, mode: Mode, trigger: str) -> str:
    """The caption as it is written. before: what is there, which ``append`` keeps in front. trigger: comes in front."""
    text = Edit("end", new).apply(before) if mode == "append" and before else new
    return Edit("front", trigger).apply(text) if trigger else text

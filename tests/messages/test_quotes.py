"""Tests ask which sentence is said, not how it is worded: a changed comma changes the message and no test elsewhere."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sdlora.messages import SUBJECTS, catalog
from ui.words import en

TESTS = Path(__file__).resolve().parents[1]
RUN = 5  # words in a row that make a quotation

# What may stand in a test as it does in a message.
SYSTEMS = re.compile(r"No space left on device")  # the system's words, which a test throws in the system's place
REACHES_THE_SCREEN = {  # once per place on the page: these very words are what a visitor reads there
    "Rank is 0. It must be at least 1.",
    "adapter.rank is 0. It must be at least 1.",
    "train.lr is 0. It must be more than 0.",
    "train.lr 的值是 0. It must be more than 0。",
}


def templates() -> Iterator[str]:
    for subject in SUBJECTS:
        for words in catalog(subject).values():
            yield from (words[form] for form in ("en", "one") if form in words)
    for name, words in vars(en).items():
        if name.isupper():
            yield from (
                value for value in (words.values() if isinstance(words, dict) else [words]) if isinstance(value, str)
            )


def runs(text: str) -> Iterator[tuple[str, ...]]:
    """Every RUN words in a row of it that no place (``{name}``, ``.*``) breaks."""
    for piece in re.split(r"\{[^}]*\}|\.[*+]|\|", text):
        words = [word for part in piece.split() if (word := part.strip(".,;:()[]'\"`“”!?").lower())]
        yield from (tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1))


@cache
def ours() -> frozenset[tuple[str, ...]]:
    return frozenset(run for template in templates() for run in runs(template))


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of each string but docstrings; of an f-string its words, with its places open."""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    skipped |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def quoted(source: str) -> list[tuple[int, str]]:
    return [
        (line, text)
        for line, text in literals(ast.parse(source))
        if text not in REACHES_THE_SCREEN and not ours().isdisjoint(runs(SYSTEMS.sub("{}", text.replace("\\", ""))))
    ]


def test_no_test_quotes_a_sentence():
    found = {
        f"{path.relative_to(TESTS)}:{line}": text
        for path in sorted(TESTS.rglob("*.py"))
        if path.parent != Path(__file__).parent
        for line, text in quoted(path.read_text(encoding="utf-8"))
    }
    assert found == {}, "ask for say(key), saying(key) or ui.words.en"


def test_the_search_for_quotations_finds_them():
    source = 'match="cat.txt can\'t be saved \\\\(full\\\\).*There are no images in"\nf"There is no base model {x}"\n'
    assert [line for line, _ in quoted(f"a = {source.splitlines()[0][6:]}\nb = {source.splitlines()[1]}\n")] == [1, 2]
    assert quoted('"""There are no images in a.\n"""\na = "There are no images"\n') == []

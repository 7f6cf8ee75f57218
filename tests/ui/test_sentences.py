"""Each sentence that the checks can make, found in their source, has its Chinese: a new one can't be forgotten."""

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from browser import ROOT

from ui import translate
from ui.words.zh import problems as zh

# Modules whose sentences the page can show, whole or some of their functions; the toolbox is not among them.
ROOMS = (
    "settings", "check", "runs", "files", "data", "families", "adapters", "lorafiles", "train", "pictures", "foreign",
)  # fmt: skip
ALONE = ("errors",)
TOOLBOX = (ROOT / "sdlora/lorafiles/readers/cards.py",)  # what it alone says
FUNCTIONS = {
    "commands/shared/terminal": ("_follow",),
    "commands/train": ("run",),
    "commands/export": ("export_run",),
    "commands/download": ("download_base",),
}
# Strings in them that no page shows: keys and values of files, names of things, what the terminal alone says.
NOT_SAID = {
    "preview sha256", "sd version", "activation text", "preferred weight", "negative text", "empty picture, {}",
    "Put {} into the prompt.", "For inpainting models.", "The image", "no reason", "diffusion model", "the layer",
    "{}: {}, ready to train on.", ", pooled", "rank={}, alpha={}", "dpm++ 2m", "epsilon (assumed)", "an unknown key",
    "min-SNR gamma {}", "no min-SNR weighting", "{}; prediction {}; {}", "read from {}", "assumed from {}",
    "assumed, since the model does not say", "# sha256 ", "no digest", "it is {}, not a file",
    "sdlora train --from {} --train.lr {}",
}  # fmt: skip
# What stood in another trainer's settings file, as it stood there; and the list that the command line writes.
NOT_SAID |= {
    "kohya's sd-scripts", "network_args dora_wd", "network_train_unet_only = True", "text_encoder_lr = {}",
    "optimizer_args weight_decay = {}", "network_args algo = {}", "network_args preset = {}", "learning_rate = {}",
    "optimizer_args {} = {}", "network_args {} = {}", "gradient_checkpointing = {}", "vae.model_name = {}",
    "concepts[0].path = {}", "text_encoder.train = False", "text_encoder.learning_rate, learning_rate = {}",
    "unet.learning_rate = {}", "optimizer.weight_decay = {}", "unet.train = False", "optimizer = {}", "Taken from {}:",
    "Not taken:", "Everything was taken.",
}  # fmt: skip
QUIET_CALLS = ("ValueError", "AssertionError", "setting", "print", "say", "add_argument", "compile", "match", "repr")
QUIET_NAMES = ()
SPEAKERS = {"Problem": 2, "UserError": 9, "Warned": 1, "Finished": 3}  # how many arguments can be sentences


def shape(sentence: str) -> str:
    """A template with every place as {}; places that touch count as one."""
    return re.sub(r"(\{\})+", "{}", "".join(f"{a}{'' if b is None else '{}'}" for a, b in pieces(sentence)))


def pieces(template: str) -> Iterator[tuple[str, str | None]]:
    return ((literal, name) for literal, name, _, _ in string.Formatter().parse(template))


def written(node: ast.AST) -> list[str]:
    """The shapes of what an expression makes of constants: alternatives, sums, f-strings."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        parts = ["{}" if isinstance(part, ast.FormattedValue) else part.value for part in node.values]
        return [re.sub(r"(\{\})+", "{}", "".join(parts))]
    if isinstance(node, ast.IfExp):
        return written(node.body) + written(node.orelse)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [a + b for a in written(node.left) for b in written(node.right)]
    if isinstance(node, (ast.BoolOp, ast.Tuple)):
        return [found for part in getattr(node, "values", getattr(node, "elts", [])) for found in written(part)]
    return []


def hidden_in(tree: ast.AST) -> set[int]:
    """Nodes that nobody is shown: docstrings, what programmers are told, parts of other strings."""
    found = set()
    for node in ast.walk(tree):
        name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        target = getattr(node.targets[0], "id", "") if isinstance(node, ast.Assign) else ""
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if docstring or name in QUIET_CALLS or target in QUIET_NAMES:
            found |= {id(part) for part in ast.walk(node)}
        if isinstance(node, ast.JoinedStr):
            found |= {id(part) for part in node.values}
        if isinstance(node, ast.BinOp) and written(node):
            found |= {id(part) for part in ast.walk(node) if part is not node}
    return found


def reads(found: str) -> bool:
    """Are there words in a row, as in a sentence or a piece of one?"""
    words = found.strip().split(" ")
    return len(words) > 1 and not re.search(r"[|\\^<>~\n]", found) and any(re.match("[a-z]{2}", w) for w in words)


def trees() -> Iterator[tuple[Path, ast.AST]]:
    rooms = [path for room in ROOMS for path in sorted((ROOT / "sdlora" / room).rglob("*.py")) if path not in TOOLBOX]
    for path in [*rooms, *(ROOT / "sdlora" / f"{name}.py" for name in (*ALONE, *FUNCTIONS))]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        chosen = FUNCTIONS.get(path.relative_to(ROOT / "sdlora").with_suffix("").as_posix())
        parts = [node for node in ast.walk(tree) if getattr(node, "name", "") in chosen] if chosen else [tree]
        assert parts, path
        yield from ((path, part) for part in parts)


@cache
def told() -> tuple[dict[str, str], dict[str, str]]:
    """({sentence: where}, {piece of one: where}): what is given to Problem and its like, and all else that reads so."""
    sentences, parts = {}, {}
    for path, tree in trees():
        hidden = hidden_in(tree)
        for node in ast.walk(tree):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            found = []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SPEAKERS:
                given = node.args[: SPEAKERS[node.func.id]] + [k.value for k in node.keywords if k.arg == "fix"]
                found = [words for argument in given for words in written(argument) if " " in words]
            elif id(node) not in hidden and isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
                found = written(node)
            for words in found:
                if reads(words) and words not in NOT_SAID:
                    (sentences if words.endswith((".", "?")) and words[0] != " " else parts)[words] = where
    return sentences, parts


def test_every_sentence_that_the_page_can_show_has_its_chinese():
    sentences, parts = told()
    assert len(sentences) > 250 and len(parts) > 80, (len(sentences), len(parts))
    known = {shape(english) for english in zh.SENTENCES}
    known |= {shape(english) for words in zh.PARTS.values() for english in words}
    everything = "\n".join(known)
    without = [f"{at}: {s}" for s, at in sentences.items() if s not in known and not translate._sentence("zh", s)]
    without += [f"{at}: {s}" for s, at in parts.items() if s.strip() not in everything]
    assert without == []


def test_each_translation_has_the_places_of_its_english():
    for words in (zh.SENTENCES, *zh.PARTS.values()):
        for english, chinese in words.items():
            assert sorted(b for _, b in pieces(english) if b) == sorted(b for _, b in pieces(chinese) if b), english
            assert chinese.endswith(("。", "？")) or not english.endswith((".", "?")) or english.endswith("{hint}")


def test_no_area_says_what_another_says():
    for kind in ("SENTENCES", "PARTS"):
        keys = [key for area in zh.AREAS for key in getattr(area, kind)]
        assert len(keys) == len(set(keys)), [key for key in set(keys) if keys.count(key) > 1]

"""Every sentence has a key and both languages; none stands in code, and none loses its key on the way to people."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sdlora.messages import SUBJECTS, catalog, places

ROOT = Path(__file__).resolve().parents[2]


# What reads like a sentence and is none that people are told: keys and values of files, names of things, what is asked
# of a program. The help of argparse, in English as the terminal is, stands where the argument does.
NOT_SAID = {
    "preview sha256", "sd version", "activation text", "preferred weight", "negative text", "empty picture, {}",
    "Put {} into the prompt.", "For inpainting models.", ", pooled", "rank={}, alpha={}", "dpm++ 2m", "# sha256 ",
    "sdlora train --from {} --train.lr {}", "text projection", "norm layer", "sparse remainder", "out of memory",
    "the run's own by default", "the input's",
    "red apple", "cat face", "soccer ball", "chalk emoji of {}",  # of the demo
    "a wooden chair beside a window", "an old man with a hat", "a road through green hills",  # of the drift
    "a bowl of oranges",
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'",  # of the report, for browsers
}  # fmt: skip
# What stood in another trainer's settings file, as it stood there; and the list that the command line writes.
NOT_SAID |= {
    "kohya's sd-scripts", "network_args dora_wd", "network_train_unet_only = True", "text_encoder_lr = {}",
    "optimizer_args weight_decay = {}", "network_args algo = {}", "network_args preset = {}", "learning_rate = {}",
    "optimizer_args {} = {}", "network_args {} = {}", "gradient_checkpointing = {}", "vae.model_name = {}",
    "concepts[0].path = {}", "text_encoder.train = False", "text_encoder.learning_rate, learning_rate = {}",
    "unet.learning_rate = {}", "optimizer.weight_decay = {}", "unet.train = False", "optimizer = {}",
    "weight_decay of Adafactor", "loss_type = {}", "huber_schedule = {}",
    "huber_c = {}", "dora_wd = True", "concepts[0] {} = {}", "concepts[0] {} = True", "concepts[0] prompt_source = {}",
    "concepts[0] loss_weight = {}", "text_encoder.dropout_probability = {}", "text_encoder.stop_training_after = {}",
    "text_encoder_2.{} = {}", "clip_grad_norm = None", "optimizer.{} = {}",
}  # fmt: skip
# Fields of another site's form and of the card's table; a commit's message.
NOT_SAID |= {
    "Base model", "Trained on", "Trigger words", "Training steps", "Training epochs", "Pictures and their prompts:",
    "Learning rate", "Upload a LoRA with its card",
}  # fmt: skip
# Shell lines, and what stands as a comment in the files of engines.
NOT_SAID |= {
    "# Stopped before the time limit it has saved all: submit it again, and it goes on.", "set -euo pipefail",
    "torchrun {} --nproc_per_node {} -m sdlora train --resume {}", 'export PATH={}:"$PATH"', "srun {}",
    "# Before: copy into the claim, which the job mounts at ", "pip install sdlora",
}  # fmt: skip
QUIET_CALLS = (
    "say", "ValueError", "AssertionError", "AttributeError", "setting", "compile", "match", "repr",
    "add_argument", "add_parser", "ArgumentParser", "ArgumentTypeError", "Command", "Captioner",
)  # fmt: skip
QUIET_NAMES = ("PROMPT", "TURNS")  # what models are asked
SPEAKERS = {"Problem": 2, "UserError": 9, "Warned": 1, "Finished": 3}  # how many arguments can be sentences


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
    for path in sorted((ROOT / "sdlora").rglob("*.py")):
        if path.parent.name != "messages":
            yield path, ast.parse(path.read_text(encoding="utf-8"))


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


ENTRIES = {f"{subject}.{name}": words for subject in SUBJECTS for name, words in catalog(subject).items()}
# Keys that are put together, or found by number.
COUNTED = re.compile(r"lorafiles\.count_|common\.E[A-Z]+|modelfiles\.encoder_")


def test_no_sentence_stands_in_code():
    sentences, parts = told()
    assert sentences | parts == {}


def test_the_search_for_sentences_finds_them(monkeypatch):
    source = 'raise UserError(f"There is no folder {path}.", fix="Look for it.")\nwhy = "has no factors of it"\n'
    monkeypatch.setitem(globals(), "trees", lambda: iter([(ROOT / "x.py", ast.parse(source))]))
    told.cache_clear()
    sentences, parts = told()
    told.cache_clear()
    assert set(sentences) == {"There is no folder {}.", "Look for it."} and set(parts) == {"has no factors of it"}


def test_each_translation_has_the_places_of_its_english():
    assert len(ENTRIES) > 600
    for key, words in ENTRIES.items():
        assert {"en", "zh"} <= words.keys() <= {"en", "one", "zh"}, key
        assert places(words["zh"]) == places(words["en"]) >= places(words.get("one", "")), key
        ends = words["en"].endswith((".", "?"))
        assert not ends or words["zh"].endswith(("。", "？")), key


def test_no_template_is_there_twice():
    seen: dict[str, str] = {}
    for key, words in ENTRIES.items():
        other = seen.setdefault(words["en"], key)
        assert other == key or words["zh"] != ENTRIES[other]["zh"], (key, other)


def calls() -> Iterator[tuple[str, ast.Call, str, set[str | None]]]:
    """(where, the call, key, names given) of each ``say`` with a key that stands there."""
    for path in sorted((ROOT / "sdlora").rglob("*.py")) + sorted((ROOT / "ui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and node.args:
                first, given = node.args[0], {word.arg for word in node.keywords}
                for key in [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]:
                    if isinstance(key, ast.Constant):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node, key.value, given


def test_each_key_that_is_said_exists_and_its_places_are_filled():
    wrong = [
        (where, key)
        for where, _, key, given in calls()
        if key not in ENTRIES or not places(ENTRIES[key]["en"]) <= given <= places(ENTRIES[key]["en"]) | {"count"}
    ]
    assert wrong == []


def test_no_key_is_left_that_nobody_says():
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("sdlora", "ui")
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name != "messages" or path.name == "__init__.py"
    )
    assert [key for key in ENTRIES if f'"{key}"' not in code and not COUNTED.match(key)] == []


def test_no_message_becomes_plain_text_on_its_way():
    """Within an f-string, a sum or a join it would be English for everybody."""
    lost = []
    for path in sorted((ROOT / "sdlora").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            joined = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("join", "format")
            if isinstance(node, ast.FormattedValue) or joined:
                inner = [part for part in ast.walk(node) if getattr(getattr(part, "func", None), "id", "") == "say"]
                lost += [f"{path.relative_to(ROOT)}:{part.lineno}" for part in inner]
    assert lost == []

"""Every sentence is there in each language, with the same places, and stands nowhere else."""

import ast
import re
import string

import gradio as gr
import pytest
from browser import ROOT
from gradio.context import LocalContext
from gradio.i18n import I18nData

from ui import text
from ui.shell import render
from ui.tabs.settings import form

SOURCES = sorted(path for path in (ROOT / "ui").rglob("*.py") if "words" not in path.parts)


def sentences(words) -> dict[str, str]:
    """Every sentence by name, those of tables as NAME/key. HELP differs: English has it in sdlora.settings."""
    found = {}
    for name, value in vars(words).items():
        if name.isupper() and name != "HELP":
            found |= {f"{name}/{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return found


def places(sentence: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field is not None}


@pytest.fixture
def chinese():
    token = LocalContext.request.set(gr.Request(headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}))
    yield
    LocalContext.request.reset(token)


def test_each_language_has_the_same_sentences_with_the_same_places():
    english = sentences(text.WORDS["en"])
    assert len(english) > 150
    for language, words in text.WORDS.items():
        theirs = sentences(words)
        assert set(theirs) == set(english), language
        for name, sentence in theirs.items():
            assert isinstance(sentence, str) and sentence.strip() or name == "COMMA", name
            assert places(sentence) == places(english[name]), (language, name)


def test_chinese_is_chinese():
    same = {"alpha", "lora"}
    english, chinese = sentences(text.WORDS["en"]), sentences(text.WORDS["zh"])
    untranslated = [
        name
        for name, sentence in chinese.items()
        if sentence == english[name]
        and re.search("[A-Za-z]{3}", re.sub(r"\{\w+\}", "", sentence))
        and sentence.casefold() not in same
        and not sentence.startswith("/")
    ]
    assert untranslated == []


def test_every_name_that_is_used_is_a_sentence_and_none_at_import_time():
    unknown, early = [], []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for part in (function.body if isinstance(function.body, list) else [function.body])
            for node in ast.walk(part)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "text":
                if not hasattr(text, node.attr):
                    unknown.append(f"{path.name}: {node.attr}")
                if node.attr.isupper() and node.attr != "MARK" and id(node) not in inside:
                    early.append(f"{path.name}:{node.lineno}: {node.attr}")
    assert (unknown, early) == ([], [])


def test_no_sentence_stands_in_code():
    looks_said = re.compile(r"[A-Z][a-z']+(,? [a-z'{}]+)+[.:?]?|[A-Za-z' ]+ (is|are|can't|was) [a-z' {}]+\.?")
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        quiet = {id(n) for call in ast.walk(tree) if _is_for_programmers(call) for n in ast.walk(call)}
        for node in ast.walk(tree):
            said = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in quiet
            if said and looks_said.fullmatch(node.value.strip()):
                found.append(f"{path.name}:{node.lineno}: {node.value}")
    assert found == []


def _is_for_programmers(node: ast.AST) -> bool:
    """Docstrings, help of the command line, exceptions that nobody is shown."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return name in ("add_argument", "AttributeError", "AssertionError", "ValueError")
    return False


@pytest.mark.parametrize(
    ("header", "language"),
    [("zh-CN,zh;q=0.9", "zh"), ("zh-TW", "zh"), ("en-US,en;q=0.9,zh-CN;q=0.8", "en"), ("fr", "en"), ("", "en"),
     ("*", "en"), ("zh-CN;q=1", "zh"), ("\0" * 50, "en")],
)  # fmt: skip
def test_the_browsers_first_language_counts(header, language):
    assert text.of_header(header) == language


def test_handlers_speak_the_language_of_the_request(chinese):
    assert text.language() == "zh"
    assert text.NOTHING_RUNNING == "当前没有训练在进行。"
    assert text.duration(3 * 60) == "3 分钟"
    assert text.count("IMAGES", 1200) == "1,200 张图片"


def test_without_a_request_it_is_english():
    assert text.language() == "en"
    assert text.NOTHING_RUNNING == "Nothing is running."


def test_while_components_are_made_names_are_marks_that_gradio_knows():
    with text.building():
        assert text.mark("STOP") == str(I18nData("STOP")) == text.STOP
        assert text.MARK.fullmatch(text.LABELS["model.base"])
        assert text.STOP in render.note(text.STOP)
        field = form.make_field(form.basic()["sample.prompts"])
    known = text.i18n().translations
    for marked in (field.label, field.info, field.placeholder):
        key = re.search('"key": "([^"]+)"', marked)[1]
        assert known["en"][key] and known["zh-CN"][key]
    assert known["en"][re.search('"key": "([^"]+)"', field.info)[1]].endswith("One per line.")


def test_a_caption_that_looks_like_a_mark_is_escaped():
    assert "<" not in render.escape(text.mark("STOP") + "<b>")
    assert render.escape('__i18n__{"key": "<img src=x>"}').startswith("__i18n__{&quot;")


def test_a_name_that_is_no_sentence_is_an_error():
    with pytest.raises(AttributeError):
        _ = text.NO_SUCH_SENTENCE

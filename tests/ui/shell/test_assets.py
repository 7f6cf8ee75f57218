"""The page's CSS and JavaScript: linted, read as a browser reads them, with no value of Python's in their code."""

import json
import re
import subprocess
from importlib import metadata
from pathlib import Path

import gradio as gr
import pytest
import tinycss2
from browser import ROOT
from setuptools import Distribution
from setuptools.command.build_py import build_py

from sdlora.settings.toml import parse
from ui.shell import assets, theme

SCRIPTS = sorted(assets.UI.rglob("*.js"))
NAMES = [path.relative_to(assets.UI).as_posix() for path in (*assets.STYLES, *SCRIPTS)]


def oxlint() -> str:
    """The linter's program, as pip has installed it; an error that says so where it is not."""
    return str(next(file.locate() for file in metadata.files("oxlint") or () if Path(file).stem == "oxlint"))


def lint(*paths: Path) -> subprocess.CompletedProcess:
    command = [oxlint(), "--config", str(ROOT / ".oxlintrc.json"), "--deny-warnings", *map(str, paths)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)


def test_the_scripts_pass_their_linter():
    done = lint(*SCRIPTS)
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    assert f"on {len(SCRIPTS)} files".encode() in done.stdout


@pytest.mark.parametrize(
    "code", ["nowhere();", "let unused = 1;", "eval('1');", "if (window.a == 1) open();", "let = ;"]
)
def test_the_linter_sees_what_is_wrong(tmp_path, code):
    (tmp_path / "script.js").write_text(code)
    assert lint(tmp_path / "script.js").returncode == 1


def test_every_style_sheet_is_on_the_page():
    assert sorted(assets.STYLES) == sorted(assets.UI.rglob("*.css"))


def rules(css: str) -> tuple[list, list[str]]:
    """(the rules of a style sheet, those inside @media too; what is no rule)."""
    found, wrong = [], []
    nodes = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    while nodes:
        node = nodes.pop(0)
        if node.type == "qualified-rule":
            found.append(node)
        elif node.type == "at-rule" and node.lower_at_keyword == "media":
            nodes += tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
        elif node.type != "at-rule" or node.lower_at_keyword != "keyframes":
            wrong.append(f"line {node.source_line}: {node.type}")
    return found, wrong


def declarations(rule) -> list:
    return tinycss2.parse_blocks_contents(rule.content, skip_comments=True, skip_whitespace=True)


def problems(css: str) -> list[str]:
    """What a browser would drop without a word, and what says one thing twice."""
    found, wrong = rules(css)
    for rule in found:
        selector, declared = tinycss2.serialize(rule.prelude).strip(), declarations(rule)
        names = [d.name for d in declared if d.type == "declaration"]
        wrong += [f"{selector}: {d.type} at line {d.source_line}" for d in declared if d.type != "declaration"]
        wrong += [f"{selector}: {name} twice" for name in sorted(set(names)) if names.count(name) > 1]
        wrong += [f"{selector}: empty"] if not names else []
    texts = [re.sub(r"\s+", " ", rule.serialize()) for rule in found]
    return wrong + [f"twice: {text[:80]}" for text in sorted(set(texts)) if texts.count(text) > 1]


@pytest.mark.parametrize("path", assets.STYLES, ids=lambda path: path.parent.name)
def test_the_style_sheets_hold_nothing_that_a_browser_drops(path):
    assert problems(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "css",
    [
        "a { color red; }",
        "a { color: red; color: blue; }",
        "a { }",
        "b { top: 0; } b { top: 0; }",
        "a { top: 0; } }",
        "}",
    ],
)
def test_the_check_of_style_sheets_sees_what_is_wrong(css):
    assert problems(css)


@pytest.mark.slow
def test_a_browser_knows_every_property_and_value(page):
    """Chromium itself is asked; what belongs to other browsers alone begins with their own prefix."""
    asked = []
    for path in assets.STYLES:
        for rule in rules(path.read_text(encoding="utf-8"))[0]:
            for declared in declarations(rule):
                if not declared.name.startswith(("--", "-moz-")):
                    asked.append([declared.name, tinycss2.serialize(declared.value).strip()])
    unknown = page.evaluate("(all) => all.filter(([name, value]) => !CSS.supports(name, value))", asked)
    assert len(asked) > 400
    assert unknown == []
    assert page.evaluate("CSS.supports('colour', 'red')") is False


@pytest.mark.parametrize("name", NAMES)
def test_no_value_of_pythons_is_written_into_the_code(name):
    code = (assets.UI / name).read_text(encoding="utf-8")
    assert "__" not in code
    assert "innerHTML" not in code and "outerHTML" not in code


def test_what_scripts_are_told_goes_beside_them_as_json():
    told = {"words": '</script> ${alert(1)} "quoted" \\'}
    with gr.Blocks() as page:
        assets.run_script(page, "tabs/images", told)
    config = page.get_config_file()
    [event] = [e for e in config["dependencies"] if e["js"]]
    assert event["js"] == (assets.UI / "tabs/images/script.js").read_text(encoding="utf-8")
    [box] = [c for c in config["components"] if c["id"] in event["inputs"]]
    assert json.loads(box["props"]["value"]) == told


def test_the_curve_and_its_legend_have_one_colour():
    told = {"check-loss": theme.STRONG, "training-loss": theme.SOFT, "drift": theme.WARM}
    told |= {"other": theme.OTHER, "other-check": theme.OTHER_CHECK}
    assert theme.colours() == f".gradio-container {{{' '.join(f'--{n}: {c};' for n, c in told.items())}}}\n"
    used = "".join(path.read_text(encoding="utf-8") for path in assets.STYLES)
    assert all(f"var(--{name})" in used for name in told)


def test_the_installed_package_brings_the_files(monkeypatch):
    """Asked of setuptools itself, with what pyproject.toml tells it."""
    monkeypatch.chdir(ROOT)
    data = parse((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    command = build_py(Distribution({"packages": ["ui"], "package_data": data}))
    command.ensure_finalized()
    taken = {name.replace("\\", "/") for _, _, _, names in command.data_files for name in names}
    assert set(NAMES) <= taken

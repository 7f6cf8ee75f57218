"""The page's CSS and JavaScript: files beside the Python they belong to, read when the page is built.

What they need from Python comes as data: colours as CSS variables, words and settings as JSON that a script's function
is called with. Nothing is written into their code.
"""

import json
from pathlib import Path
from typing import Any

import gradio as gr

UI = Path(__file__).resolve().parents[1]
# The order counts where two rules are as specific as each other: the later one wins.
STYLES = tuple(
    UI / room / "style.css" for room in ("tabs/images", "tabs/runs", "tabs/compare", "tabs/settings", "shell")
)
PRIVATE = {"api_visibility": "private"}


def source(room: str, name: str = "script") -> str:
    """The text of a script of a room."""
    return (UI / room / f"{name}.js").read_text(encoding="utf-8")


def run_script(page: gr.Blocks, room: str, told: Any = None, name: str = "script") -> None:
    """Run a script of ``room`` ("shell", "tabs/images") once when the page has loaded.

    The file is one function. told: what it is called with, as JSON; None for nothing. name: of the file.
    """
    data = [] if told is None else [gr.Textbox(json.dumps(told), visible=False)]
    page.load(None, data, js=source(room, name), **PRIVATE)


def call(name: str) -> str:
    """The JavaScript that calls what a script has put on ``window``: "sdloraForm.update"."""
    return f"(...values) => {{ window.{name.replace('.', '?.')}?.(...values); }}"


def css_variables(values: dict[str, str]) -> str:
    """CSS that names these values: "check-loss" is used as ``var(--check-loss)``."""
    return ".gradio-container {" + " ".join(f"--{name}: {value};" for name, value in values.items()) + "}\n"

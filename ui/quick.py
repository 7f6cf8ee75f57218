"""Gradio imported without rewriting its own files, which is a third of its start.

At every import gradio renders a .pyi stub for each of its components and compares it with the one on disk; editors want
these, a page does not. It leaves out classes that have no source file (``OSError`` from ``inspect.getfile``), so for the
time of the import its own module is told that about all of them. Nothing else that calls ``inspect.getfile`` notices.
"""

import inspect
import sys
from collections.abc import Callable
from typing import Any


def _for_all_but_gradio(getfile: Callable[[Any], str]) -> Callable[[Any], str]:
    def answer(thing: Any) -> str:
        if sys._getframe(1).f_globals.get("__name__") == "gradio.component_meta":
            raise OSError("no stub file wanted")
        return getfile(thing)

    return answer


if "gradio" not in sys.modules:
    _original = inspect.getfile
    inspect.getfile = _for_all_but_gradio(_original)
    try:
        import gradio  # noqa: F401
    finally:
        inspect.getfile = _original

"""Gradio imported without rewriting its own files, which is nearly half of its start.

At every import gradio renders a .pyi stub for each of its components and compares it with the one on disk; editors
want these, a page does not. It leaves out classes that have no source file (``OSError`` from ``inspect.getfile``), so
gradio's own module is told that about all of them. Nothing else that calls ``inspect.getfile`` notices.
"""

import inspect
import sys
from typing import Any

_getfile = inspect.getfile


def _for_all_but_gradio(thing: Any) -> str:
    if sys._getframe(1).f_globals.get("__name__") == "gradio.component_meta":
        raise OSError("no stub file wanted")
    return _getfile(thing)


def leave_stubs_alone() -> None:
    """To be called before gradio is imported."""
    inspect.getfile = _for_all_but_gradio

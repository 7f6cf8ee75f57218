"""What wires the Runs tab's components to its handlers: those that keep order."""

from collections.abc import Callable
from typing import Any

from ui.tabs.runs.keeping_desk import KeepingDesk
from ui.tabs.runs.layout import RunsTab


def wire_keeping(tab: RunsTab, desk: KeepingDesk, on_click: Callable[..., Any]) -> None:
    """Let remarks, bin and the way back work. on_click(button, action, inputs): as ``ui.shell.live`` does it."""
    on_click(tab.keep_said, desk.keep, [tab.runs, tab.said_name, tab.said_rating, tab.said_note])
    on_click(tab.delete, desk.delete, [tab.runs])
    on_click(tab.put_back, desk.put_back, [tab.bin_list])
    on_click(tab.empty_now, desk.empty, [])
    on_click(tab.undo, desk.undo_removal, [])
    on_click(tab.export_all, desk.export_all, [tab.runs, tab.container, tab.dtype])

"""What holds over all rooms: a table's entries and their files, names, docstrings, imports, types."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from sdlora.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


# ---- commands


def test_every_file_of_commands_is_an_entry_and_every_entry_has_its_row():
    files = {path.stem for path in (ROOT / "sdlora/commands").glob("*.py")} - {"__init__"}
    assert files == {command.module or name for name, command in COMMANDS.items()}
    rows = re.findall(r"^\| `sdlora (\w+)` \| \S", (ROOT / "docs/commands.md").read_text(encoding="utf-8"), re.M)
    assert rows == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_two_functions(name):
    module = import_module(f"sdlora.commands.{COMMANDS[name].module or name}")
    assert list(inspect.signature(module.add_arguments).parameters) == ["parser"]
    assert list(inspect.signature(module.run).parameters) == ["args"]

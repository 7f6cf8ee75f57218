"""What holds over all rooms: a table's entries and their files, names, docstrings, imports, types."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest
from test_imports import imports, modules

from sdlora.adapters.table import KINDS, PLAIN
from sdlora.commands import COMMANDS
from sdlora.families.registry import FAMILIES

ROOT = Path(__file__).resolve().parent.parent


def sources(*left_out: str) -> Iterator[tuple[str, ast.Module]]:
    """(path, tree) of every module of ``sdlora`` and ``ui``, but for folders that are left out."""
    for top in ("sdlora", "ui"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(left_out):
                yield name, ast.parse(path.read_text(encoding="utf-8"))


def words(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of every string and name in a module, docstrings left out."""
    told = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            told.add(node.body[0].value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told:
            yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr


# ---- rooms


def test_the_rooms_table_has_every_folder_and_no_other():
    table = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## The rooms")[1].split("Data goes one way")[0]
    )
    rows = re.findall(r"`((?:sdlora|ui)/\w+/|commands/)`", table)
    told = {f"sdlora/{row}" if row == "commands/" else row for row in rows}
    there = {
        f"{top}/{folder.name}/"
        for top in ("sdlora", "ui")
        for folder in (ROOT / top).iterdir()
        if folder.is_dir() and folder.name != "__pycache__"
    }
    assert told == there


def test_no_circle_of_imports_is_left():
    """Imports inside functions count, those for types alone do not: only what runs can go in circles."""
    found = modules()
    graph = {
        name: {module_of(imported, found) for imported in imports(running(path), name, path.name == "__init__.py")}
        for name, path in found.items()
    }
    graph = {name: {to for to in known if to and to != name} for name, known in graph.items()}
    assert {"sdlora.errors", "sdlora.train.objective"} <= graph["sdlora.train.loop"]
    assert not circles(graph)
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def module_of(imported: str, found: Mapping[str, Path]) -> str:
    """The module that a dotted name of ``imports`` lies in; "" if it is none of ours."""
    parent = imported.rpartition(".")[0]
    return imported if imported in found else parent if parent in found else ""


def running(path: Path) -> str:
    """A module's source without what stands under ``if TYPE_CHECKING``."""

    class Strip(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST:
            return ast.Pass() if "TYPE_CHECKING" in ast.unparse(node.test) else self.generic_visit(node)

    return ast.unparse(Strip().visit(ast.parse(path.read_text(encoding="utf-8"))))


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The sets of modules that reach each other, by reachability: the graph is small."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(graph.get(start, ()))
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += graph.get(name, ())
        return seen

    reached = {name: reach(name) for name in graph}
    rings = {tuple(sorted(other for other in reached[name] if name in reached[other])) for name in graph}
    return [list(ring) for ring in sorted(rings) if ring]


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


# ---- adapters


def attributes(tree: ast.Module, *names: str) -> Iterator[ast.Attribute]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in names)


def test_the_tensors_of_an_adapter_are_reached_by_its_kind_alone():
    """The page has buttons called up and down."""
    found = [
        f"{path}:{node.lineno} .{node.attr}"
        for path, tree in sources("sdlora/adapters/", "ui/")
        for node in attributes(tree, "down", "up", "magnitude", "hada_w1_a")
    ]
    assert not found, "\n".join(found)


def test_a_frozen_weight_is_read_in_one_place():
    """``self.down.weight`` and the like are a layer's own factors."""

    def root(node: ast.AST) -> str:
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
            node = node.func if isinstance(node, ast.Call) else node.value
        return getattr(node, "id", "")

    rooms = ("sdlora/adapters/", "sdlora/files/", "sdlora/lorafiles/", "sdlora/train/", "sdlora/pictures/")
    found = [
        f"{path}:{node.lineno} {ast.unparse(node)}"
        for path, tree in sources("sdlora/adapters/weights.py", "ui/")
        if path.startswith(rooms)
        for node in attributes(tree, "weight")
        if root(node) not in ("self", "objective")
    ]
    assert not found, "\n".join(found)


def test_no_kind_but_the_plain_one_is_named_outside_its_folder():
    """Where files of any origin are read and judged, their keys and what they are called are known, too."""
    names = re.compile("|".join(name for name in KINDS if name != PLAIN.name), re.IGNORECASE)
    rooms = (
        "sdlora/adapters/",
        "sdlora/files/",
        "sdlora/lorafiles/",
        "sdlora/toolbox/",
        "sdlora/foreign/",
        "ui/words/",
    )
    own = ("sdlora/settings/renamed.py", "sdlora/commands/export.py", "sdlora/commands/resize.py")  # help for people
    found = [
        f"{path}:{line} {text[:60]!r}"
        for path, tree in sources(*rooms, *own)
        for line, text in words(tree)
        if names.search(text)
    ]
    assert not found, "\n".join(found)


# ---- families


def test_no_family_is_named_outside_its_room():
    """``foreign`` reads other trainers' settings, some of whose keys are called so."""
    named = re.compile(rf"(?<![\w.])({'|'.join(FAMILIES)})(?!\w)")
    found = [
        f"{path}:{line} {text[:60]!r}"
        for path, tree in sources("sdlora/families/", "sdlora/lorafiles/readers/", "sdlora/foreign/")
        for line, text in words(tree)
        if named.search(text)
    ]
    assert not found, "\n".join(found)


def test_the_page_knows_families_by_their_entries_alone():
    known = {f"sdlora.families.{name}" for name in ("family", "registry", *(f"{f}.spec" for f in FAMILIES))}
    found = [
        f"{path}:{node.lineno} {node.module}"
        for path, tree in sources("sdlora/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sdlora.families")
        if node.module not in known
    ]
    assert not found, "\n".join(found)

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
from sdlora.commands.table import COMMANDS
from sdlora.families.table import FAMILIES
from sdlora.objectives import OBJECTIVES
from sdlora.settings import all_settings
from sdlora.train.losses import LOSSES
from sdlora.train.optimizers import OPTIMIZERS

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


def test_the_tests_lie_where_the_rooms_lie():
    """A test of one room is in a folder called as that room; on top are those of all rooms, and what tests share."""
    inner = {path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    rooms = {path.parent.relative_to(ROOT / "sdlora").as_posix() for path in (ROOT / "sdlora").rglob("*.py")}
    page = {
        "ui",
        "ui/shell",
        "ui/background",
        *(f"ui/{path.name}" for path in (ROOT / "ui/tabs").iterdir() if path.is_dir()),
    }
    assert inner <= rooms | page | {"launcher"}, inner - rooms
    assert {path.stem for path in (ROOT / "tests").glob("test_*.py")} <= {
        f"test_{name}" for name in ("docs", "house", "imports", "kept", "python_api", "recipes", "types")
    }


def test_a_file_of_tests_is_about_one_thing():
    lines = {path.name: len(path.read_bytes().splitlines()) for path in (ROOT / "tests").rglob("*.py")}
    assert not {name: count for name, count in lines.items() if count > 400}


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


# ---- names

# One name for the same function of each entry of a table, or of each program: where -> what.
SAME_BY_DESIGN = {
    r"sdlora/commands/\w+\.py": {"add_arguments", "run"},
    r"sdlora/families/\w+/model\.py": {"lora_loader", "network", "pipeline", "predict", "text_state"},
    r"sdlora/doctor/\w+\.py": {"judge", "measure"},
    r"sdlora/families/\w+/spec\.py": {"names"},
    r"sdlora/foreign/\w+\.py": {"import_values", "is_ours"},
    r"sdlora/train/optimizers/\w+\.py": {"make", "moments"},
    r"ui/tabs/\w+/layout\.py": {"build"},
    r"ui/tabs/\w+/wiring\.py": {"wire"},
    r"sdlora/cli\.py|ui/shell/app\.py": {"main"},
}
ELSEWHERE = re.compile(r"(The same|As|So|It|See|This|These|Those|Above)\b(?! (few|many))")  # leans on another sentence


def public(tree: ast.Module | ast.ClassDef, inside: str = "") -> Iterator[tuple[str, ast.AST]]:
    """(name, node) of every function, class and method that has a public name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield inside + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{node.name}.")


def test_everything_public_says_what_it_is():
    """In a first line that is a whole sentence and can be read by itself."""
    found = []
    for path, tree in sources():
        for name, node in [("", tree), *public(tree)]:
            first, *more = (ast.get_docstring(node) or "").splitlines() or [""]
            whole = first.endswith((".", "?", "…", ":", '"', "}")) and not (more and more[0].strip())
            if not whole or ELSEWHERE.match(first):
                found.append(f"{path}:{getattr(node, 'lineno', 1)} {name}: {first!r}")
    assert not found, "\n".join(found)


def test_a_public_name_is_given_once():
    """Over both packages, so that a word means one thing."""
    places: dict[str, list[str]] = {}
    for path, tree in sources():
        for name, _ in public(tree):
            if "." not in name:
                places.setdefault(name, []).append(path)
    twice = {name: paths for name, paths in places.items() if len(paths) > 1}
    known = {
        name for name, paths in twice.items() for where, names in SAME_BY_DESIGN.items()
        if name in names and all(re.fullmatch(where, path) for path in paths)
    }  # fmt: skip
    assert not {name: paths for name, paths in twice.items() if name not in known}
    assert set(twice) == known


# ---- settings

PLAIN_ROOMS = ("sdlora/adapters/", "sdlora/lorafiles/", "sdlora/families/", "sdlora/data/")


def test_rooms_that_take_plain_arguments_name_no_setting():
    """A problem there names the argument (``where``); the checks, which hand it over, know the setting's key."""
    key = re.compile("|".join(rf"(?<![\w.]){re.escape(info.key)}(?!\w)" for info in all_settings()))
    found = [
        f"{path}:{line} {text[:60]!r}"
        for path, tree in sources()
        if path.startswith(PLAIN_ROOMS)
        for line, text in words(tree)
        if key.search(text)
    ]
    assert not found, "\n".join(found)


# ---- commands


def test_every_file_of_commands_is_an_entry_and_every_entry_has_its_row():
    files = {path.stem for path in (ROOT / "sdlora/commands").glob("*.py")} - {"__init__", "table"}
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
        "sdlora/messages/",
    )
    own = (
        "sdlora/settings/renamed.py",
        "sdlora/commands/export.py",
        "sdlora/commands/resize.py",
        "sdlora/families/shared/checkpoint.py",
    )  # help for people
    found = [
        f"{path}:{line} {text[:60]!r}"
        for path, tree in sources(*rooms, *own)
        for line, text in words(tree)
        if names.search(text)
    ]
    assert not found, "\n".join(found)


# ---- what learns, and from what

ENTRIES = {
    "sdlora/objectives/": OBJECTIVES,
    "sdlora/train/losses/": LOSSES,
    "sdlora/train/optimizers/": OPTIMIZERS,
}


@pytest.mark.parametrize("room", ENTRIES)
def test_no_entry_is_named_outside_its_room(room):
    """``foreign`` reads other trainers' settings; a family says what sets its models of one prediction apart.

    Sentences are let be: words of a language are among the names.
    """
    names = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(map(re.escape, ENTRIES[room]))})(?![A-Za-z0-9])", re.IGNORECASE)
    families = [f"sdlora/families/{name}/spec.py" for name in FAMILIES]
    found = [
        f"{path}:{line} {text[:60]!r}"
        for path, tree in sources(room, "sdlora/foreign/", "sdlora/messages/", "ui/words/", *families)
        for line, text in words(tree)
        if " " not in text and names.search(text)
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


def test_the_denoiser_is_called_as_its_family_says():
    """Where files of others are read, their own words for it are known."""
    others = ("sdlora/lorafiles/readers/", "sdlora/toolbox/unpickle.py", "sdlora/foreign/", "sdlora/files/kinds.py")
    words_of_others = {("sdlora/toolbox/files.py", "unet")}  # a key of the metadata of the first trainer there was
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources(*(f"sdlora/families/{name}/spec.py" for name in FAMILIES), *others)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in ("unet", "unet.")
        if (path, node.value) not in words_of_others
    ]
    assert not found, "\n".join(found)


def test_the_page_knows_families_by_their_entries_alone():
    known = {f"sdlora.families.{name}" for name in ("family", "table", *(f"{f}.spec" for f in FAMILIES))}
    found = [
        f"{path}:{node.lineno} {node.module}"
        for path, tree in sources("sdlora/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sdlora.families")
        if node.module not in known
    ]
    assert not found, "\n".join(found)

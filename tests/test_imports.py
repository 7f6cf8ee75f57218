"""Who may import whom, read from the source, and what a light command really loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TRAINING = ("families", "adapters", "lorafiles", "train", "pictures", "data.cache")
HEAVY = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors.torch")

# Rooms (a module or a package with all below it) and what must not be imported there, directly.
RULES = {
    "sdlora.settings": HEAVY,
    "sdlora.check": HEAVY,
    "sdlora.models": HEAVY,
    "sdlora.errors": HEAVY,
    "sdlora.events": HEAVY,
    "sdlora.runs": HEAVY,
    "sdlora.messages": (
        *HEAVY,
        *(f"sdlora.{room}" for room in ("errors", "events", "settings", "check", "runs", "files", "data", "families")),
        *(f"sdlora.{room}" for room in ("adapters", "lorafiles", "train", "pictures", "commands", "toolbox")),
        "ui",
    ),
    "sdlora.files.intact": (*HEAVY, "sdlora.errors", "sdlora.settings", "sdlora.data", "sdlora.runs", "ui"),
    "sdlora.files.paths": (*HEAVY, "sdlora", "ui"),
    "sdlora.files.regular": (*HEAVY, "sdlora.errors", "sdlora.settings", "sdlora.data", "sdlora.runs", "ui"),
    "sdlora.files.kinds": HEAVY,
    "sdlora.foreign": (*HEAVY, "sdlora.families", "sdlora.train"),
    "sdlora.data.images": HEAVY,
    "sdlora.data.captions": HEAVY,
    "sdlora.data.encodings": HEAVY,
    "sdlora.data.listing": HEAVY,
    "sdlora.data.remarks": HEAVY,
    "sdlora.data.tables": HEAVY,
    "sdlora.data.tags": HEAVY,
    "sdlora.data.buckets": HEAVY,
    "sdlora.data.dataset": HEAVY,
    "sdlora.families": ("sdlora.settings", "sdlora.runs.run", "sdlora.runs.origin"),
    "sdlora.adapters": ("sdlora.settings", "sdlora.runs.run", "sdlora.runs.origin"),
    "sdlora.captioners": ("sdlora.settings", "sdlora.train", "sdlora.runs.run", "sdlora.runs.origin"),
    "sdlora.lorafiles": ("sdlora.settings", "sdlora.runs.run", "sdlora.runs.origin"),
    "sdlora.train": ("sdlora.settings", "sdlora.runs.run", "sdlora.runs.origin"),
    "sdlora.data": ("sdlora.settings", "sdlora.runs.run", "sdlora.runs.origin"),
    "sdlora": ("gradio", "ui", "launcher"),
    "ui": (*HEAVY, *(f"sdlora.{room}" for room in TRAINING), "launcher"),
    "launcher": ("sdlora", "ui"),
}
# The loop, its beginning and its end are where the rooms meet: they take the settings and the run.
MEETING = (
    "sdlora.train.loop",
    "sdlora.train.restore",
    "sdlora.train.prepare",
    "sdlora.train.finish",
    "sdlora.train.export",
    "sdlora.train.save",
    "sdlora.train.trainee",
    "sdlora.train.probe",
)
# Plain functions that know nothing of settings or runs; and the table of families, which holds no torch.
PLAIN = ("sdlora.runs.run.write_atomically", "sdlora.runs.run.safe_name", "sdlora.families.table.FAMILIES")


def modules() -> dict[str, Path]:
    """Every module of the three packages by its dotted name."""
    found = {}
    for package in ("sdlora", "ui", "tools/launcher"):
        top = (ROOT / package).parent
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(top).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(source: str, module: str = "", is_package: bool = False) -> set[str]:
    """The dotted names that a source imports anywhere, inside functions too.

    ``from a.b import c`` counts as a.b.c. Imports under ``if TYPE_CHECKING`` count like all others.
    """
    names: set[str] = set()
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def inside(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def broken_rules(module: str, imported: set[str]) -> list[str]:
    meets = module in MEETING
    return [
        f"{module} imports {name}, which {room} must not"
        for room, forbidden in RULES.items()
        if inside(module, room)
        for name in sorted(imported)
        if name not in PLAIN and not (meets and room == "sdlora.train")
        if any(inside(name, f) for f in forbidden)
    ]


def test_every_import_keeps_the_rules():
    found = modules()
    assert {"sdlora.settings", "ui", "launcher.install"} <= set(found)
    broken = []
    for module, path in found.items():
        names = imports(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
        broken += broken_rules(module, names)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("module", [m for m in modules() if inside(m, "launcher")] + ["launch"])
def test_the_launcher_needs_nothing_but_python(module):
    path = ROOT / "launch.py" if module == "launch" else modules()[module]
    roots = {name.split(".")[0] for name in imports(path.read_text(encoding="utf-8"), module)}
    assert roots <= set(sys.stdlib_module_names) | {"launcher"}


def test_the_reader_of_imports_sees_them_all():
    source = (
        "import torch.nn as nn\nfrom . import run\nfrom ..settings import Settings\n"
        "def f():\n    from gradio import x\n"
    )
    assert imports(source, "sdlora.train.loop") == {
        "torch.nn", "sdlora.train.run", "sdlora.settings.Settings", "gradio.x",
    }  # fmt: skip
    assert imports("from .loop import train", "sdlora.train", is_package=True) == {"sdlora.train.loop.train"}
    assert broken_rules("sdlora.adapters.inject", {"torch", "sdlora.settings", "gradio"}) == [
        "sdlora.adapters.inject imports sdlora.settings, which sdlora.adapters must not",
        "sdlora.adapters.inject imports gradio, which sdlora must not",
    ]
    assert broken_rules("sdlora.train.loop", {"torch", "sdlora.settings", "gradio"}) == [
        "sdlora.train.loop imports gradio, which sdlora must not"
    ]
    assert broken_rules("sdlora.train.noise", {"sdlora.runs.run.Run", "sdlora.runs.run.safe_name"}) == [
        "sdlora.train.noise imports sdlora.runs.run.Run, which sdlora.train must not"
    ]
    assert broken_rules("sdlora.families", {"guitar", "uisomething"}) == []


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh Python holds after ``code``."""
    code += "\nimport sys; print('LOADED', *{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=120)
    line = next(line for line in done.stdout.decode().splitlines() if line.startswith("LOADED "))
    return set(line.split()[1:])


def test_help_loads_no_training_library():
    """Why it answers at once: a check of what is loaded, which no slow machine can make fail."""
    code = "import sdlora.cli\ntry: sdlora.cli.main(['--help'])\nexcept SystemExit as end: assert not end.code"
    heavy = {"torch", "diffusers", "transformers", "peft", "accelerate", "gradio"}
    assert not (heavy | {"pydantic", "numpy", "tomlkit"}) & loaded_by(code)
    assert not heavy & loaded_by(code.replace("'--help'", "'train', '--help'"))


def test_the_page_loads_no_training_library():
    assert not {"torch", "diffusers", "transformers", "peft", "accelerate"} & loaded_by("import ui.shell.app")

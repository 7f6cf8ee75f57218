"""The type checker has nothing to say of sdlora."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> str:
    """Where the checker keeps what it has read, for the next test."""
    return str(tmp_path_factory.mktemp("mypy"))


def test_the_types_are_right(cache):
    command = [sys.executable, "-m", "mypy", "--cache-dir", cache]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_of_ours_is_passed_over():
    """By the checker's settings, or by a comment that names no error and no reason."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        overrides = tomllib.load(file)["tool"]["mypy"]["overrides"]
    assert not [name for part in overrides for name in part["module"] if name.startswith("sdlora")]
    comments = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "sdlora").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "type: ignore" in line or "mypy:" in line
    ]
    assert not [line for line in comments if not re.search(r"# type: ignore\[[\w-]+\]  # \w", line)]
    assert len(comments) <= 10


def test_a_wrong_type_is_seen(tmp_path, cache):
    """The checker reads our own annotations, although those of torch are passed over."""
    (tmp_path / "wrong.py").write_text("from sdlora.runs.run import safe_name\n\nsafe_name(3)\n")
    command = [sys.executable, "-m", "mypy", "--cache-dir", cache, str(tmp_path / "wrong.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and 'expected "str"' in done.stdout

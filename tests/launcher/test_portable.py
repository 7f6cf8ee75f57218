"""Windows and macOS, as far as a machine with Linux can tell: nothing that only POSIX has is called without asking."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

from launching import ROOT

# What Python's documentation says is there on Unix alone.
MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix"}
CALLS = {
    "os": {"fork", "killpg", "getpgrp", "getpgid", "setsid", "getuid", "geteuid", "getgid", "chown", "nice", "uname",
           "statvfs", "getloadavg", "mkfifo", "sched_getaffinity", "posix_fadvise", "pread", "pwrite", "sync", "wait",
           "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "sysconf", "fchmod", "ttyname"},
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "alarm", "pause", "setitimer"},
    "time": {"tzset", "clock_gettime"},
}  # fmt: skip
ASKS = ("os.name", "sys.platform", "platform.system", "hasattr(", "getattr(", "ImportError", "AttributeError")


def unix_only(node: ast.AST) -> Iterator[str]:
    """What a function (or a module's top) uses of it; functions inside of it are asked on their own."""
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names if alias.name in MODULES)
        elif isinstance(part, ast.ImportFrom) and part.module in MODULES:
            yield part.module
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            if part.attr in CALLS.get(part.value.id, ()):
                yield f"{part.value.id}.{part.attr}"
        elif isinstance(part, ast.keyword) and part.arg in ("preexec_fn", "start_new_session"):
            yield part.arg


def unasked(source: str) -> list[str]:
    """Uses in functions in which nothing asks for the system, and at the top of the module."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    found = []
    for function in functions:
        text = ast.get_source_segment(source, function) or ""
        if not any(ask in text for ask in ASKS):
            found += [f"{function.name}: {name}" for name in unix_only(function)]
    inside = {id(part) for function in functions for part in ast.walk(function)}
    top = ast.Module([node for node in tree.body if id(node) not in inside], [])
    plain = [node for node in top.body if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.If, ast.Try))]
    return found + [f"top: {name}" for node in plain for name in unix_only(node)]


def test_what_only_unix_has_is_asked_for_first():
    assert unasked("import os\ndef f():\n    os.fork()\n") == ["f: os.fork"]
    assert unasked("import fcntl\n") == ["top: fcntl"]
    assert unasked("import os\ndef f():\n    if os.name != 'nt':\n        os.fork()\n") == []
    files = [*(ROOT / "sdlora").rglob("*.py"), *(ROOT / "ui").rglob("*.py"), *(ROOT / "tools/launcher").glob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): unasked(path.read_text(encoding="utf-8")) for path in files}
    assert not {path: names for path, names in found.items() if names}


SCRIPT = """
import sys
import filelock, huggingface_hub, numpy, PIL.Image, psutil, pydantic, rich.progress, safetensors, tokenizers, yaml
for name in {modules}:
    sys.modules[name] = None
import os, signal
for name in {os}:
    if hasattr(os, name): delattr(os, name)
for name in {signal}:
    if hasattr(signal, name): delattr(signal, name)
import importlib
for name in {names}:
    importlib.import_module(name)
print("all")
"""


def in_folder(folder: str, package: str, *left_out: str) -> list[str]:
    """The dotted names of a folder's modules."""
    stems = sorted(path.stem for path in (ROOT / folder).glob("*.py"))
    return [f"{package}.{stem}" for stem in stems if stem not in ("__init__", *left_out)]


def test_the_launcher_and_the_light_rooms_load_without_them():
    """As on Windows: the modules are not there, the names are gone. (What asks for os.name still hears "posix".)"""
    names = in_folder("tools/launcher", "launcher", "watched") + in_folder("sdlora/commands", "sdlora.commands")
    names += ["sdlora.cli", "sdlora.runs.run", "sdlora.settings", "sdlora.check", "sdlora.files.regular"]
    script = SCRIPT.format(
        modules=sorted(MODULES - {"posix"}), os=sorted(CALLS["os"]), signal=sorted(CALLS["signal"]), names=names
    )
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tools"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "all", done.stderr[-1500:]

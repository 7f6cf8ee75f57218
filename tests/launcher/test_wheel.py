"""What ``pip install sdlora`` brings: the wheel and the sdist, used from an environment that has never seen a clone."""

import os
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest
from launching import ROOT, free_port

pytestmark = pytest.mark.slow
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"


def shipped(folder: Path) -> set[str]:
    """What a person would miss of the two packages, by path: every file but what Python makes by itself."""
    files = (path for package in ("sdlora", "ui") for path in (folder / package).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in files if "__pycache__" not in path.parts}


def build(kind: str, source: Path, out: Path) -> Path:
    """The wheel or the sdist of a folder, by the project's own build backend."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind), str(out)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return next(out.iterdir())


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """What the packages are built of, apart from here: a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder)
    for package in ("sdlora", "ui"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    return build("wheel", source, tmp_path_factory.mktemp("built") / "wheel")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of a new environment with the wheel in it; of this one it sees what sdlora depends on."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    programs = venv / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    # Plain paths, so that what makes a clone importable (.pth files in there) is not read.
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    site = next(venv.rglob("site-packages"))
    (site / "dependencies.pth").write_text("\n".join(others), encoding="utf-8")
    return programs


@pytest.fixture
def call(installed, tmp_path):
    """Run one of its programs in an empty folder, with nothing said about where this project is."""
    foreign = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}

    def call(program: str, *arguments: str) -> str:
        command = [str(installed / program), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    call.environment = environment
    return call


def test_wheel_and_sdist_hold_every_file(source, wheel, tmp_path):
    there = shipped(source)
    assert {"ui/shell/script.js", "sdlora/families/clip/vocab.json"} <= there
    assert there <= set(zipfile.ZipFile(wheel).namelist())
    sdist = build("sdist", source, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
        assert there <= names
        archive.extractall(tmp_path / "unpacked", filter="data")
    again = build("wheel", next((tmp_path / "unpacked").iterdir()), tmp_path / "again")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_it_trains_on_its_own_base_and_knows_its_presets(call, tmp_path):
    told = call("python", "-c", "import sdlora, ui; print(sdlora.__file__, ui.__file__)").split()
    assert all(str(ROOT) not in path for path in told), told
    read = "from ui.tabs.settings import presets as p; print(p.load(p.preset_name(p.EMBEDDED)).model.base)"
    assert call("python", "-c", read).strip() == "tiny"
    assert "sdlora 0" in call("sdlora", "--version")

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for path in sorted(path for path in (ROOT / "datasets_example" / "style").glob("*.*") if path.is_file())[:6]:
        shutil.copy2(path, pictures)
    chosen = ["--model.base", "tiny", "--data.folder", "pictures", "--train.steps", "1", "--run.name", "clean"]
    assert "step 1" in call("sdlora", "train", *chosen, "--sample.every", "0")
    (file,) = (tmp_path / "runs").glob("*/clean.safetensors")
    assert file.stat().st_size > 10_000


def test_it_serves_its_page(call, installed, tmp_path):
    port = free_port()
    command = [str(installed / "sdlora"), "ui", "--port", str(port), "--no-browser"]
    with open(tmp_path / "page.txt", "wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=call.environment, stdout=log, stderr=log)
    try:
        page, end = b"", time.monotonic() + 240
        while not page and time.monotonic() < end and server.poll() is None:
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read()
            except OSError:
                time.sleep(0.2)
        assert b"sdlora" in page, (tmp_path / "page.txt").read_text()
        for sheet in ("shell", "tabs/settings"):  # the page's own looks come along
            rule = (ROOT / "ui" / sheet / "style.css").read_text(encoding="utf-8").split("{")[0].split("\n")[-1].strip()
            assert rule in page.decode(), sheet
    finally:
        server.terminate()
        server.wait(timeout=60)

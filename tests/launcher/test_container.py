"""The container's files, read: what they copy is there, they listen to this computer alone, and ask for a password."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from launching import ROOT

CONTAINER = ROOT / "tools" / "container"
INSTRUCTIONS = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """(name, the rest) of each line of the Dockerfile; long lines are joined, comments left out."""
    text = (CONTAINER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def copied(folder: Path) -> Path:
    """What the image copies, at a clean place."""
    for name, rest in instructions():
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                place = folder / target / source if target == "./" else folder / target
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy2(ROOT / source, place)
    return folder


def test_the_image_runs_as_nobody_and_shows_the_page_with_a_password_alone():
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS and found[0][0] == "FROM"
    order = [name for name, _ in found]
    assert order.index("USER") < order.index("CMD") and ("USER", "sdlora") in found
    command = json.loads(next(rest for name, rest in found if name == "CMD"))
    from sdlora.cli import build_parser

    args = build_parser().parse_args(command[1:])  # a call that the command takes
    assert args.command == "ui" and args.listen and args.no_browser and args.port == 7878
    for name, rest in found:
        if name == "RUN":
            subprocess.run(["bash", "-n", "-c", rest], check=True)


def test_what_it_copies_installs_and_starts(tmp_path):
    """In a folder with nothing else: launch.py finds all that it reads, and the wheel's metadata can be made."""
    folder = copied(tmp_path / "opt")
    call = [sys.executable, "launch.py"]
    subprocess.run([*call, "--help"], cwd=folder, check=True, capture_output=True)
    told = subprocess.run([*call, "doctor"], cwd=folder, capture_output=True, text=True)
    assert told.returncode == 1 and "Nothing is installed yet" in told.stdout and "Traceback" not in told.stderr
    script = "from setuptools import build_meta; import sys; build_meta.prepare_metadata_for_build_wheel(sys.argv[1])"
    made = tmp_path / "metadata"
    made.mkdir()
    subprocess.run([sys.executable, "-c", script, str(made)], cwd=folder, check=True, capture_output=True)
    allowed = [line[1:] for line in (CONTAINER / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"]
    wanted = [source for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]]
    assert sorted(allowed) == sorted(wanted)


def test_compose_lets_in_this_computer_alone_and_needs_a_password():
    services = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert re.match(r"\$\{SDLORA_PASSWORD:\?", service["environment"]["SDLORA_PASSWORD"])
        build = service["build"]
        assert (CONTAINER / build["context"]).resolve() == ROOT and (ROOT / build["dockerfile"]).is_file()
        assert service["volumes"] == ["./data:/data"]
    assert services["sdlora"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert shlex.split(services["sdlora"]["build"]["args"]["BUILD"]) == ["${BUILD:-cu130}"]

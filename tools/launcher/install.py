"""The virtual environment: made once, repaired when its making was interrupted, left alone when it is whole.

The stamp is written last. A .venv with a log and no stamp is half-made; one with neither was not made here.
"""

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from launcher import ROOT, Stop, Unreachable
from launcher.build import Build, choose_build, find_nvidia, reachable, torch_attempts
from launcher.packages import Pip, environment, explain_failure

PINNED = ["--constraint", "constraints.txt"]


class Installer:
    """Brings ``venv`` to what the options and extras ask for."""

    def __init__(self, options, venv: Path = ROOT / ".venv"):
        """options: cpu, torch_index, allow_cuda, reinstall."""
        self.options = options
        self.venv = venv
        self.stamp_file = venv / "sdlora.json"
        self.pip = Pip(venv)

    @property
    def python(self) -> str:
        return str(self.pip.python)

    def ensure(self, extras: list[str]) -> None:
        """Quick and silent when nothing is to be done. Stop or Unreachable when it can't be."""
        if self.what_to_do(self.read_stamp(), self.wanted_build(self.read_stamp()), extras) == "nothing":
            return
        with alone(self.venv.with_name(self.venv.name + ".lock")):
            stamp = self.read_stamp()  # anew: another start may just have finished
            build = self.wanted_build(stamp)
            todo = self.what_to_do(stamp, build, extras)
            if todo != "nothing":
                self.carry_out(todo, stamp, build or self.same_build(stamp["build"]), extras)

    def carry_out(self, todo: str, stamp: dict | None, build: Build, extras: list[str]) -> None:
        extras = sorted({*extras, *(stamp["extras"] if stamp else [])})
        if todo == "rebuild":
            self.make_venv(stamp, build)
        else:
            check_disk(self.venv, build.disk if build.name != stamp["build"] else 1)
            print("Bringing .venv up to date.", flush=True)
        self.stamp_file.unlink(missing_ok=True)
        try:
            self.install(build, extras)
        except Unreachable:
            if todo == "update":
                self.write_stamp(stamp)  # pip fetches everything before it changes anything
            raise
        python = version_of(self.python)
        self.write_stamp({"pins": fingerprint(), "python": python, "build": build.name, "extras": extras})
        print("Installed.", flush=True)

    # ---------------------------------------------------------------------------------- what is there, what is wanted

    def read_stamp(self) -> dict | None:
        """{"pins", "python", "build", "extras"}; None for nothing, or for an interrupted installation."""
        try:
            stamp = json.loads(self.stamp_file.read_text(encoding="utf-8"))
            return stamp if {"pins", "python", "build", "extras"} <= set(stamp) else None
        except (OSError, ValueError, TypeError):
            return None

    def write_stamp(self, stamp: dict) -> None:
        temporary = self.stamp_file.with_suffix(".tmp")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(stamp, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.stamp_file)

    def wanted_build(self, stamp: dict | None) -> Build | None:
        """The build to have; None for whichever is there, so that a later start asks no driver."""
        forced = self.options.cpu or self.options.torch_index
        if stamp and not forced and not self.options.reinstall:
            return None
        return self.build_for(self.options.cpu, self.options.torch_index)

    def same_build(self, name: str) -> Build:
        """The build that a stamp names."""
        index = name.removeprefix("index ") if name.startswith("index ") else ""
        return self.build_for(name == "cpu", index)

    @staticmethod
    def build_for(cpu: bool, torch_index: str) -> Build:
        nvidia = None if cpu or torch_index else find_nvidia()
        return choose_build(cpu, torch_index, platform.system(), platform.machine(), nvidia)

    def what_to_do(self, stamp: dict | None, build: Build | None, extras: list[str]) -> str:
        """ "nothing", "update" (in place) or "rebuild" (from an empty .venv)."""
        if self.options.reinstall or stamp is None or version_of(self.python) != stamp["python"]:
            return "rebuild"
        same_build = build is None or build.name == stamp["build"]
        if same_build and stamp["pins"] == fingerprint() and set(extras) <= set(stamp["extras"]):
            return "nothing"
        return "update"

    # ---------------------------------------------------------------------------------- the work

    def make_venv(self, stamp: dict | None, build: Build) -> None:
        """An empty .venv in place of whatever is there."""
        self.remove_venv(stamp)
        check_disk(self.venv.parent, build.disk)
        self.venv.mkdir()
        self.pip.log.write_text(f"Python {platform.python_version()}, PyTorch build {build.name}\n", encoding="utf-8")
        self.make_python()

    def make_python(self) -> None:
        command = [sys.executable, "-m", "venv", str(self.venv)]
        made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment())
        if made.returncode:
            text = made.stdout.decode(errors="replace")
            if "ensurepip" in text and "No space left" not in text:
                package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
                raise Stop(f"This Python has no venv: install it (Debian, Ubuntu: sudo apt install {package}).")
            raise Stop(explain_failure(text, self.pip.log))

    def remove_venv(self, stamp: dict | None) -> None:
        if not os.path.lexists(self.venv):
            print("Installing into .venv, once; this takes some minutes.", flush=True)
            return
        ours = stamp or self.pip.log.exists()
        if not ours and not self.options.reinstall:
            raise Stop(f"{self.venv} was not made by launch.py: move it away, or replace it with --reinstall.")
        print("Setting .venv up anew." if stamp else "The last installation did not finish; starting anew.", flush=True)
        old = self.venv.with_name(self.venv.name + ".old")  # aside first: never a .venv that is half there
        try:
            if old.exists():
                shutil.rmtree(old)
            os.rename(self.venv, old)
            shutil.rmtree(old)
        except OSError as error:
            raise Stop(
                f"The old installation can't be removed ({error}): close what runs from it and start again."
            ) from error

    def install(self, build: Build, extras: list[str]) -> None:
        self.pip.install(["--quiet", *PINNED, "pip", "setuptools"], "the installer itself")
        self.install_torch(build)
        project = f".[{','.join(extras)}]" if extras else "."
        self.pip.install([*PINNED, "--no-build-isolation", "--editable", project], "diffusers, Gradio and the rest")
        self.check_torch(build)

    def install_torch(self, build: Build) -> None:
        """From PyTorch's own index where that answers, else from what pip is configured to use."""
        version, answers = torch_version(), bool(build.index) and reachable(build.index)
        if build.index and not answers:
            print(f"  {build.index} does not answer; trying the configured package index.", flush=True)
        title = f"PyTorch {version} ({build.name})"
        for attempt in torch_attempts(build, version, platform.system(), answers, self.options.allow_cuda):
            if self.pip.install([*PINNED, *attempt], title, may_be_missing=True):
                return
        if build.name == "cpu":
            why = "its index does not answer" if not answers else "its index has none"
            raise Stop(
                f"No CPU build of PyTorch {version} for Python {version_of(self.python)} can be had ({why}, and other "
                "Linux builds bring gigabytes of CUDA packages): name a mirror with --torch-index URL, or accept the "
                "big build with --allow-cuda."
            )
        raise Stop(
            f"No PyTorch {version} ({build.name}) for this system and Python {version_of(self.python)} was found: "
            "try another Python from 3.10 to 3.13, or another source with --torch-index URL."
        )

    def check_torch(self, build: Build) -> None:
        """Imports PyTorch once, so that a broken one is seen now and not in the middle of a run."""
        command = [self.python, "-c", "import torch; print('cuda', torch.version.cuda)"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment())
        last = (done.stdout.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        if done.returncode:
            windows = "install Microsoft's Visual C++ Redistributable (x64) and start again"
            fix = windows if os.name == "nt" else "start with --reinstall"
            raise Stop(f"PyTorch was installed but can't be loaded ({last}): {fix}.")
        if build.name.startswith("cu") and last == "cuda None":
            print("Note: only a CPU build of PyTorch could be had for your GPU; try --reinstall later.", flush=True)


def version_of(python: str) -> str:
    """ "3.11" for an interpreter that runs; empty for one that does not."""
    command = [python, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout.decode().strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def fingerprint() -> str:
    """Of what decides the packages, but for the Python and the PyTorch build."""
    files = [(ROOT / name).read_bytes().replace(b"\r\n", b"\n") for name in ("constraints.txt", "pyproject.toml")]
    return hashlib.sha256(b"\0".join(files)).hexdigest()


def torch_version() -> str:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return re.search(r"^torch==([\d.]+)", text, re.MULTILINE)[1]


def check_disk(folder: Path, gigabytes: float) -> None:
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise Stop(
            f"Not enough disk space: the installation needs about {gigabytes} GB and {free:.1f} GB are free in "
            f"{folder}: free some, or move sdlora's folder to another disk."
        )


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Keeps a second start from installing into the same folder; the system lets go when this process ends."""
    with open(lock, "a") as file:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
                raise Stop("Another start is installing into this folder: wait until it is done.") from error
            # a file system that knows no locks: go on without
        yield

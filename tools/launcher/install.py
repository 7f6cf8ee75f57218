"""The virtual environment: made once, repaired when its making was interrupted, left alone when it is whole.

.venv/sdlora.json   the stamp: what is installed, and which build was asked for. Written last.
.venv.begun         an installation that has not ended, and what was asked for. What lies at .venv is then ours.
.venv.old           what worked before, while its replacement is made or it is changed; put back if that comes to
                    nothing.
.venv.gone-*        on its way out.
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
import time
from collections.abc import Iterator
from pathlib import Path

from launcher import ROOT, Stop
from launcher.build import CUDA_DISK, Build, choose_build, find_nvidia, named_build, reachable, torch_attempts
from launcher.inuse import hold, refuse_if_in_use
from launcher.packages import Pip, end_watched, environment, explain_failure, start_watched
from launcher.spare import make_spare

PINNED = ["--constraint", "constraints.txt"]
FORCING = ("cpu", "torch_index")  # options that name a build
CHOICE = (*FORCING, "no_cuda")  # and what is kept with the installation
PATIENCE = 5.0  # seconds for another start; what a killed one has left behind ends in less


class Installer:
    """Brings ``venv`` to what the options and extras ask for."""

    def __init__(self, options, venv: Path = ROOT / ".venv"):
        """options: cpu, torch_index, no_cuda, allow_cuda, reinstall."""
        self.options = options
        self.venv = venv
        self.stamp_file = venv / "sdlora.json"
        self.begun = venv.with_name(venv.name + ".begun")
        self.old = venv.with_name(venv.name + ".old")
        self.pip = Pip(venv)
        self.held = None

    @property
    def python(self) -> str:
        return str(self.pip.python)

    def hold(self) -> None:
        """Say that .venv is needed, for as long as this process lives."""
        self.held = hold(self.venv)

    def ensure(self, extras: list[str]) -> None:
        """Quick and silent when nothing is to be done. Stop or Unreachable when it can't be."""
        stamp = self.read_stamp()
        if self.what_to_do(stamp, self.wanted_build(stamp), extras) == "nothing":
            return
        with alone(self.venv.with_name(self.venv.name + ".lock")):
            self.recover()
            stamp = self.read_stamp()  # anew: another start may just have finished
            build = self.wanted_build(stamp)
            todo = self.what_to_do(stamp, build, extras)
            if todo == "nothing":
                return
            extras = sorted({*extras, *(stamp["extras"] if stamp else [])})
            {"add": self.add, "update": self.update, "rebuild": self.rebuild}[todo](
                stamp, build or named_build(stamp["build"]), extras
            )
            print("Installed.", flush=True)

    # ---------------------------------------------------------------------------------- three ways to get there

    def add(self, stamp: dict, build: Build, extras: list[str]) -> None:
        """More packages beside those that are there, none of which changes: others may run from .venv meanwhile."""
        check_disk(self.venv, 1)
        print("Adding to .venv.", flush=True)
        self.install_project(extras)
        self.write_stamp({**stamp, "extras": extras})

    def update(self, stamp: dict, build: Build, extras: list[str]) -> None:
        """Other versions of what has changed. What works is kept beside it until the changed one does."""
        refuse_if_in_use(self.venv)
        gigabytes = build.disk if build.name != stamp["build"] else 1
        check_disk(self.venv, gigabytes)
        print("Bringing .venv up to date.", flush=True)
        choice = self.choice(stamp)
        kept = self.keep(stamp, gigabytes)
        self.write_stamp({**stamp, "changing": True, "choice": choice})
        try:
            self.install(build, extras, choice)
        except BaseException:
            if kept:
                self.put_back()
            elif not self.pip.touched:  # pip fetches everything before it changes anything
                self.write_stamp(stamp)
            raise
        self.finish(build, extras, choice)
        self.let_go()

    def keep(self, stamp: dict, gigabytes: float) -> bool:
        """A spare of .venv as it is. Its stamp is written last: without one it is not whole."""
        self.discard(self.old)
        if not make_spare(self.venv, self.old, (self.stamp_file.name, "tmp"), gigabytes):
            print("  No room to keep the old one meanwhile: if this breaks off, .venv has to be made anew.", flush=True)
            return False
        write_json(self.old / self.stamp_file.name, stamp)
        return True

    def rebuild(self, stamp: dict | None, build: Build, extras: list[str]) -> None:
        """An empty .venv in place of whatever is there. What works is kept until the new one does."""
        refuse_if_in_use(self.venv)
        self.refuse_what_is_not_ours(stamp)
        works = stamp is not None and version_of(self.python) == stamp["python"]
        choice = self.choice(stamp)
        if not works:
            self.discard(self.venv)
        check_disk(self.venv.parent, build.disk)
        write_json(self.begun, choice)
        if works:
            self.discard(self.old)
            move(self.venv, self.old)
        try:
            self.venv.mkdir(exist_ok=True)
            told = f"Python {platform.python_version()}, PyTorch build {build.name}\n"
            self.pip.log.write_text(told, encoding="utf-8")
            self.make_python()
            self.install(build, extras, choice)
        except BaseException:
            if works:
                self.put_back()
            raise
        self.finish(build, extras, choice)
        self.let_go()

    def finish(self, build: Build, extras: list[str], choice: dict) -> None:
        python = version_of(self.python)
        whole = {"pins": fingerprint(), "python": python, "build": build.name, "extras": extras, "choice": choice}
        self.write_stamp(whole)
        self.begun.unlink(missing_ok=True)

    # ---------------------------------------------------------------------------------- after an interruption

    def recover(self) -> None:
        """A start that was killed while it made or changed .venv has left the old one aside: it is put back."""
        for rest in self.venv.parent.glob(f"{self.venv.name}.gone-*"):
            shutil.rmtree(rest, ignore_errors=True)
        stamp = self.read_stamp()
        if stamp is not None and not stamp.get("changing"):
            self.let_go()
            self.begun.unlink(missing_ok=True)  # killed between the last two lines
        elif read_stamp(self.old / self.stamp_file.name) is not None:
            self.put_back()

    def let_go(self) -> None:
        """Of what was kept."""
        with contextlib.suppress(Stop):  # Windows, a virus scanner for example: a later start tries again
            self.discard(self.old)

    def put_back(self) -> None:
        with contextlib.suppress(OSError):  # it tells what went wrong
            os.replace(self.pip.log, self.old / self.pip.log.name)
        self.discard(self.venv)
        move(self.old, self.venv)
        self.begun.unlink(missing_ok=True)
        print("The installation that was there is kept.", file=sys.stderr, flush=True)

    def discard(self, folder: Path) -> None:
        """Out of the way at once, from the disk as far as that goes now; the rest goes with a later start."""
        if os.path.lexists(folder):
            gone = self.venv.with_name(f"{self.venv.name}.gone-{os.getpid()}-{time.monotonic_ns()}")
            move(folder, gone)
            if gone.is_symlink():
                gone.unlink()
            shutil.rmtree(gone, ignore_errors=True)

    def refuse_what_is_not_ours(self, stamp: dict | None) -> None:
        if not os.path.lexists(self.venv):
            print("Installing into .venv, once; this takes some minutes.", flush=True)
            return
        empty = self.venv.is_dir() and not any(self.venv.iterdir())
        ours = stamp or self.pip.log.exists() or self.begun.exists() or empty
        if not ours and not self.options.reinstall:
            raise Stop(f"{self.venv} was not made by launch.py: move it away, or replace it with --reinstall.")
        print("Setting .venv up anew." if stamp else "The last installation did not finish; starting anew.", flush=True)

    # ---------------------------------------------------------------------------------- what is there, what is wanted

    def read_stamp(self) -> dict | None:
        """{"pins", "python", "build", "extras"}; None for nothing, or for an interrupted installation."""
        return read_stamp(self.stamp_file)

    def write_stamp(self, stamp: dict) -> None:
        write_json(self.stamp_file, stamp)

    def forced(self) -> bool:
        return any(getattr(self.options, name) for name in FORCING)

    def choice(self, stamp: dict | None) -> dict:
        """{"cpu", "torch_index", "no_cuda"}: what was asked for now, else what was asked for before."""
        before = {}
        if not self.options.reinstall:
            before = (read_json(self.begun) or {}) if stamp is None else stamp.get("choice") or {}
        if self.forced():
            before = {"no_cuda": before.get("no_cuda")}
        asked = {name: getattr(self.options, name) or before.get(name) for name in CHOICE}
        return {name: str(value or "") if name == "torch_index" else bool(value) for name, value in asked.items()}

    def wanted_build(self, stamp: dict | None) -> Build | None:
        """The build to have; None for whichever is there, so that a later start asks no driver."""
        if stamp and not self.forced() and not self.options.reinstall:
            return None
        choice = self.choice(stamp)
        cpu, torch_index = choice["cpu"], choice["torch_index"]
        nvidia = None if cpu or torch_index else find_nvidia()
        return choose_build(cpu, torch_index, platform.system(), platform.machine(), nvidia)

    def what_to_do(self, stamp: dict | None, build: Build | None, extras: list[str]) -> str:
        """ "nothing", "add" (packages), "update" (in place) or "rebuild" (from an empty .venv)."""
        if self.options.reinstall or stamp is None or stamp.get("changing"):
            return "rebuild"
        if version_of(self.python) != stamp["python"]:
            return "rebuild"
        if (build is not None and build.name != stamp["build"]) or stamp["pins"] != fingerprint():
            return "update"
        return "nothing" if set(extras) <= set(stamp["extras"]) else "add"

    # ---------------------------------------------------------------------------------- the work

    def make_python(self) -> None:
        process = start_watched(sys.executable, "venv", str(self.venv), env=environment())
        try:
            text = process.stdout.read().decode(errors="replace")
            code = process.wait()
        finally:
            end_watched(process)
        if code:
            if "ensurepip" in text and "No space left" not in text:
                package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
                raise Stop(f"This Python has no venv: install it (Debian, Ubuntu: sudo apt install {package}).")
            raise Stop(explain_failure(text, self.pip.log))

    def install(self, build: Build, extras: list[str], choice: dict) -> None:
        self.pip.install(["--progress-bar", "off", *PINNED, "pip", "setuptools"], "the installer itself")
        self.pip.touched = False  # those two can be newer than the rest
        self.install_torch(build, choice["no_cuda"])
        self.install_project(extras)
        self.check_torch(build)

    def install_project(self, extras: list[str]) -> None:
        project = f".[{','.join(extras)}]" if extras else "."
        self.pip.install([*PINNED, "--no-build-isolation", "--editable", project], "diffusers, Gradio and the rest")

    def install_torch(self, build: Build, no_cuda: bool) -> None:
        """From PyTorch's own index where that answers, else from what pip is configured to use."""
        version, answers = torch_version(), bool(build.index) and reachable(build.index)
        if build.index and not answers:
            print(f"  {build.index} does not answer; trying the configured package index.", flush=True)
        title = f"PyTorch {version} ({build.name})"
        attempts = torch_attempts(build, version, platform.system(), answers, no_cuda)
        why = "its index has none" if answers else "its index does not answer"
        for attempt in attempts:
            if build.name == "cpu" and platform.system() == "Linux" and attempt[-1] == f"torch=={version}":
                self.accept_cuda(build, why)
                title = f"PyTorch {version}"
            if self.pip.install([*PINNED, *attempt], title, may_be_missing=True):
                return
        if build.name == "cpu":
            raise Stop(
                f"No CPU build of PyTorch {version} for Python {version_of(self.python)} can be had ({why}): name a "
                "mirror with --torch-index URL" + (", or leave --no-cuda out (--reinstall)." if no_cuda else ".")
            )
        raise Stop(
            f"No PyTorch {version} ({build.name}) for this system and Python {version_of(self.python)} was found: "
            "try another Python from 3.10 to 3.13, or another source with --torch-index URL."
        )

    def accept_cuda(self, build: Build, why: str) -> None:
        print(
            f"  No CPU build can be had ({why}): taking PyTorch as the package index has it, with CUDA about "
            f"{CUDA_DISK} GB on disk instead of {build.disk} (--no-cuda refuses).",
            flush=True,
        )
        if not self.options.allow_cuda:
            check_disk(self.venv, CUDA_DISK)

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


def read_json(file: Path) -> dict | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def read_stamp(file: Path) -> dict | None:
    """{"pins", "python", "build", "extras"} and more; None for nothing, or for an interrupted installation."""
    stamp = read_json(file)
    return stamp if stamp and {"pins", "python", "build", "extras"} <= set(stamp) else None


def write_json(file: Path, values: dict) -> None:
    temporary = file.with_name(file.name + ".tmp")
    with open(temporary, "w", encoding="utf-8") as out:
        json.dump(values, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, file)


def move(folder: Path, target: Path) -> None:
    try:
        os.rename(folder, target)
    except OSError as error:  # Windows: a program runs from there
        raise Stop(f"{folder} can't be moved ({error}): close what runs from it and start again.") from error


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
def alone(lock: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Keeps a second start from installing into the same folder; the system lets go when this process ends."""
    with open(lock, "a") as file:
        end = time.monotonic() + patience
        while not try_lock(file):
            if time.monotonic() > end:
                raise Stop("Another start is installing into this folder: wait until it is done.")
            time.sleep(0.1)
        yield


def try_lock(file) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # a file system that knows no locks: go on without
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
    return True

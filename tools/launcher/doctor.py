"""What is wrong with this installation, in sentences with the fix; nothing is changed."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from launcher import ROOT, Stop
from launcher.build import PYTORCH, choose_build, find_nvidia, named_build, reachable
from launcher.install import Installer, fingerprint, version_of
from launcher.packages import environment, foreign
from launcher.page import check_port

Finding = tuple[bool, str]  # is it good?, the sentence
LONG = 120  # characters of the folder's path: packages add up to 140 below it, and Windows' limit is 260


def diagnose(options, port: int = 7878) -> int:
    """Print a line for each thing looked at; the exit code: 1 if something is wrong."""
    findings = [finding for look in LOOKS for finding in look(options)]
    with contextlib.suppress(Stop):
        findings += port_free(port)
    for good, text in findings:
        print(("good     " if good else "PROBLEM  ") + text, flush=True)
    wrong = sum(not good for good, _ in findings)
    print(f"{wrong} to mend." if wrong else "Nothing is wrong with this installation.", flush=True)
    return 1 if wrong else 0


def this_python(options) -> Iterator[Finding]:
    """The Python that started launch.py, and whether it can make an environment."""
    yield True, f"Python {platform.python_version()} ({sys.executable})"
    for module in ("venv", "ensurepip", "ssl"):
        if find_spec(module) is None:
            package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
            yield False, f"This Python has no {module}: install {package}, or the Python from python.org."


def folder(options) -> Iterator[Finding]:
    """Can the folder be written, is its path short enough, is it one that others synchronise?"""
    try:
        with tempfile.TemporaryFile(dir=ROOT):
            yield True, f"{ROOT} can be written"
    except OSError as error:
        yield False, f"{ROOT} can't be written ({error.strerror}): move the folder to a place of your own."
    if os.name == "nt" and len(str(ROOT)) > LONG and not long_paths_allowed():
        yield (
            False,
            f"The path of the folder has {len(str(ROOT))} characters: move it nearer to the root, such as C:\\sdlora.",
        )
    synced = next((name for name in ("OneDrive", "Dropbox", "Google Drive", "iCloud") if name in str(ROOT)), "")
    if synced:
        yield False, f"The folder lies in {synced}, which locks files while it copies them: move it out of there."


def long_paths_allowed() -> bool:
    """Has Windows been told to take paths of more than 260 characters?"""
    import winreg

    with contextlib.suppress(OSError):
        key = winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem")
        return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    return False


def room(options) -> Iterator[Finding]:
    """Disk space: for an installation that is to come, or for an update of what is there."""
    stamp = Installer(options).read_stamp()
    needed = 1.0 if stamp else wanted_disk(options)
    free = shutil.disk_usage(ROOT).free / 1e9
    enough = f"{free:.1f} GB free on the disk"
    yield (True, enough) if free >= needed else (False, f"{enough}, {needed:.0f} are needed: free some.")


def wanted_disk(options) -> float:
    """Gigabytes of the installation that a start would make; 3 where no build fits this machine (told elsewhere)."""
    with contextlib.suppress(Stop):
        nvidia = None if options.cpu or options.torch_index else find_nvidia()
        found = choose_build(options.cpu, options.torch_index, platform.system(), platform.machine(), nvidia)
        return float(found.disk)
    return 3.0


def installed(options) -> Iterator[Finding]:
    """.venv: is it there, whole, up to date, and does PyTorch load?"""
    installer = Installer(options)
    stamp = installer.read_stamp()
    if stamp is None or stamp.get("changing"):
        there = os.path.lexists(installer.venv)
        what = "The installation was interrupted" if there else "Nothing is installed yet"
        yield False, f"{what}: start launch.py, which installs it."
        return
    if version_of(installer.python) != stamp["python"]:
        yield False, f"The Python of .venv ({stamp['python']}) is gone: start launch.py, which sets it up anew."
        return
    yield True, f".venv with Python {stamp['python']}, PyTorch build {stamp['build']}"
    if stamp["pins"] != fingerprint():
        yield False, "sdlora is newer than what is installed: start launch.py, which brings it up to date."
    yield from loads(installer.python, stamp["build"])


def loads(python: str, build: str) -> Iterator[Finding]:
    """The packages that everything needs, and whether PyTorch sees the GPU that its build is for."""
    script = "import torch, diffusers, gradio; print(torch.__version__, torch.cuda.is_available())"
    done = subprocess.run(
        [python, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(), cwd=ROOT
    )
    last = (done.stdout.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
    if done.returncode:
        redistributable = "install Microsoft's Visual C++ Redistributable (x64), or start with --reinstall"
        yield (
            False,
            f"A package can't be loaded ({last}): {redistributable if os.name == 'nt' else 'start with --reinstall'}.",
        )
        return
    yield True, f"PyTorch {last.split()[0]} loads"
    if build.startswith("cu"):
        seen = last.endswith("True")
        yield (
            seen,
            "PyTorch sees the GPU"
            if seen
            else "PyTorch does not see the GPU: update its driver, restart the computer.",
        )


def gpu(options) -> Iterator[Finding]:
    """Does the installed build fit the GPU that is in the computer now?"""
    try:
        nvidia = find_nvidia()
        fits = choose_build(options.cpu, options.torch_index, platform.system(), platform.machine(), nvidia)
    except Stop as stop:
        yield False, str(stop)
        return
    stamp = Installer(options).read_stamp()
    if nvidia and stamp and not named_build(stamp["build"]).custom:
        chosen = (stamp.get("choice") or {}).get("cpu")
        if stamp["build"] != fits.name and not chosen:
            yield (
                False,
                f"PyTorch's build {stamp['build']} is not the one for this GPU ({fits.name}): start with --reinstall.",
            )
    yield (
        True,
        f"NVIDIA GPU, driver {nvidia.driver or 'unknown'}"
        if nvidia
        else "no NVIDIA GPU: training runs on "
        + ("Metal" if sys.platform == "darwin" else "the CPU, or the build that was named with --torch-index"),
    )


def network(options) -> Iterator[Finding]:
    """The package indexes: needed for the first start and for updates only."""
    if Installer(options).read_stamp() is not None:
        return
    index = options.torch_index or PYTORCH + "cpu"
    good = reachable(index)
    yield (
        good,
        f"{index} answers"
        if good
        else f"{index} does not answer: a proxy is named by HTTPS_PROXY, a mirror by --torch-index.",
    )


def surroundings(options) -> Iterator[Finding]:
    """What the environment holds that sdlora runs without."""
    if names := foreign():
        yield True, f"left out: {', '.join(names)}"
    if sysconfig.get_platform().startswith("mingw") or "MSYSTEM" in os.environ and os.name == "nt":
        yield False, "This Python is MSYS2's, for which PyTorch has no build: use the one from python.org."


def port_free(port: int) -> Iterator[Finding]:
    """The page's port."""
    try:
        check_port(port, "127.0.0.1")
        yield True, f"port {port} is free"
    except Stop as stop:
        yield False, str(stop)


LOOKS: tuple[Callable, ...] = (this_python, folder, room, installed, gpu, network, surroundings)

"""Which PyTorch: CUDA where there is an NVIDIA GPU, the default one on macOS, a CPU build elsewhere."""

import contextlib
import os
import re
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from launcher import Stop

CUDA_DISK = 10  # gigabytes
PYTORCH = "https://download.pytorch.org/whl/"


@dataclass(frozen=True)
class Build:
    """name: as stamped. tag: the wheel's local version ("cpu", "cu130"), empty for one without. index: where it is.
    disk: gigabytes that the installation needs."""

    name: str
    tag: str
    index: str
    disk: int

    @property
    def custom(self) -> bool:
        """Named by the person with --torch-index."""
        return self.name.startswith("index ")


@dataclass(frozen=True)
class Nvidia:
    """driver: major version, such as 580. newest, oldest: compute capabilities of the GPUs. None where not known."""

    driver: int | None = None
    newest: tuple[int, int] | None = None
    oldest: tuple[int, int] | None = None


def find_nvidia() -> Nvidia | None:
    """The NVIDIA driver and its GPUs; None without them."""
    system = Path(os.environ.get("WINDIR", "")) / "System32"
    places = [os.environ.get("PATH", ""), "/usr/lib/wsl/lib", str(system)]
    program = shutil.which("nvidia-smi", path=os.pathsep.join(places))
    for fields in ("driver_version,compute_cap", "driver_version"):  # an old nvidia-smi does not know compute_cap
        command = [program or "", f"--query-gpu={fields}", "--format=csv,noheader"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            if program:
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=30)
                return read_nvidia(done.stdout.decode(errors="replace"))
    gpus = Path("/proc/driver/nvidia/gpus")
    if (gpus.is_dir() and any(gpus.iterdir())) or (os.name == "nt" and (system / "nvcuda.dll").exists()):
        return Nvidia()
    return None


def read_nvidia(text: str) -> Nvidia | None:
    """nvidia-smi's table, a line per GPU such as "580.65.06, 8.6"; None if it names no GPU."""
    drivers = re.findall(r"^(\d+)\.\d+", text, re.MULTILINE)
    if not drivers:
        return None
    found = sorted((int(a), int(b)) for a, b in re.findall(r",\s*(\d+)\.(\d+)\s*$", text, re.MULTILINE))
    return Nvidia(int(drivers[0]), found[-1] if found else None, found[0] if found else None)


def choose_build(cpu: bool, torch_index: str, system: str, machine: str, nvidia: Nvidia | None) -> Build:
    """The build for this machine; Stop where there is none.

    cpu, torch_index: the options. system, machine: as ``platform`` names them.
    """
    if torch_index:
        return custom_build(torch_index)
    if system == "Darwin":
        if machine != "arm64":
            raise Stop("PyTorch has no build for Intel Macs: use an Apple-silicon Mac with a Python made for it.")
        return Build("default", "", "", 3)
    if cpu or nvidia is None:
        return Build("cpu", "cpu", PYTORCH + "cpu", 3)
    cuda = choose_cuda(nvidia)
    return Build(cuda, cuda, PYTORCH + cuda, CUDA_DISK)


def choose_cuda(nvidia: Nvidia) -> str:
    """The CUDA 13 build needs driver 580 and GPUs of capability 7.5 (RTX 20) or newer; the CUDA 12.6 build needs
    driver 525 and knows nothing newer than capability 9.0 (PyTorch's release matrix)."""
    blackwell = nvidia.newest is not None and nvidia.newest >= (10, 0)
    if nvidia.driver is not None and nvidia.driver < (580 if blackwell else 525):
        raise Stop(
            f"The NVIDIA driver ({nvidia.driver}) is too old for this GPU's PyTorch: update it to 580 or newer, "
            "or train on the CPU with --cpu."
        )
    old_gpu = nvidia.oldest is not None and nvidia.oldest < (7, 5)
    old_driver = nvidia.driver is not None and nvidia.driver < 580
    return "cu126" if (old_gpu or old_driver) and not blackwell else "cu130"


def named_build(name: str) -> Build:
    """The build that a stamp names, whatever is in the computer by now."""
    if name.startswith("index "):
        return custom_build(name.removeprefix("index "))
    if name == "default":
        return Build(name, "", "", 3)
    return Build(name, name, PYTORCH + name, 3 if name == "cpu" else CUDA_DISK)


def custom_build(torch_index: str) -> Build:
    """The build that an index of PyTorch's kind holds; its last part names it (``…/whl/rocm7.2``)."""
    tag = re.search(r"/(cpu|xpu|cu\d+|rocm[\d.]+)/?$", torch_index)
    name = tag.group(1) if tag else ""
    return Build(f"index {torch_index}", name, torch_index.rstrip("/"), 3 if name == "cpu" else 15)


def reachable(index: str) -> bool:
    """Whether a package index answers, whatever it answers."""
    try:
        urllib.request.urlopen(f"{index}/torch/", timeout=8).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError) as error:  # a certificate that only pip trusts is an answer too
        return isinstance(getattr(error, "reason", error), ssl.SSLError)
    return True


def torch_attempts(build: Build, version: str, system: str, answers: bool, no_cuda: bool) -> list[list[str]]:
    """pip's arguments to try in order until one is found. answers: whether build.index does.

    On Linux a wheel without a local version usually brings gigabytes of CUDA packages: it stands in for a CPU build
    only where there is none, and never if the person said so. Elsewhere it is a CPU build.
    """
    place = ["--extra-index-url", build.index] if build.index and answers else []
    attempts = [[*place, f"torch=={version}+{build.tag}" if build.tag else f"torch=={version}"]]
    if build.tag and not build.custom and (build.tag != "cpu" or system != "Linux" or not no_cuda):
        attempts.append([f"torch=={version}"])
    return attempts

"""pip inside .venv: what it downloads is shown in a line, what goes wrong becomes a sentence."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from launcher import ROOT, Stop, Unreachable

NETWORK = (
    "NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|Read timed out|Connection refused|ProxyError|"
    "Network is unreachable|getaddrinfo failed|Temporary failure in name resolution|Connection aborted|"
    "Connection reset|Max retries exceeded|IncompleteRead|IncompleteDownload|Connection to .* timed out"
)
WHEEL = r"([^/\s]+)\.(?:whl|tar\.gz)"


def environment(**more: str) -> dict[str, str]:
    """What the programs in .venv see: nothing of another Python's packages, no questions from pip."""
    env = dict(os.environ, PYTHONNOUSERSITE="1", PIP_NO_INPUT="1", PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    env.pop("PYTHONHOME", None)
    return {**env, **more}


class Pip:
    """``pip install`` of one virtual environment; all it says goes to its log."""

    def __init__(self, venv: Path):
        self.venv = venv
        self.python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.log = venv / "install.log"

    def install(self, arguments: list[str], title: str, may_be_missing: bool = False) -> bool:
        """True when done; False when ``may_be_missing`` and no source has the package. Stop, Unreachable otherwise."""
        print(f"  {title}", flush=True)
        code, lines = self._run(["install", *arguments])
        text = "\n".join(lines)
        if code == 0:
            return True
        if may_be_missing and is_missing(text):
            return False
        raise (Unreachable if is_unreachable(text) else Stop)(explain_failure(text, self.log))

    def _run(self, arguments: list[str]) -> tuple[int, list[str]]:
        quiet = "--quiet" in arguments  # the first call, of a pip that may be too old to know raw progress
        shown = [] if quiet else ["--progress-bar", "raw"]
        command = [
            str(self.python),
            "-m",
            "pip",
            *arguments,
            *shown,
            "--retries",
            "3",
        ]  # with none, pip hides the cause
        temporary = self.venv / "tmp"  # the system's own may be too small for PyTorch
        temporary.mkdir(exist_ok=True)
        places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
        env = environment(PYTHONIOENCODING="utf-8", **places)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, env=env)
        lines: list[str] = []
        try:
            with open(self.log, "a", encoding="utf-8") as log:
                for raw in process.stdout:
                    line = raw.decode("utf-8", "replace").rstrip()
                    show(line, lines[-1] if lines else "")
                    if not line.startswith("Progress "):
                        log.write(line + "\n")
                        lines.append(line)
            return process.wait(), lines
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
            shutil.rmtree(temporary, ignore_errors=True)


def show(line: str, before: str) -> None:
    """Big downloads: one changing line on a terminal, one line each elsewhere. before: pip's line before this one."""
    progress = re.fullmatch(r"Progress (\d+) of (\d+)", line)
    if progress and sys.stdout.isatty() and int(progress[2]) > 5e6:
        name = re.search(WHEEL, before)
        have, total = int(progress[1]) / 1e6, int(progress[2]) / 1e6
        package = "-".join(name[1].split("-")[:2]) if name else "downloading"
        text = f"    {package:<40.40} {have:6.0f} of {total:.0f} MB"
        print(f"\r{text}" if have < total else "\r" + " " * len(text) + "\r", end="", flush=True)
    elif not sys.stdout.isatty() and re.match(rf"\s*(Downloading|Using cached) \S*{WHEEL}.*\(\d{{2,}}\.\d MB\)", line):
        print(f"    {line.strip()}", flush=True)
    elif line.startswith("Installing collected packages"):
        print(f"    unpacking {line.count(',') + 1} packages", flush=True)


def is_unreachable(text: str) -> bool:
    return bool(re.search(NETWORK, text)) and "No space left" not in text


def is_missing(text: str) -> bool:
    """No source has the package; pip calls that a conflict (of one package alone) where a constraint names it too."""
    alone = r"No matching distribution found|Cannot install \S+ because these package versions have conflicting"
    return bool(re.search(alone, text)) and not is_unreachable(text)


def explain_failure(text: str, log: Path | None = None) -> str:
    """The output of pip or venv, or an OSError's text, as one sentence with the fix."""
    if re.search(r"No space left on device|not enough space on the disk|Disk quota exceeded", text):
        return "The disk is full: free some space (3 GB, with an NVIDIA GPU 10 GB) and start again."
    if re.search(r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError", text):
        return "The package index's certificate is not trusted: set PIP_CERT to your network's certificate file."
    if is_unreachable(text):
        return "The package index can't be reached: check the network (behind a proxy set HTTPS_PROXY) and start again."
    if re.search(r"Permission denied|Read-only file system|Access is denied", text):
        return f"No permission to write in {ROOT}: move the folder to a place of your own and start again."
    lines = [line for line in text.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    return f"The installation failed ({errors[-1].strip()}): see {log or 'above'}, or start with --reinstall."

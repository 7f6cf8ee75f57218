"""pip inside .venv: what it downloads is shown in a line, what goes wrong becomes a sentence."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from launcher import ROOT, Stop, Unreachable

NETWORK = (
    "NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|Read timed out|Connection refused|ProxyError|"
    "Network is unreachable|getaddrinfo failed|Temporary failure in name resolution|Connection aborted|"
    "Connection reset|SSLError|Max retries exceeded|IncompleteRead|IncompleteDownload|Connection to .* timed out"
)
WHEEL = r"([^/\s]+)\.(?:whl|tar\.gz)"


# Of another Python's, or for another purpose: what stands there would come before, or instead of, what is in .venv.
FOREIGN = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE",
    "PYTHONINSPECT", "PYTHONWARNINGS", "__PYVENV_LAUNCHER__",
)  # fmt: skip
# Of pip's own settings those that say where packages come from, how they are fetched and what is shown.
PIP_KEPT = {
    f"PIP_{name}"
    for name in (
        "INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "FIND_LINKS", "TRUSTED_HOST", "CERT", "CLIENT_CERT", "PROXY",
        "CACHE_DIR", "NO_CACHE_DIR", "TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES", "RESUME_RETRIES", "CONFIG_FILE",
        "KEYRING_PROVIDER", "USE_FEATURE", "USE_DEPRECATED", "PREFER_BINARY", "NO_COLOR", "NO_INPUT", "USER",
        "DISABLE_PIP_VERSION_CHECK", "ROOT_USER_ACTION", "BREAK_SYSTEM_PACKAGES", "REQUIRE_VIRTUALENV", "DEBUG",
    )
}  # fmt: skip
WATCHED = Path(__file__).with_name("watched.py")


def foreign() -> list[str]:
    """The names of settings in the environment that sdlora runs without."""
    odd_pip = [name for name in os.environ if name.upper().startswith("PIP_") and name.upper() not in PIP_KEPT]
    return sorted([name for name in FOREIGN if os.environ.get(name)] + odd_pip)


def tell_foreign() -> None:
    names = [name for name in foreign() if not name.startswith("__")]
    if names:
        print(f"Note: {', '.join(names)} set in the environment; sdlora runs without.", file=sys.stderr, flush=True)


def environment(**more: str) -> dict[str, str]:
    """What the programs in .venv see: nothing of another Python's packages, no questions from pip."""
    env = {name: value for name, value in os.environ.items() if name not in FOREIGN and name not in foreign()}
    env.update(PYTHONNOUSERSITE="1", PIP_NO_INPUT="1", PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    return {**env, **more}


def start_watched(python: str | Path, module: str, *arguments: str, **options) -> subprocess.Popen:
    """``python -m module`` that ends with us, killed or not; in a group of its own, so Ctrl-C is ours alone."""
    own = {"start_new_session": True}
    if os.name == "nt":
        own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    command = [str(python), "-I", "-X", "utf8", str(WATCHED), module, *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=ROOT, **pipes, **own, **options)


def end_watched(process: subprocess.Popen) -> None:
    """End it with all that it has started, if it has not ended by itself."""
    running = process.poll() is None
    process.stdin.close()
    if running:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Pip:
    """``pip install`` of one virtual environment; all it says goes to its log."""

    def __init__(self, venv: Path):
        self.venv = venv
        self.python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.log = venv / "install.log"
        self.touched = False  # has pip begun to change what is installed?

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
        # The first call is of a pip that may be too old to know raw progress.
        shown = [] if "--progress-bar" in arguments else ["--progress-bar", "raw"]
        command = [*arguments, *shown, "--retries", "3"]  # with none, pip hides the cause
        temporary = self.venv / "tmp"  # the system's own may be too small for PyTorch
        temporary.mkdir(exist_ok=True)
        places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
        process = start_watched(self.python, "pip", *command, env=environment(**places))
        lines: list[str] = []
        try:
            with open(self.log, "a", encoding="utf-8") as log:
                for raw in process.stdout:
                    line = raw.decode("utf-8", "replace").rstrip()
                    show(line, lines[-1] if lines else "")
                    self.touched |= line.startswith("Installing collected packages")
                    if not line.startswith("Progress "):
                        log.write(line + "\n")
                        lines.append(line)
            return process.wait(), lines
        finally:
            end_watched(process)
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
    if re.search(r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError", text):
        return (
            f"The certificate of the package index {indexes(text)} is not trusted: set PIP_CERT to your network's "
            "certificate file."
        )
    if is_proxys(text):
        return f"The proxy {proxy()} can't be reached: mend it or take it out, then start again."
    if is_unreachable(text):
        return (
            f"The package index {indexes(text)} can't be reached: check the address and the network (behind a proxy "
            "set HTTPS_PROXY) and start again."
        )
    untrusted = re.search(r"The repository located at (\S+) is not a trusted", text)
    if untrusted:
        return f"The package index at {untrusted[1]} is not encrypted: use its https address, or set PIP_TRUSTED_HOST."
    missing = re.search(r"No matching distribution found for (\S+)", text)
    if missing:
        return (
            f"The package index {indexes(text)} has no {missing[1]}: is that the right address? See {log or 'above'}."
        )
    if re.search(r"Permission denied|Read-only file system|Access is denied", text):
        return f"No permission to write in {ROOT}: move the folder to a place of your own and start again."
    lines = [line for line in text.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    return f"The installation failed ({errors[-1].strip()}): see {log or 'above'}, or start with --reinstall."


def indexes(text: str) -> str:
    """The addresses of the package indexes that pip's output is about; those that failed, where that can be told."""
    looked = re.search(r"^Looking in indexes: (.+)$", text, re.MULTILINE)
    known = (
        [re.sub(r"//[^/@]*@", "//", url) for url in looked[1].split(", ")] if looked else ["https://pypi.org/simple"]
    )
    failed = re.findall(r"after connection broken by .*: (/\S*)", text)
    guilty = [url for url in known if any(path.startswith(urlsplit(url).path.rstrip("/") + "/") for path in failed)]
    return " and ".join(guilty or known)


def is_proxys(text: str) -> bool:
    """Is it the proxy that did not answer? pip 26 tells only where it connected to: then the proxy's address."""
    if "ProxyError" in text:
        return True
    there = urlsplit(proxy_set()[0])
    return bool(there.hostname and f"(host='{there.hostname}', port={there.port or 80})" in text)


def proxy_set() -> tuple[str, str]:
    """(address, name of the variable) of the proxy that is set; two empty texts if none is."""
    names = ("PIP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY")
    return next(((os.environ[name], name) for name in names if os.environ.get(name)), ("", ""))


def proxy() -> str:
    """The address of the proxy that is set, without its password, and where."""
    address, name = proxy_set()
    return f"{re.sub(r'//[^/@]*@', '//', address)} ({name})" if address else "that pip is configured to use"

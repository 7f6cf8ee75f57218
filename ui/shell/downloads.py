"""Base models that are not on this computer yet: what to say of them, and `sdlora download` in the background."""

import json
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from sdlora.errors import Problem
from ui import text, translate
from ui.shell.process import child_environment

HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")


def download_command(base: str, revision: str) -> list[str]:
    return [sys.executable, "-m", "sdlora", "download", f"--revision={revision}", "--json", "--", base]


@dataclass(frozen=True)
class Download:
    """One hub id on its way. done, of: bytes. problem: why it failed, in the command's words."""

    base: str
    done: int = 0
    of: int = 0
    runs: bool = True
    failed: bool = False
    problem: str = ""

    def words(self) -> str:
        if self.failed:
            return translate.said(self.problem) if self.problem else text.DOWNLOAD_SILENT
        if not self.runs:
            return text.DOWNLOADED.format(base=self.base)
        far = text.DOWNLOAD_FAR.format(done=text.size(self.done), of=text.size(self.of)) if self.of else ""
        return text.DOWNLOADING.format(base=self.base) + far


class Downloads:
    """One download at a time, shared by all pages. What came before a server's end stays and is gone on from."""

    def __init__(self) -> None:
        self.latest: Download | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        return bool(self.latest and self.latest.runs)

    def start(self, base: str, revision: str) -> bool:
        """Download in the background; False if this is no hub id or another one is on its way."""
        with self._lock:
            if self.running or not HUB_ID.fullmatch(base):
                return False
            self.latest = Download(base)
            threading.Thread(target=self._follow, args=(base, revision), daemon=True).start()
            return True

    def _follow(self, base: str, revision: str) -> None:
        failed, problem = True, ""
        try:
            options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            child = subprocess.Popen(download_command(base, revision), env=child_environment(), **options)
            errors: list[bytes] = []
            reader = threading.Thread(target=lambda: errors.extend(child.stderr), daemon=True)
            reader.start()
            for line in child.stdout:
                self._look(line)
            reader.join()
            failed = child.wait() != 0
            problem = _last(errors) if failed else ""
        except OSError as error:  # no process to be had
            problem = str(error)
        finally:
            self.latest = replace(self.latest, runs=False, failed=failed, problem=problem)

    def _look(self, line: bytes) -> None:
        try:
            told = json.loads(line)
            self.latest = replace(self.latest, done=int(told["done"]), of=int(told["of"]))
        except (ValueError, KeyError, TypeError):
            return  # the last line, or a library's


def _last(lines: list[bytes]) -> str:
    """The sentence that the command ended with."""
    said = [line.decode("utf-8", "replace").strip() for line in lines]
    return next((line[:500] for line in reversed(said) if line and not line.startswith("Details: ")), "")


# ---- in the checks


def missing(base: str, problems: list[Problem]) -> str:
    """The hub id, if the base model is one that has to be downloaded first; else ""."""
    if not any(p.where == "model.base" for p in problems) or not HUB_ID.fullmatch(base) or _exists(base):
        return ""
    taken_down = any("taken down" in p.what for p in problems)  # then downloading is no advice
    return "" if taken_down else base


def told(base: str, problems: list[Problem]) -> list[Problem]:
    """The problems, with one in the place of those of a base model that is not here."""
    if not missing(base, problems):
        return problems
    say = Problem(text.NOT_HERE_YET.format(base=base), text.NOT_HERE_FIX, "model.base")
    return [say, *(p for p in problems if p.where != "model.base")]


def _exists(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False

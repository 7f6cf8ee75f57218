"""The page's way in: a free port, a password where it is opened to others, the browser once it answers."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from launcher import ROOT, Stop
from launcher.packages import environment


def check_port(port: int, host: str) -> None:
    """Stop unless the port is free on that address; the sentence names the next one that is."""
    for candidate in range(port, min(port + 50, 65536)):
        if is_free(candidate, host):
            if candidate == port:
                return
            raise Stop(
                f"Port {port} is in use, perhaps by sdlora itself: open http://127.0.0.1:{port} or start with "
                f"--port {candidate}."
            )
    raise Stop(f"Port {port} can't be used: choose another with --port, such as 7878.")


def is_free(port: int, host: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def read_password(listen: bool, file: str) -> str:
    """From SDLORA_PASSWORD or a file's first line; never an argument, which every user of the computer could see."""
    password = os.environ.get("SDLORA_PASSWORD", "")
    if file:
        try:
            password = (Path(file).read_text(encoding="utf-8-sig").splitlines() or [""])[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Stop(f"The password file can't be read ({error}): name another with --password-file.") from error
    if listen and len(password) < 8:
        raise Stop(
            "--listen opens the page to the network and needs a password of at least 8 characters: set "
            "SDLORA_PASSWORD, or write it into a file and name that with --password-file."
        )
    return password


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def can_show_browser() -> bool:
    """False on a machine without a screen, where a text browser would take over the terminal."""
    if os.name == "nt" or sys.platform == "darwin":
        return True
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) and not os.environ.get("SSH_CONNECTION")


def serve(python: str, port: int, listen: bool, password: str, browser: bool) -> int:
    """Runs the page until it ends or Ctrl-C; returns its exit code. The page itself says where it is."""
    command = [python, "-m", "ui.shell.app", "--port", str(port), *(["--listen"] if listen else [])]
    with child(command, ROOT, environment(**({"SDLORA_PASSWORD": password} if password else {}))) as process:
        try:
            while process.poll() is None and not answers(port):
                time.sleep(0.1)
            if process.poll() is None and browser and can_show_browser():
                webbrowser.open(f"http://127.0.0.1:{port}")
            return exit_code(process.wait())
        except KeyboardInterrupt:
            return 0


def run(command: list[str], folder: Path | None = None) -> int:
    """A program in the foreground; returns its exit code. Ctrl-C is its own affair."""
    with child(command, folder, environment()) as process:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return exit_code(process.wait())


def exit_code(code: int) -> int:
    """A shell's number for a program that a signal ended."""
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def child(command: list[str], folder: Path | None, env: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A program that ends with us: SIGTERM is handed on, and on the way out it gets ten seconds."""
    process = subprocess.Popen(command, cwd=folder, env=env)
    with contextlib.suppress(ValueError):  # outside the main thread
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        yield process
    finally:
        for stop in (lambda: None, process.terminate, process.kill):
            stop()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
                break

"""launch.py: which PyTorch, an installation that is made once and repaired, and one sentence for what goes wrong."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from launcher import Stop, page
from launcher.install import Installer
from launcher.main import main, read_options
from launching import ROOT, free_port, one_sentence

# ---------------------------------------------------------------------------------------------- the page


def test_port_in_use_names_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Stop) as stop:
            page.check_port(port, "127.0.0.1")
    assert one_sentence(str(stop.value)) and str(port) in str(stop.value)
    other = int(re.search(r"--port (\d+)", str(stop.value))[1])
    page.check_port(other, "127.0.0.1")


def test_listen_needs_a_password(monkeypatch, tmp_path):
    monkeypatch.delenv("SDLORA_PASSWORD", raising=False)
    assert page.read_password(False, "") == ""
    file = tmp_path / "password"
    for content in (b"", b"\n", b"  \n", b"short\n"):
        file.write_bytes(content)
        for name in ("", str(file)):
            with pytest.raises(Stop) as stop:
                page.read_password(True, name)
            assert one_sentence(str(stop.value)) and "short" not in str(stop.value)
    file.write_bytes(b"\xef\xbb\xbfcorrect horse\r\nsecond line")
    assert page.read_password(True, str(file)) == "correct horse"
    monkeypatch.setenv("SDLORA_PASSWORD", "battery staple")
    assert page.read_password(True, "") == "battery staple"
    with pytest.raises(Stop) as stop:
        page.read_password(True, str(tmp_path / "none"))
    assert one_sentence(str(stop.value))


def test_listen_is_refused_before_anything_is_installed(monkeypatch, capsys):
    monkeypatch.delenv("SDLORA_PASSWORD", raising=False)
    monkeypatch.setattr(Installer, "ensure", lambda *_: pytest.fail("installed"))
    assert main(["--listen"]) == 1
    assert one_sentence(capsys.readouterr().err)


FAKE_PAGE = """
import http.server, os, sys, time
print("ARGS", *sys.argv[3:], "PASSWORD", os.environ.get("SDLORA_PASSWORD"), flush=True)
time.sleep(0.3)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[4])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def fake_page(tmp_path):
    """A Python that takes ``-m ui.shell.app --port N`` and serves something else there."""
    (tmp_path / "page.py").write_text(FAKE_PAGE)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/page.py" "$@"\n')
    python.chmod(0o755)
    return str(python)


SERVE = """
import sys, webbrowser
from launcher import page
page.can_show_browser = lambda: True
webbrowser.open = lambda url: print("OPENED", url, page.answers({port}), flush=True)
sys.exit(page.serve({python!r}, {port}, {listen}, {password!r}, {browser}))
"""


def start_serving(**values) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SERVE.format(**values)], cwd=ROOT / "tools", stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip


def wait_until_answers(port: int) -> None:
    until = time.monotonic() + 60
    while not page.answers(port):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_browser_opens_once_the_page_answers(fake_page):
    port = free_port()
    process = start_serving(python=fake_page, port=port, listen=True, password="correct horse", browser=True)
    assert process.stdout.readline() == f"ARGS --port {port} --listen PASSWORD correct horse\n"
    assert process.stdout.readline() == f"OPENED http://127.0.0.1:{port} True\n"
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches both
    assert process.wait(timeout=300) == 0
    assert not page.answers(port)


def test_ending_the_launcher_ends_the_page(fake_page):
    port = free_port()
    process = start_serving(python=fake_page, port=port, listen=False, password="", browser=False)
    wait_until_answers(port)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
    assert "OPENED" not in out and "PASSWORD None" in out
    assert not page.answers(port)


# ---------------------------------------------------------------------------------------------- the command line


def test_options_end_at_the_command():
    found = read_options(["--cpu", "--port", "8000", "test", "-k", "x", "--cpu", "--port", "1"])
    assert found.cpu and found.port == 8000 and found.command == ["test", "-k", "x", "--cpu", "--port", "1"]
    assert read_options([]).command == []
    assert read_options(["--no-browser"]).no_browser


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "70000"], ["--cpu", "--torch-index", "u"], ["--x"]])
def test_wrong_options(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        read_options(arguments)
    assert end.value.code == 2 and "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, extras, command, folder",
    [
        (["test", "-k", "lora"], ["test"], ["-m", "pytest", "-k", "lora"], ROOT),
        (["test"], ["test"], ["-m", "pytest", "-n", "logical", "--dist", "loadfile"], ROOT),
        (["demo"], [], ["-m", "sdlora", "demo"], ROOT),
        (["train", "my.toml", "--adapter.rank=8"], [], ["-m", "sdlora", "train", "my.toml", "--adapter.rank=8"], None),
    ],
)  # fmt: skip
def test_commands(monkeypatch, arguments, extras, command, folder):
    asked, ran = [], []
    monkeypatch.setattr(Installer, "ensure", lambda self, extras: asked.append(extras))
    monkeypatch.setattr("launcher.main.run", lambda command, folder=None: ran.append((command, folder)) or 7)
    assert main(arguments) == 7
    assert asked == [extras]
    assert ran[0][0][1:] == command and ran[0][1] == folder


@pytest.mark.parametrize(
    "error",
    [
        Stop("A sentence."), KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        PermissionError(errno.EACCES, os.strerror(errno.EACCES), ".venv"),
    ],
)  # fmt: skip
def test_whatever_goes_wrong_is_one_sentence(monkeypatch, capsys, error):
    def fail(self, extras):
        raise error

    monkeypatch.setattr(Installer, "ensure", fail)
    assert main(["demo"]) == 1
    assert one_sentence(capsys.readouterr().err)


def test_exit_codes_pass_through():
    assert page.run([sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert page.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) == 137


def test_help_on_the_real_file():
    done = subprocess.run([sys.executable, "launch.py", "--help"], cwd=ROOT, stdout=subprocess.PIPE, timeout=300)
    assert done.returncode == 0 and b"--torch-index" in done.stdout


def test_it_works_from_elsewhere(tmp_path):
    """Found by its own place, not by the folder one is in; a copy in a folder with spaces and accents too."""
    copy = tmp_path / "my sdl\u00f6ra"
    shutil.copytree(ROOT / "tools/launcher", copy / "tools/launcher")
    shutil.copy(ROOT / "launch.py", copy)
    command = [sys.executable, str(copy / "launch.py"), "--listen"]
    env = {key: value for key, value in os.environ.items() if key not in ("SDLORA_PASSWORD", "PYTHONPATH")}
    done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, env=env, timeout=300)
    assert done.returncode == 1 and one_sentence(done.stderr.decode())

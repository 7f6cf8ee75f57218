"""The page's server: quick, closed, and honest about why it can't start."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from browser import ROOT, Server

from ui.shell.app import main


def test_the_page_never_imports_torch():
    script = (
        "import ui.shell.app, sys;"
        "heavy = {'torch', 'diffusers', 'transformers', 'accelerate', 'peft'} & set(sys.modules);"
        "print(sorted(heavy))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_listening_needs_a_password(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for password in ("", "short"):
        monkeypatch.setenv("SDLORA_PASSWORD", password)
        assert main(["--listen", "--port", "1"]) == 2
        assert "SDLORA_PASSWORD" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_one_sentence(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--runs", str(tmp_path)]) == 2
    assert f"Port {port} is in use" in capsys.readouterr().err


def test_a_runs_folder_that_is_a_file_is_one_sentence(tmp_path, capsys):
    (tmp_path / "runs").write_text("")
    assert main(["--port", "1", "--runs", str(tmp_path / "runs")]) == 2
    assert "can't be written" in capsys.readouterr().err


def fetch(server: Server, path: str) -> int:
    try:
        with urllib.request.urlopen(server.url + path, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_only_what_the_page_shows_can_be_fetched(server):
    run = server.runs / "2026-11-21_1200_x"
    run.mkdir(parents=True)
    for name in ("settings.toml", "log.txt", "events.jsonl", "x.safetensors"):
        (run / name).write_text("private")
    (server.folder / "here.txt").write_text("in the server's working folder")
    shown = server.runs / ".page" / "pictures" / "x.webp"
    shown.parent.mkdir(exist_ok=True)
    shown.write_bytes(b"RIFF")
    closed = [
        "/etc/passwd",
        str(ROOT / "sdlora" / "settings" / "sections" / "__init__.py"),
        str(Path(__file__)),
        *(str(run / name) for name in ("settings.toml", "log.txt", "events.jsonl", "x.safetensors")),
        str(server.folder / "here.txt"),
        str(server.folder / "server.txt"),
        f"{server.runs}/.page/../2026-11-21_1200_x/settings.toml",
        f"{server.runs}/.page/pictures",
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
    ]
    for path in closed:
        for prefix in ("gradio_api/file=", "file="):
            assert fetch(server, prefix + quote(path)) in (400, 403, 404), path
    assert fetch(server, "gradio_api/file=" + quote(str(shown))) == 200


def test_nothing_about_calls_is_kept_or_offered(server):
    assert fetch(server, "gradio_api/runs") == 404
    assert fetch(server, "gradio_api/mcp/") == 404
    assert fetch(server, "monitoring/summary") in (403, 404)
    with urllib.request.urlopen(server.url + "gradio_api/info", timeout=20) as answer:
        assert b'"named_endpoints":{}' in answer.read().replace(b" ", b"")


def test_it_listens_on_this_computer_only(server):
    with open("/proc/net/tcp") as table:
        rows = [line.split()[1].split(":") for line in table.readlines()[1:] if line.split()[3] == "0A"]
    assert [address for address, port in rows if int(port, 16) == server.port] == ["0100007F"]


@pytest.mark.slow
def test_with_listen_everything_needs_the_password(tmp_path, monkeypatch):
    monkeypatch.setenv("SDLORA_PASSWORD", "correct horse")
    with Server(tmp_path, options=("--listen",)) as server:
        shown = server.runs / ".page" / "x.webp"
        shown.write_bytes(b"RIFF")
        assert fetch(server, "gradio_api/file=" + quote(str(shown))) == 401
        assert fetch(server, "config") == 401
        assert fetch(server, "gradio_api/info") == 401

"""launch.py: which PyTorch, an installation that is made once and repaired, and one sentence for what goes wrong."""

import argparse
import ast
import collections
import errno
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from launcher import Stop, Unreachable, install, page
from launcher.build import Build, Nvidia, choose_build, reachable, read_nvidia, torch_attempts
from launcher.install import Installer, alone
from launcher.main import main, read_options
from launcher.packages import Pip, environment, explain_failure, is_missing, is_unreachable

ROOT = Path(__file__).resolve().parent.parent
CPU = Build("cpu", "cpu", "https://download.pytorch.org/whl/cpu", 3)


def one_sentence(text: str) -> bool:
    """A person's sentence: one line, no traceback, ends with a full stop."""
    return text.strip().count("\n") == 0 and text.strip().endswith(".") and "Traceback" not in text


# ---------------------------------------------------------------------------------------------- an old Python


def load_launch():
    spec = importlib.util.spec_from_file_location("launch", ROOT / "launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "version, bits, good",
    [
        ((3, 10, 0), 64, True), ((3, 11, 7), 64, True), ((3, 12, 1), 64, True), ((3, 13, 0), 64, True),
        ((2, 7, 18), 64, False), ((3, 6, 15), 64, False), ((3, 9, 18), 64, False), ((3, 14, 0), 64, False),
        ((3, 11, 7), 32, False),
    ],
)  # fmt: skip
def test_pythons(version, bits, good):
    sentence = load_launch().wrong_python(version, bits)
    assert (sentence == "") is good
    if not good:
        assert one_sentence(sentence) and f"{version[0]}.{version[1]}" in sentence and "launch.py" in sentence


def test_launch_parses_on_pythons_that_it_turns_away():
    source = (ROOT / "launch.py").read_bytes()
    tree = ast.parse(source, feature_version=(3, 6))
    source.decode("ascii")  # Python 2 takes nothing else without a declaration
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Starred, ast.Nonlocal)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in node.args.args)
    # What comes before the version check exists in every Python.
    before = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert [alias.name for node in before for alias in node.names] == ["os", "sys"]


# ---------------------------------------------------------------------------------------------- which PyTorch


@pytest.mark.parametrize(
    "cpu, system, machine, nvidia, expected",
    [
        (False, "Linux", "x86_64", None, "cpu"),
        (False, "Linux", "aarch64", None, "cpu"),
        (False, "Windows", "AMD64", None, "cpu"),
        (False, "Darwin", "arm64", None, "default"),
        (True, "Darwin", "arm64", None, "default"),
        (False, "Linux", "x86_64", Nvidia(580, (8, 6), (8, 6)), "cu130"),
        (False, "Windows", "AMD64", Nvidia(581, (12, 0), (12, 0)), "cu130"),
        (False, "Linux", "x86_64", Nvidia(550, (8, 9), (8, 9)), "cu126"),  # its driver has no CUDA 13
        (False, "Linux", "x86_64", Nvidia(580, (6, 1), (6, 1)), "cu126"),  # CUDA 13 has dropped Pascal
        (False, "Linux", "x86_64", Nvidia(580, (12, 0), (6, 1)), "cu130"),  # CUDA 12.6 knows no Blackwell
        (False, "Linux", "x86_64", Nvidia(), "cu130"),
        (True, "Linux", "x86_64", Nvidia(580, (8, 6), (8, 6)), "cpu"),
    ],
)
def test_choice_of_build(cpu, system, machine, nvidia, expected):
    build = choose_build(cpu, "", system, machine, nvidia)
    assert build.name == expected
    assert build.index == ("" if expected == "default" else "https://download.pytorch.org/whl/" + expected)


@pytest.mark.parametrize(
    "system, machine, nvidia, fix",
    [
        ("Linux", "x86_64", Nvidia(470, (7, 5), (7, 5)), "--cpu"),
        ("Linux", "x86_64", Nvidia(570, (12, 0), (12, 0)), "580"),
        ("Darwin", "x86_64", None, "Apple-silicon"),
    ],
)
def test_no_build_is_a_sentence(system, machine, nvidia, fix):
    with pytest.raises(Stop) as stop:
        choose_build(False, "", system, machine, nvidia)
    assert one_sentence(str(stop.value)) and fix in str(stop.value)


@pytest.mark.parametrize("tag", ["rocm7.2", "xpu", "cu132", "cpu"])
def test_named_index_gives_its_build(tag):
    build = choose_build(False, f"https://mirror.example/whl/{tag}/", "Linux", "x86_64", Nvidia(580, (8, 6), (8, 6)))
    attempts = torch_attempts(build, "2.13.0", "Linux", True, False)
    assert attempts == [["--extra-index-url", f"https://mirror.example/whl/{tag}", f"torch==2.13.0+{tag}"]]


def test_nvidia_smi_is_read():
    assert read_nvidia("580.65.06, 8.6\n580.65.06, 12.0\n") == Nvidia(580, (12, 0), (8, 6))
    assert read_nvidia("470.223.02\n") == Nvidia(470, None, None)
    assert read_nvidia("No devices were found\n") is None
    assert read_nvidia("") is None


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("system", ["Linux", "Windows", "Darwin"])
def test_no_cuda_packages_without_a_gpu(system, answers):
    """On Linux a torch without a local version means gigabytes of CUDA: no attempt may name one."""
    build = choose_build(False, "", system, "arm64" if system == "Darwin" else "x86_64", None)
    for attempt in torch_attempts(build, "2.13.0", system, answers, allow_cuda=False):
        if system == "Linux":
            assert attempt[-1] == "torch==2.13.0+cpu"
        assert not re.search(r"cu\d", " ".join(attempt))
        assert ("--extra-index-url" in attempt) <= answers


def test_attempts_fall_back_to_the_configured_index():
    assert torch_attempts(CPU, "2.13.0", "Linux", False, True) == [["torch==2.13.0+cpu"], ["torch==2.13.0"]]
    assert torch_attempts(CPU, "2.13.0", "Windows", False, False) == [["torch==2.13.0+cpu"], ["torch==2.13.0"]]
    cuda = choose_build(False, "", "Linux", "x86_64", Nvidia(580, (8, 6), (8, 6)))
    first, second = torch_attempts(cuda, "2.13.0", "Linux", True, False)
    assert first == ["--extra-index-url", cuda.index, "torch==2.13.0+cu130"] and second == ["torch==2.13.0"]


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if "torch" in self.path else 200)
        self.end_headers()

    def log_message(self, *_):
        """No lines on the terminal."""


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Answer) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http.server_address[1]
        http.shutdown()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_reachable(server):
    assert reachable(f"http://127.0.0.1:{server}")  # even where the answer is "not found"
    assert not reachable(f"http://127.0.0.1:{free_port()}")
    assert not reachable("nonsense")


# ---------------------------------------------------------------------------------------------- the installation


def options(**changed) -> argparse.Namespace:
    return argparse.Namespace(**{"cpu": False, "torch_index": "", "allow_cuda": False, "reinstall": False, **changed})


@pytest.fixture
def made(monkeypatch, tmp_path):
    """An installer whose pip and venv only write down what they were asked for: ``made.calls``."""
    calls = []

    def make_python(self):
        calls.append("venv")
        self.pip.python.parent.mkdir(parents=True)
        # A Python that runs, as version_of() asks for; the real one, so that its version is true.
        self.pip.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        self.pip.python.chmod(0o755)

    def pip_install(self, arguments, title, may_be_missing=False):
        calls.append(arguments[-1])
        fail = made.fail.get(arguments[-1])
        if isinstance(fail, BaseException):
            raise fail
        return fail is None

    monkeypatch.setattr(Installer, "make_python", make_python)
    monkeypatch.setattr(Pip, "install", pip_install)
    monkeypatch.setattr(Installer, "check_torch", lambda self, build: calls.append("import torch"))
    monkeypatch.setattr(install, "find_nvidia", lambda: made.nvidia)
    monkeypatch.setattr(install, "reachable", lambda index: True)
    monkeypatch.setattr(install.platform, "system", lambda: "Linux")
    monkeypatch.setattr(install.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(install.shutil, "disk_usage", lambda folder: usage(made.free))

    def ensure(extras=(), **changed):
        calls.clear()
        Installer(options(**changed), tmp_path / ".venv").ensure(list(extras))
        return list(calls)

    made = argparse.Namespace(
        ensure=ensure, calls=calls, fail={}, nvidia=None, free=50e9, venv=tmp_path / ".venv", folder=tmp_path
    )
    return made


def usage(free: float):
    return collections.namedtuple("usage", "total used free")(100e9, 100e9 - free, free)


WHOLE = ["venv", "setuptools", "torch==2.13.0+cpu", ".", "import torch"]


def snapshot(folder: Path) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_second_start_changes_nothing(made, capsys):
    assert made.ensure() == WHOLE
    before = snapshot(made.folder)
    capsys.readouterr()
    assert made.ensure() == []
    assert snapshot(made.folder) == before
    assert capsys.readouterr().out == ""


def test_second_start_asks_no_driver(made, monkeypatch):
    made.ensure()
    monkeypatch.setattr(install, "find_nvidia", lambda: pytest.fail("nvidia-smi can take seconds"))
    assert made.ensure() == []


@pytest.mark.parametrize("step", WHOLE[1:4])
@pytest.mark.parametrize("blow", [KeyboardInterrupt(), Unreachable("No network.")])
def test_interrupted_installation_is_repaired(made, step, blow):
    made.fail = {step: blow}
    with pytest.raises(type(blow)):
        made.ensure()
    half = made.venv / "half-unpacked"
    half.touch()
    made.fail = {}
    assert made.ensure() == WHOLE
    assert not half.exists()
    assert made.ensure() == []


def test_truncated_stamp_is_an_interrupted_installation(made):
    made.ensure()
    stamp = made.venv / "sdlora.json"
    for damage in (stamp.read_text()[:20], "", "[]", "null", "{}"):
        stamp.write_text(damage)
        assert made.ensure() == WHOLE


def test_lost_python_is_repaired(made):
    made.ensure()
    Pip(made.venv).python.unlink()
    assert made.ensure() == WHOLE


def test_test_packages_come_once_and_stay(made, monkeypatch):
    made.ensure()
    assert made.ensure(["test"]) == ["setuptools", "torch==2.13.0+cpu", ".[test]", "import torch"]
    assert made.ensure(["test"]) == [] and made.ensure() == []
    monkeypatch.setattr(install, "fingerprint", lambda: "other pins")
    assert made.ensure()[-2] == ".[test]"


def test_no_network_for_an_update_leaves_what_was_there(made):
    made.ensure()
    made.fail = {".[test]": Unreachable("No network.")}
    with pytest.raises(Unreachable):
        made.ensure(["test"])
    assert made.ensure() == []


def test_options_change_the_build(made):
    made.nvidia = Nvidia(580, (8, 6), (8, 6))
    assert "torch==2.13.0+cu130" in made.ensure()
    assert "torch==2.13.0+cpu" in made.ensure(cpu=True)
    assert made.ensure() == [] and made.ensure(cpu=True) == []  # it stays chosen
    assert "torch==2.13.0+cu130" in made.ensure(reinstall=True)
    index = "https://mirror.example/whl/rocm7.2"
    assert "torch==2.13.0+rocm7.2" in made.ensure(torch_index=index)
    assert made.ensure() == []
    assert "torch==2.13.0+rocm7.2" in made.ensure(["test"])


def test_a_foreign_venv_is_left_alone(made):
    made.venv.mkdir()
    (made.venv / "mine").touch()
    with pytest.raises(Stop) as stop:
        made.ensure()
    assert one_sentence(str(stop.value)) and (made.venv / "mine").exists()
    assert made.ensure(reinstall=True) == WHOLE


@pytest.mark.parametrize("nvidia, gigabytes", [(None, 3), (Nvidia(580, (8, 6), (8, 6)), 10)])
def test_no_disk_space(made, nvidia, gigabytes):
    made.nvidia = nvidia
    made.free = (gigabytes - 0.5) * 1e9
    with pytest.raises(Stop) as stop:
        made.ensure()
    assert one_sentence(str(stop.value)) and f"{gigabytes} GB" in str(stop.value)
    assert not made.venv.exists() and made.calls == []
    made.free = (gigabytes + 0.5) * 1e9
    assert made.ensure()[0] == "venv"


def test_only_a_cuda_build_on_offer_is_a_sentence(made):
    made.fail = {"torch==2.13.0+cpu": "missing"}
    with pytest.raises(Stop) as stop:
        made.ensure()
    assert one_sentence(str(stop.value)) and "--torch-index" in str(stop.value) and "--allow-cuda" in str(stop.value)
    assert "torch==2.13.0" not in made.calls
    assert "torch==2.13.0" in made.ensure(allow_cuda=True)


def test_two_starts_at_once(tmp_path):
    lock = tmp_path / ".venv.lock"
    with alone(lock), pytest.raises(Stop) as stop, alone(lock):
        pytest.fail("two at once")
    assert one_sentence(str(stop.value))
    with alone(lock):
        """It is free again."""


def test_every_pin_is_exact_and_covers_all_pythons():
    """Every package has exactly one version on each Python and system, so that all get the same."""
    from packaging.requirements import Requirement

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins)
    for python in ("3.10", "3.11", "3.12", "3.13"):
        for system, machine in (("linux", "x86_64"), ("win32", "AMD64"), ("darwin", "arm64")):
            where = {
                "python_version": python, "python_full_version": f"{python}.4", "sys_platform": system,
                "platform_machine": machine,
            }  # fmt: skip
            names = [pin.name for pin in pins if pin.marker is None or pin.marker.evaluate(where)]
            assert len(names) == len(set(names))
            wanted = {"torch", "diffusers", "transformers", "accelerate", "peft", "gradio", "numpy", "pip", "pytest"}
            assert wanted <= set(names), (python, system)
    assert not [pin.name for pin in pins if pin.name.startswith(("nvidia", "cuda", "triton"))]


# ---------------------------------------------------------------------------------------------- pip's words


REFUSED = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)': /simple/pip/\n"
    "ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)\n"
    "ERROR: No matching distribution found for torch==2.13.0"
)


@pytest.mark.parametrize(
    "text, words",
    [
        (REFUSED, "network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        (f"[Errno {errno.EACCES}] Permission denied: '.venv'", "No permission"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", "PIP_CERT"),
        ("Collecting a\nERROR: ResolutionImpossible\n", "ResolutionImpossible"),
        ("", "no message"),
    ],
)
def test_failures_are_sentences(text, words):
    sentence = explain_failure(text, Path("install.log"))
    assert one_sentence(sentence) and words in sentence


def test_missing_is_not_unreachable():
    assert is_unreachable(REFUSED) and not is_missing(REFUSED)
    conflict = "ERROR: Cannot install {} because these package versions have conflicting dependencies."
    for missing in (
        "ERROR: No matching distribution found for torch==2.13.0+cpu",
        conflict.format("torch==2.13.0+cpu"),
    ):
        assert is_missing(missing) and not is_unreachable(missing)
    assert not is_missing(conflict.format("torch==2.13.0+cpu and peft==0.21.2"))


def test_no_network_for_real(tmp_path):
    """This Python's own pip, pointed at a closed port."""
    venv = tmp_path / ".venv"
    bin_folder = Pip(venv).python.parent
    bin_folder.mkdir(parents=True)
    Pip(venv).python.symlink_to(sys.executable)
    before = dict(os.environ)
    closed = f"http://127.0.0.1:{free_port()}/simple"
    os.environ.update(PIP_INDEX_URL=closed, PIP_CONFIG_FILE=os.devnull, PIP_RETRIES="0", PIP_EXTRA_INDEX_URL="")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    try:
        with pytest.raises(Unreachable) as stop:
            Pip(venv).install(["--quiet", "--target", str(tmp_path / "x"), "no-such-package-of-ours"], "nothing")
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert one_sentence(str(stop.value))
    assert "no-such-package-of-ours" in (venv / "install.log").read_text()
    assert not (venv / "tmp").exists()


def test_programs_in_the_venv_see_nothing_else(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    env = environment(SDLORA_PASSWORD="x")
    assert "PYTHONHOME" not in env and env["PIP_USER"] == "0" and env["PIP_NO_INPUT"] == "1"
    assert env["SDLORA_PASSWORD"] == "x" and "SDLORA_PASSWORD" not in os.environ


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
    """A Python that takes ``-m ui.app --port N`` and serves something else there."""
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
    assert process.wait(timeout=60) == 0
    assert not page.answers(port)


def test_ending_the_launcher_ends_the_page(fake_page):
    port = free_port()
    process = start_serving(python=fake_page, port=port, listen=False, password="", browser=False)
    wait_until_answers(port)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
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
    done = subprocess.run([sys.executable, "launch.py", "--help"], cwd=ROOT, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and b"--torch-index" in done.stdout


def test_it_works_from_elsewhere(tmp_path):
    """Found by its own place, not by the folder one is in; a copy in a folder with spaces and accents too."""
    copy = tmp_path / "my sdl\u00f6ra"
    shutil.copytree(ROOT / "tools/launcher", copy / "tools/launcher")
    shutil.copy(ROOT / "launch.py", copy)
    command = [sys.executable, str(copy / "launch.py"), "--listen"]
    env = {key: value for key, value in os.environ.items() if key not in ("SDLORA_PASSWORD", "PYTHONPATH")}
    done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, env=env, timeout=60)
    assert done.returncode == 1 and one_sentence(done.stderr.decode())

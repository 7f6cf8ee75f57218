"""launch.py: which PyTorch, an installation that is made once and repaired, and one sentence for what goes wrong."""

import argparse
import ast
import collections
import contextlib
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

import psutil
import pytest
from launcher import Stop, Unreachable, install, inuse, page
from launcher.build import Build, Nvidia, choose_build, reachable, read_nvidia, torch_attempts
from launcher.install import Installer, alone
from launcher.main import main, read_options
from launcher.packages import (
    FOREIGN,
    Pip,
    end_watched,
    environment,
    explain_failure,
    foreign,
    is_missing,
    is_unreachable,
    start_watched,
    tell_foreign,
)

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
    attempts = torch_attempts(build, "2.13.0", "Linux", True, no_cuda=False)
    assert attempts == [["--extra-index-url", f"https://mirror.example/whl/{tag}", f"torch==2.13.0+{tag}"]]


def test_nvidia_smi_is_read():
    assert read_nvidia("580.65.06, 8.6\n580.65.06, 12.0\n") == Nvidia(580, (12, 0), (8, 6))
    assert read_nvidia("470.223.02\n") == Nvidia(470, None, None)
    assert read_nvidia("No devices were found\n") is None
    assert read_nvidia("") is None


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("system", ["Linux", "Windows", "Darwin"])
def test_no_cuda_packages_without_a_gpu(system, answers):
    """On Linux a torch without a local version means gigabytes of CUDA: --no-cuda lets no attempt name one."""
    build = choose_build(False, "", system, "arm64" if system == "Darwin" else "x86_64", None)
    for attempt in torch_attempts(build, "2.13.0", system, answers, no_cuda=True):
        if system == "Linux":
            assert attempt[-1] == "torch==2.13.0+cpu"
        assert not re.search(r"cu\d", " ".join(attempt))
        assert ("--extra-index-url" in attempt) <= answers


def test_attempts_fall_back_to_the_configured_index():
    assert torch_attempts(CPU, "2.13.0", "Linux", False, False) == [["torch==2.13.0+cpu"], ["torch==2.13.0"]]
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
    unset = {"cpu": False, "torch_index": "", "no_cuda": False, "allow_cuda": False, "reinstall": False}
    return argparse.Namespace(**{**unset, **changed})


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
        self.touched |= arguments[-1] in made.touching
        fail = made.fail.get(arguments[-1])
        if callable(fail):
            fail()
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
        ensure=ensure,
        calls=calls,
        fail={},
        touching=(),
        nvidia=None,
        free=50e9,
        venv=tmp_path / ".venv",
        folder=tmp_path,
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
    assert made.ensure(["test"]) == [".[test]"]  # none of those that are there is touched
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
    assert made.ensure(["test"]) == [".[test]"]
    assert "torch==2.13.0+rocm7.2" in made.ensure(torch_index=index, reinstall=True)


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


@pytest.mark.parametrize("answers", [True, False])
def test_where_only_a_cuda_build_is_on_offer_it_is_taken(made, capsys, monkeypatch, answers):
    monkeypatch.setattr(install, "reachable", lambda index: answers)
    made.fail = {"torch==2.13.0+cpu": "missing"}
    assert "torch==2.13.0" in made.ensure()
    lines = [line for line in capsys.readouterr().out.splitlines() if "GB" in line]
    assert len(lines) == 1 and "10 GB" in lines[0] and "--no-cuda" in lines[0]
    assert made.ensure() == [] and made.ensure(["test"]) == [".[test]"]  # it stays chosen, and nothing is asked again


def test_no_cuda_refuses_it_and_stays_chosen(made):
    made.fail = {"torch==2.13.0+cpu": "missing"}
    for changed in ({"no_cuda": True}, {}):  # the second start goes on with what the first was asked for
        with pytest.raises(Stop) as stop:
            made.ensure(**changed)
        assert one_sentence(str(stop.value)) and "--torch-index" in str(stop.value)
        assert "torch==2.13.0" not in made.calls
    assert "torch==2.13.0" in made.ensure(reinstall=True)


def test_the_cuda_build_needs_its_room(made):
    made.fail, made.free = {"torch==2.13.0+cpu": "missing"}, 5e9
    with pytest.raises(Stop, match="10 GB"):
        made.ensure()
    assert "torch==2.13.0" in made.ensure(allow_cuda=True)  # a mirror may have a small one under that name


# ---------------------------------------------------------------------------------------------- nothing is taken away


def in_a_process_that_dies(start) -> None:
    """Run it in a process of its own, which a step of it ends as kill -9 would: nothing is tidied up."""
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            start()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] != 0, "it did not come to that step"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("step", WHOLE[1:4])
def test_a_first_installation_that_was_killed_is_made_anew_as_it_was_wanted(made, step):
    made.nvidia = Nvidia(580, (8, 6), (8, 6))
    made.fail = {step: die}
    in_a_process_that_dies(lambda: made.ensure(cpu=True))
    (made.venv / "install.log").unlink()  # nothing of ours in it but what pip has unpacked
    made.fail = {}
    assert made.ensure() == WHOLE  # --cpu again, although there is a GPU
    assert made.ensure() == []


@pytest.mark.parametrize("step", WHOLE[1:4])
@pytest.mark.parametrize("how", ["killed", KeyboardInterrupt(), Unreachable("No network."), Stop("Broken.")])
def test_what_works_stays_until_its_replacement_works(made, step, how):
    made.ensure()
    mine = made.venv / "works"
    mine.touch()
    made.fail = {step: die if how == "killed" else how}
    if how == "killed":
        in_a_process_that_dies(lambda: made.ensure(reinstall=True))
    else:
        with pytest.raises(type(how)):
            made.ensure(reinstall=True)
    made.fail = {}
    assert made.ensure() == [] and mine.exists()
    assert made.ensure(reinstall=True) == WHOLE and not mine.exists()
    assert sorted(path.name for path in made.folder.iterdir()) == [".venv", ".venv.lock"]


def test_a_new_build_that_cannot_be_had_leaves_the_old_one(made):
    """The start that asks for more must not destroy what trains (it removed the stamp, and the next start .venv)."""
    made.ensure()
    mine = made.venv / "works"
    mine.touch()
    made.fail = {"torch==2.13.0+cpu": "missing", "torch==2.13.0+cu132": "missing", ".[test]": Stop("Broken.")}
    with pytest.raises(Stop):
        made.ensure(["test"])
    with pytest.raises(Stop):
        made.ensure(torch_index="https://mirror.example/whl/cu132")
    assert made.ensure() == [] and mine.exists()


def test_an_update_that_broke_off_while_it_changed_things_is_made_anew(made, monkeypatch):
    made.ensure()
    monkeypatch.setattr(install, "fingerprint", lambda: "other pins")
    made.fail = {".": Unreachable("No network.")}
    with pytest.raises(Unreachable):
        made.ensure()  # before anything changed
    made.touching, made.fail = (".",), {".": Stop("The disk is full.")}
    with pytest.raises(Stop):
        made.ensure()  # in the middle
    made.fail = {}
    assert made.ensure() == WHOLE and made.ensure() == []


def test_an_environment_in_use_is_not_changed(made, monkeypatch):
    """By a program that launch.py started, and by one that was started by hand."""
    made.ensure()
    code = "import sys; sys.path.insert(0, sys.argv[1]); {}; print('held', flush=True); sys.stdin.read()"
    theirs = "from pathlib import Path; from sdlora import inuse; assert inuse.hold(Path(sys.argv[2]))"
    ours = "from pathlib import Path; from launcher import inuse; h = inuse.hold(Path(sys.argv[2])); assert h"
    for held, place in ((theirs, ROOT), (ours, ROOT / "tools")):
        command = [sys.executable, "-c", code.format(held), str(place), str(made.venv)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=made.folder, **pipes) as process:
            assert process.stdout.readline() == "held\n"
            before = snapshot(made.folder)
            for changed in ({"reinstall": True}, {"torch_index": "https://mirror.example/whl/cu132"}):
                with pytest.raises(Stop) as stop:
                    made.ensure(**changed)
                assert one_sentence(str(stop.value)) and "running from" in str(stop.value) and made.calls == []
            assert {p: t for p, t in snapshot(made.folder).items() if p.suffix != ".lock"} == {
                p: t for p, t in before.items() if p.suffix != ".lock"
            }
            with monkeypatch.context() as patch:
                patch.setattr(install, "fingerprint", lambda: "other pins")
                with pytest.raises(Stop):
                    made.ensure()
            extra = "test" if held is theirs else "tools"
            assert made.ensure([extra])[-1].startswith(".[")  # more beside it is no harm
            process.stdin.close()
    assert made.ensure(reinstall=True)[0] == "venv"


def test_other_environments_are_not_locked(tmp_path):
    from sdlora import inuse as theirs

    assert not theirs.hold(tmp_path) and list(tmp_path.iterdir()) == []


def test_windows_locks_a_byte_for_each_process(tmp_path, monkeypatch):
    """Simulated: msvcrt.locking refuses a range of which another has a byte."""
    taken: dict[int, int] = {}
    fake = argparse.Namespace(LK_NBLCK=2, position=0)

    class File:
        def seek(self, position):
            fake.position = position

        def fileno(self):
            return 3

    def locking(number, mode, count):
        wanted = set(range(fake.position, fake.position + count))
        if wanted & set(taken):
            raise PermissionError(errno.EACCES, "locked")
        taken.update(dict.fromkeys(wanted, number))

    fake.locking = locking
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    monkeypatch.setattr(inuse.os, "name", "nt")
    assert inuse.lock_share(File()) and inuse.lock_share(File()) and len(taken) == 2
    assert not inuse.lock_whole(File())
    taken.clear()
    assert inuse.lock_whole(File())


def test_a_killed_start_leaves_no_pip_behind(tmp_path):
    """kill -9 of the launcher ends what it started and what that started; a file that they write stops growing."""
    file = tmp_path / "written"
    grandchild = f"import time\nwhile True:\n open({str(file)!r}, 'a').write('x')\n time.sleep(0.02)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    start = (
        "import sys; from launcher.packages import start_watched, environment;"
        f"p = start_watched(sys.executable, 'timeit', '-n1', '-r1', {child!r}, env=environment());"
        "print(p.pid, flush=True); p.wait()"
    )
    command = [sys.executable, "-c", start]
    with subprocess.Popen(command, cwd=ROOT / "tools", stdout=subprocess.PIPE, text=True) as launcher:
        pid = int(launcher.stdout.readline())
        wait_until(lambda: file.exists() and file.stat().st_size > 3)
        launcher.kill()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    size = -1
    while size != file.stat().st_size:  # the last ones may still be on their way
        size = file.stat().st_size
        time.sleep(0.3)


def test_windows_ends_the_tree(monkeypatch):
    from launcher import watched

    ran, ended = [], []
    monkeypatch.setattr(watched.os, "name", "nt")
    monkeypatch.setattr(watched.subprocess, "run", lambda command, **_: ran.append(command))
    monkeypatch.setattr(watched.os, "_exit", ended.append)
    watched.end()
    assert ran == [["taskkill", "/F", "/T", "/PID", str(os.getpid())]] and ended == [1]


def wait_until(true, patience: float = 60) -> None:
    until = time.monotonic() + patience
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_ctrl_c_ends_pip(tmp_path):
    process = start_watched(sys.executable, "timeit", "-n1", "-r1", "import time; time.sleep(600)", env=environment())
    end_watched(process)
    assert process.poll() is not None


def test_two_starts_at_once(tmp_path):
    lock = tmp_path / ".venv.lock"
    with alone(lock), pytest.raises(Stop) as stop, alone(lock, patience=0.2):
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


@pytest.fixture
def pip(tmp_path, monkeypatch) -> Pip:
    """This Python's own pip, with nothing of the environment that would lead it somewhere."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    made = Pip(tmp_path / ".venv")
    made.python.parent.mkdir(parents=True)
    made.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    made.python.chmod(0o755)
    return made


def failure(pip: Pip) -> str:
    with pytest.raises(Stop) as stop:
        pip.install(["--progress-bar", "off", "--target", str(pip.venv / "x"), "no-such-package-of-ours"], "nothing")
    assert one_sentence(str(stop.value)) and "no-such-package-of-ours" in pip.log.read_text()
    assert not (pip.venv / "tmp").exists()
    return str(stop.value)


def test_an_index_that_does_not_answer_is_named(pip, monkeypatch):
    port = free_port()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@127.0.0.1:{port}/simple")
    sentence = failure(pip)
    assert f"http://127.0.0.1:{port}/simple" in sentence and "can't be reached" in sentence
    assert "secret" not in sentence and "me:" not in sentence


def test_an_index_that_is_none_is_named(pip, monkeypatch, server):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server}/torch/simple")  # answers "not found" to all
    sentence = failure(pip)
    assert f"http://127.0.0.1:{server}/torch/simple" in sentence and "right address" in sentence


def test_a_proxy_that_does_not_answer_is_named(pip, monkeypatch):
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{port}")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    sentence = failure(pip)
    assert f"proxy http://127.0.0.1:{port} (HTTPS_PROXY)" in sentence and "secret" not in sentence


@pytest.mark.parametrize(
    "told",
    [
        "ProxyError('Cannot connect to proxy.', NewConnectionError('refused'))",  # pip 23 to 25
        "NewConnectionError(\"HTTPSConnection(host='gate.example', port=3128): Failed to establish\")",  # pip 26
    ],
)
def test_a_dead_proxy_is_named_whatever_pip_says(told, monkeypatch):
    monkeypatch.setenv("PIP_PROXY", "http://me:secret@gate.example:3128")
    text = f"Looking in indexes: https://a.example/simple\nWARNING: after connection broken by {told}: /simple/torch/\n"
    assert "proxy http://gate.example:3128 (PIP_PROXY)" in explain_failure(text)
    elsewhere = text.replace("gate.example", "a.example").replace("ProxyError", "NewConnectionError")
    assert "index https://a.example/simple can't be reached" in explain_failure(elsewhere)


def test_of_two_indexes_the_one_that_failed_is_named():
    text = (
        "Looking in indexes: https://a.example/simple, https://b.example/whl/cpu\n"
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError()': /whl/cpu/torch/\n"
        "ERROR: No matching distribution found for torch==2.13.0"
    )
    assert "https://b.example/whl/cpu" in explain_failure(text) and "a.example" not in explain_failure(text)


def test_programs_in_the_venv_see_nothing_else(monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("PIP_") or name in FOREIGN]:
        monkeypatch.delenv(name)
    assert foreign() == []
    kept = {"PIP_INDEX_URL": "https://mirror.example", "PIP_CERT": "/my.pem", "PYTHONUTF8": "1"}
    gone = {
        "PYTHONPATH": "/elsewhere",
        "PYTHONHOME": "/elsewhere",
        "PIP_TARGET": "/x",
        "PIP_CONSTRAINT": "/x",
        "PIP_PRE": "1",
    }
    for name, value in {**kept, **gone, "PIP_USER": "1"}.items():
        monkeypatch.setenv(name, value)
    env = environment(SDLORA_PASSWORD="x")
    assert not set(env) & set(gone) and kept.items() <= env.items()
    assert env["PIP_USER"] == "0" and env["PIP_NO_INPUT"] == "1"
    assert env["SDLORA_PASSWORD"] == "x" and "SDLORA_PASSWORD" not in os.environ
    tell_foreign()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and all(name in said for name in gone) and "PIP_CERT" not in said


def test_a_foreign_numpy_breaks_nothing(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('a foreign numpy')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = "import numpy, sys; sys.exit(0 if hasattr(numpy, 'array') else 1)"
    assert page.run([sys.executable, "-c", code]) == 0


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

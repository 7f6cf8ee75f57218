"""The installation: what a start does, repairs, refuses."""

import argparse
import errno
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest
from launcher import Stop, Unreachable, install, inuse, spare
from launcher.build import Nvidia
from launcher.install import alone
from launcher.packages import (
    Pip,
    end_watched,
    environment,
    start_watched,
)
from launching import ROOT, WHOLE, one_sentence


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


def wheel(folder: Path, version: str) -> Path:
    """A package of one module, with a program."""
    name = f"kept-{version}.dist-info"
    files = {
        "kept.py": f"VERSION = '{version}'\ndef main(): print(VERSION)\n",
        f"{name}/METADATA": f"Metadata-Version: 2.1\nName: kept\nVersion: {version}\n",
        f"{name}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}/entry_points.txt": "[console_scripts]\nkept = kept:main\n",
        f"{name}/RECORD": "",
    }
    file = folder / f"kept-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as out:
        for path, text in files.items():
            out.writestr(path, text)
    return file


def test_pip_changes_nothing_in_a_spare_of_hard_links(tmp_path):
    """With the real pip: an upgrade, a repair in place and a removal leave every byte of the spare as it was."""
    venv, old = tmp_path / "venv", tmp_path / "old"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv), "--isolated"]

    def run(*arguments):
        subprocess.run([*pip, *arguments], check=True, stdout=subprocess.DEVNULL)

    run("install", "--no-index", "--no-deps", str(wheel(tmp_path, "1.0")))
    assert spare.make_spare(venv, old, ("pyvenv.cfg",), 1)
    kept = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    assert any(path.name == "kept" for path in kept) and any(path.suffix == ".pyc" for path in kept)
    assert next(path for path in kept if path.name == "kept.py").stat().st_nlink > 1
    run("install", "--no-index", "--no-deps", str(wheel(tmp_path, "2.0")))
    run("install", "--no-index", "--no-deps", "--force-reinstall", str(tmp_path / "kept-2.0-py3-none-any.whl"))
    assert "2.0" in next(venv.rglob("kept.py")).read_text()
    run("uninstall", "--yes", "kept")
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == kept


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


def test_other_environments_are_not_locked(tmp_path, monkeypatch):
    from sdlora import inuse as theirs

    monkeypatch.setattr(theirs, "_held", [tmp_path])  # this process may well run from one that launch.py made
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

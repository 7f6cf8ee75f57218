"""What the GPU's driver says, from stand-ins for its program that print what it prints, fail, hang or talk nonsense."""

import os
import sys
import time

import psutil
import pytest

from ui.shell import machine
from ui.shell.machine import Gpu, Meter, gpus_of
from ui.tabs.runs import html_keeping

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stand-ins are scripts")

ONE = "NVIDIA GeForce RTX 4090, 1234, 24564, 71.50, 450.00, 37, 41"
TWO = f"{ONE}\nTesla T4, 15, 15360, [N/A], [Not Supported], 0, 33"


def stand_in(folder, body):
    path = folder / "nvidia-smi"
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_every_gpu_is_read_and_what_is_not_said_is_none(tmp_path):
    check = "assert sys.argv[1].startswith('--query-gpu=name,memory.used') and 'nounits' in sys.argv[2]"
    one, two = gpus_of(stand_in(tmp_path, f"{check}\nprint({TWO!r})"))
    assert one == Gpu("NVIDIA GeForce RTX 4090", 1234 << 20, 24564 << 20, 71.5, 450.0, 37.0, 41.0)
    assert two == Gpu("Tesla T4", 15 << 20, 15360 << 20, None, None, 0.0, 33.0)


@pytest.mark.parametrize(
    "body",
    ["sys.exit(9)", "print('NVIDIA-SMI has failed because it could not communicate with the driver.')", "print('')",
     "sys.stdout.buffer.write(b'\\xff' * 100)", "print('a, b')", "time.sleep(60)"],
)  # fmt: skip
def test_a_program_that_fails_says_nothing_and_takes_little_time(tmp_path, body):
    begin = time.monotonic()
    assert gpus_of(stand_in(tmp_path, body), patience=1) == ()
    assert time.monotonic() - begin < 4
    assert gpus_of(str(tmp_path / "none")) == ()


def test_nobody_waits_for_a_reading(tmp_path, monkeypatch):
    meter = Meter(stand_in(tmp_path, f"time.sleep(0.5); print({ONE!r})"))
    begin = time.monotonic()
    first = meter.look()
    assert time.monotonic() - begin < 0.3 and first.gpus == ()
    assert first.total == psutil.virtual_memory().total and 0 < first.free <= first.total
    while not meter.look().gpus:
        assert time.monotonic() - begin < 30
        time.sleep(0.05)
    assert meter.look().gpus[0].watts == 71.5


def test_the_line_says_what_is_known_and_no_more():
    said = html_keeping.machine_lines(
        machine.Machine((Gpu("<b>GPU", 3 << 30, 24 << 30, 71.5, 450.0, 37.0, 41.0), Gpu("Bare")), 5 << 30, 16 << 30)
    )
    for part in ("&lt;b&gt;GPU", "3.2 GB", "26 GB", "72 W", "37 %", "41 °C", "Bare", "5.4 GB", "17 GB"):
        assert part in said
    assert "None" not in said and "<b>GPU" not in said
    assert html_keeping.machine_lines(machine.Machine((), 1 << 30, 2 << 30)).count("<p") == 1

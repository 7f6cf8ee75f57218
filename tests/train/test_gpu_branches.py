"""What only a GPU reaches, with stand-ins for it; docs/gpu.md lists it all, with what stays unseen."""

import re
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from said import saying

from sdlora.errors import UserError
from sdlora.families.shared import device
from sdlora.lorafiles import verify
from sdlora.settings import make_settings
from sdlora.train import loop, probe
from sdlora.train import trainee as setup
from sdlora.train.processes import trains_on_cpu

ROOT = Path(__file__).resolve().parents[2]
BRANCH = re.compile(r"\"(cuda|mps|xpu)\"|torch\.(cuda|xpu)\b|backends\.mps|\bscaler\b(?!\[)")


@pytest.fixture
def gpu(monkeypatch):
    """gpu("cuda"): PyTorch answers as if there were one, with 24 GB of which 20 are free and 3 were in use."""

    def there(kind, bf16=False):
        memory = {"mem_get_info": lambda: (20 * 10**9, 24 * 10**9), "max_memory_allocated": lambda: 3 * 10**9}
        for name in ("cuda", "xpu"):
            monkeypatch.setattr(getattr(torch, name), "is_available", lambda name=name: name == kind)
            for function, answer in memory.items():
                monkeypatch.setattr(getattr(torch, name), function, answer, raising=False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "mps")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)

    return there


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu", "none"])
def test_the_device_that_there_is_is_found(gpu, kind):
    gpu(kind)
    assert [k for k in ("cuda", "mps", "xpu") if device.present(k)] == [kind] * (kind != "none")
    assert device.choose_device() == (kind if kind != "none" else "cpu")
    assert trains_on_cpu("auto") == (kind == "none") and trains_on_cpu("cpu")


AUTO = [
    ("cuda", True, "bf16"),
    ("cuda", False, "fp16"),
    ("mps", False, "no"),
    ("xpu", False, "fp16"),
    ("none", False, "no"),
]


@pytest.mark.parametrize(("kind", "bf16", "auto"), AUTO)
def test_auto_is_the_precision_of_the_device(gpu, monkeypatch, kind, bf16, auto):
    gpu(kind, bf16)
    asked = {}
    monkeypatch.setattr(setup, "Accelerator", lambda **options: asked.update(options) or SimpleNamespace(**options))
    setup.make_accelerator("auto", "auto")
    assert (asked["mixed_precision"], asked["cpu"]) == (auto, kind == "none")
    setup.make_accelerator("cpu", "fp32")
    assert (asked["mixed_precision"], asked["cpu"]) == ("no", True)


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_a_device_that_is_not_there_is_named(gpu, kind):
    gpu("none")
    with pytest.raises(UserError, match=saying("training.device_missing", given=kind)):
        setup.make_accelerator(kind, "auto")


@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_memory_is_the_gpus(gpu, kind):
    gpu(kind)
    assert device.used_memory(kind) == 3 * 10**9 and device.free_memory(kind) == 20 * 10**9
    assert device.used_memory("mps") is device.free_memory("cpu") is None
    job = SimpleNamespace(device=torch.device(kind))
    assert loop.memory(job) == 3 * 10**9
    job.device = torch.device("cpu")
    assert loop.memory(job) == pytest.approx(psutil.Process().memory_info().rss, rel=0.5)


def test_a_measurement_tells_the_gpus_memory(gpu, make_run, monkeypatch):
    gpu("cuda")
    run, settings = make_run()
    monkeypatch.setattr(probe, "used_memory", lambda kind: device.used_memory("cuda"))
    monkeypatch.setattr(probe, "free_memory", lambda kind: device.free_memory("cuda"))
    measured = probe.probe(settings, 1)
    assert (measured.peak_bytes, measured.free_bytes) == (3 * 10**9, 20 * 10**9) and probe.memory_problem(
        measured
    ) is None


def test_a_gpus_float32_may_round_as_tf32():
    def unit(kind, dtype):
        weight = SimpleNamespace(dtype=dtype, device=torch.device(kind))
        return verify._unit(SimpleNamespace(parameters=lambda: iter([weight])))

    assert unit("cpu", torch.float32) == 2**-24 and unit("cuda", torch.float32) == 2**-11
    assert unit("cpu", torch.bfloat16) == unit("cuda", torch.bfloat16) > 2**-11


def test_step_counts_stay_where_the_optimizer_keeps_them(make_run, monkeypatch):
    """accelerate moves an optimizer's state when it prepares it; there must be none yet."""
    run, settings = make_run(**{"train.steps": 2, "adapter.text_encoder": False})
    settings.sample.prompts = []
    list(loop.training(settings, run))
    seen = []
    original = setup.Accelerator.prepare_optimizer

    def prepare(accelerator, optimizer):
        seen.append(len(optimizer.state))
        return original(accelerator, optimizer)

    monkeypatch.setattr(setup.Accelerator, "prepare_optimizer", prepare)
    list(loop.training(settings, run))
    assert seen == [0]


def test_the_list_of_these_branches_is_whole():
    listed = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "sdlora").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if ROOT / "sdlora" / "settings" not in path.parents and BRANCH.search(source):
            assert f"`{path.relative_to(ROOT).as_posix()}`" in listed, path
    for path in re.findall(r"`(sdlora/\S+\.py)`", listed):
        assert BRANCH.search((ROOT / path).read_text(encoding="utf-8")), path
    for path, test in re.findall(r"`(tests/\S+\.py)::(\w+)`", listed):
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test
    assert make_settings({}).train.device == "auto"

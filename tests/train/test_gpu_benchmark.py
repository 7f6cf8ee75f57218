"""The one command for a GPU: rehearsed on the CPU, and what is kept of it when its time is over."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from base_models import make_base

from sdlora.errors import UserError

SPEED = Path(__file__).parents[2] / "benchmarks/speed"
sys.path.insert(0, str(SPEED))

import gpu  # noqa: E402
import gpu_parts  # noqa: E402

NEVER = float("inf")


def fake(code):
    """A part's process that only runs this code, with the file of rows as ``rows``."""
    start = "import json, sys, time\nrows = open(sys.argv[1], 'a', buffering=1)\n"
    return lambda names, path: [sys.executable, "-c", start + code[names[0]], str(path)]


def run(tmp_path, code, ready=lambda names, seconds: True, until=NEVER):
    kept = []
    groups = [(name,) for name in code]
    gpu.run_parts(groups, fake(code), tmp_path / "rows", kept.append, until, ready)
    return kept


def test_what_a_part_has_found_is_kept_when_its_time_is_over(tmp_path, monkeypatch):
    monkeypatch.setitem(gpu.PARTS, "resume", (1.0, False))
    code = {
        "machine": "print(json.dumps({'part': 'machine', 'card': 'x'}), file=rows)\n"
        "print(json.dumps({'part': 'machine', 'done': True}), file=rows)",
        "resume": "print(json.dumps({'part': 'resume', 'a': 1}), file=rows); rows.write('{\"part\"'); time.sleep(600)",
    }
    began = time.monotonic()
    first, last = run(tmp_path, code)
    assert time.monotonic() - began < 60
    assert first["parts"] == {"machine": {"ended": "done", "rows": [{"card": "x"}]}} and not first["faults"]
    assert last["parts"]["resume"] == {"ended": "not through after 1 s", "rows": [{"a": 1}]}
    assert last["faults"] == ["resume: not through after 1 s"]


def test_a_part_that_fails_is_told_and_the_next_goes_on(tmp_path):
    code = {"speed": "sys.exit('no card')", "memory": "print(json.dumps({'part': 'memory', 'ok': False}), file=rows)"}
    last = run(tmp_path, code)[-1]
    assert last["parts"]["speed"]["ended"] == "exit status 1: no card\n"
    assert [fault.split(":")[0] for fault in last["faults"]] == ["speed", "memory"]


def test_nothing_is_begun_without_time_or_base_models(tmp_path):
    code = {"speed": "sys.exit(3)"}
    assert run(tmp_path, code, until=time.monotonic())[-1]["parts"]["speed"]["ended"] == "no time was left"
    ended = run(tmp_path, code, ready=lambda names, seconds: False)[-1]["parts"]["speed"]["ended"]
    assert ended == "its base models were not made"


def test_the_parts_fit_into_nine_minutes():
    assert sum(seconds for seconds, _ in gpu.PARTS.values()) < 570
    assert all(callable(getattr(gpu_parts, name)) for name in gpu.PARTS)


@pytest.mark.parametrize("least", [4, 8])
def test_a_preset_fits_under_the_cap_it_is_named_after_or_says_so(monkeypatch, tmp_path, least):
    asked = []

    def under(place, cap, values, family):
        asked.append(cap)
        return {"fits": cap >= least, **({} if cap >= least else {"says": "no memory"})}

    monkeypatch.setattr(gpu_parts, "under", under)
    rows = list(gpu_parts.memory(gpu_parts.Place("cpu", False, tmp_path, tmp_path)))
    bad = {row["preset"] for row in rows if row.get("ok") is False}
    assert bad == ({"SD 1.5 character, 6 GB", "SD 1.5 style, 6 GB"} if least == 8 else set())
    assert {row["preset"] for row in rows} == {path.stem for path in gpu_parts.PRESETS.glob("*.toml")}
    assert 12 not in asked  # what fits into less fits into more


def test_a_preset_that_does_not_fit_says_what_to_do(monkeypatch, tmp_path):
    from sdlora.train import probe

    told = [UserError("Too little."), torch.OutOfMemoryError("CUDA out of memory."), ValueError("odd")]
    monkeypatch.setattr(gpu_parts, "resolved", lambda values: SimpleNamespace(data=SimpleNamespace(cache=tmp_path)))
    place, found = gpu_parts.Place("cpu", True, tmp_path, tmp_path), []
    for error in told:
        monkeypatch.setattr(probe, "probe", lambda *_, error=error: (_ for _ in ()).throw(error))
        found.append(gpu_parts.under(place, 4, {}, "tiny"))
    assert all(not row["fits"] for row in found) and "Too little." in found[0]["says"]
    assert found[1]["says"] and "CUDA" not in found[1]["says"] and found[2]["error"] == "ValueError('odd')"


@pytest.mark.slow
def test_everything_is_rehearsed_on_the_cpu(tmp_path):
    """The same command as for a GPU, on a base of a few hundred kilobytes: every part, every row in order."""
    make_base(tmp_path / "bases/sd15")
    call = [sys.executable, str(SPEED / "gpu.py"), str(tmp_path / "out.json"), "--device", "cpu", "--small"]
    done = subprocess.run([*call, "--bases", str(tmp_path / "bases")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert list(found["parts"]) == list(gpu.PARTS) and not found["faults"]
    rows = {name: part["rows"] for name, part in found["parts"].items()}
    assert rows["machine"][0]["torch"] == torch.__version__.split("+")[0] or "+" in rows["machine"][0]["torch"]
    left_out = [row for part in rows.values() for row in part if "left_out" in row]
    assert [row.get("precision") or row["way"] for row in left_out] == ["fp16", "graph"]
    assert rows["resume"][0]["resumed_differs_by"] == 0
    assert [row["way"] for row in rows["graphs"]] == ["eager", "graph", "blocks compiled"]
    assert all(row["images_per_s"] > 0 for row in rows["speed"]) and rows["prediction"][0]["said_s"] > 0
    assert all(row["fits"] for row in rows["memory"])

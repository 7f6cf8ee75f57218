"""The precision of a run on a CPU: what is made of measured figures, what is kept, and that a run goes on with it."""

import json
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from sdlora.adapters.packed import Packed, packed_bytes
from sdlora.errors import UserError
from sdlora.events import Saved, Started, StepDone, Warned
from sdlora.families.base import inspect_base
from sdlora.messages import say
from sdlora.pictures.model import source_of
from sdlora.runs.arithmetic import FILE, Arithmetic, record_arithmetic, recorded_arithmetic
from sdlora.train import fastest as room
from sdlora.train import prepare, probe, trainee
from sdlora.train.loop import training

FP32_SLOW = {"fp32": 1.0, "fp32+packed": 0.7, "bf16": 0.6, "bf16+packed": 0.3}
BF16_SLOW = {"fp32": 1.0, "fp32+packed": 0.7, "bf16": 3.0, "bf16+packed": 2.0}
LAYING = {"fp32": 4.0, "bf16": 2.0}
# seconds, steps of the run, precisions whose packed copies fit -> precision, packed
FIGURES = {
    "bf16 units": (FP32_SLOW, 1000, "fp32 bf16", "bf16", True),
    "no bf16 units": (BF16_SLOW, 1000, "fp32 bf16", "fp32", True),
    "a short run": (FP32_SLOW, 10, "fp32 bf16", "bf16", False),
    "no memory": (FP32_SLOW, 1000, "", "bf16", False),
    "memory for bf16 alone": (BF16_SLOW | {"bf16+packed": 0.5}, 1000, "bf16", "bf16", True),
    "faster by chance": ({"fp32": 1.0, "fp32+packed": 0.95, "bf16": 0.92, "bf16+packed": 0.91}, 1000, "fp32 bf16",
                         "fp32", False),
    "packing makes the difference": ({"fp32": 1.0, "fp32+packed": 0.9, "bf16": 1.5, "bf16+packed": 0.5}, 1000,
                                     "fp32 bf16", "bf16", True),
    "no bf16 at all": ({"fp32": 1.0}, 1000, "fp32 bf16", "fp32", False),
    "bf16 wished": ({"bf16": 3.0, "bf16+packed": 2.0}, 1000, "fp32 bf16", "bf16", True),
}  # fmt: skip


@pytest.mark.parametrize(("seconds", "steps", "fits", "precision", "packed"), FIGURES.values(), ids=FIGURES)
def test_the_faster_is_chosen_by_a_margin(seconds, steps, fits, precision, packed):
    chosen = room.choose(seconds, LAYING, steps, lambda p: p in fits.split())
    assert (chosen.precision, chosen.packed, chosen.seconds) == (precision, packed, seconds)
    assert chosen.processor and chosen.threads == torch.get_num_threads()


def test_what_is_wished_is_never_overridden_and_small_models_keep_fp32(base_folder, monkeypatch):
    base, asked = inspect_base(str(base_folder)), []

    def measure(base, precisions, side, batch):
        asked.append((precisions, side, batch))
        return room.Figures({way: s for way, s in FP32_SLOW.items() if way.split("+")[0] in precisions}, LAYING)

    assert room.fastest(base, "auto", 64, 1, 1000, measure) == Arithmetic("fp32") and not asked
    monkeypatch.setattr(room, "LEAST", 0)
    assert room.fastest(base, "auto", 64, 99, 1000, measure).way == "bf16+packed"
    assert room.fastest(base, "fp32", 10**6, 1, 1000, measure).way == "fp32+packed"
    assert room.fastest(base, "fp16", 64, 1, 1000, measure) == Arithmetic("fp16")
    assert asked == [(("fp32", "bf16"), 64 // base.factor, room.BATCH), (("fp32",), room.SIDE, 1)]
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: SimpleNamespace(available=room.SPARE + 1000))
    assert room.fastest(base, "auto", 64, 1, 1000, measure).way == "bf16"


def test_a_piece_of_the_base_is_measured(base_folder):
    base = inspect_base(str(base_folder))
    seconds, laying, earlier = room.measured(base, ("fp32", "bf16"), 4, 2)
    assert not earlier
    assert {"fp32", "bf16"} <= set(seconds) and min(seconds.values()) > 0
    assert set(laying) == {way.split("+")[0] for way in seconds if "packed" in way}


def test_a_record_is_read_back_and_a_damaged_one_is_told(tmp_path):
    made = Arithmetic("bf16", True, FP32_SLOW, "a processor", 2)
    assert recorded_arithmetic(tmp_path) is None
    record_arithmetic(tmp_path, made)
    assert recorded_arithmetic(tmp_path) == made
    assert made.described == say("training.arithmetic_packed", precision="bf16", of="fp32", times="3.3")
    assert Arithmetic("fp32", False, {"fp32": 1.0, "bf16": 1.01}).described == say(
        "training.arithmetic_plain", precision="fp32"
    )
    text = (tmp_path / FILE).read_text()
    for damaged in (text[:40], text.replace("bf16", "fp32"), json.dumps({"precision": "x"}), "[]"):
        (tmp_path / FILE).write_text(damaged)
        with pytest.raises(UserError) as told:
            recorded_arithmetic(tmp_path)
        assert str(told.value.problems[0].what) == say("runs.arithmetic_damaged", path=tmp_path / FILE)


def chooses(monkeypatch, arithmetic):
    """The measurement says that; returns the list of what it was asked."""
    asked = []
    monkeypatch.setattr(trainee, "fastest", lambda *args: asked.append(args[1:]) or arithmetic)
    return asked


def test_a_run_keeps_what_it_began_with(make_run, monkeypatch):
    run, settings = make_run()
    asked, base = chooses(monkeypatch, Arithmetic("bf16", False, FP32_SLOW, "p", 1)), trainee.base_of(settings)
    settings.train.precision, settings.train.device = "auto", "cpu"
    assert trainee.arithmetic_of(settings, run, base).precision == "bf16" and len(asked) == 1
    chooses(monkeypatch, Arithmetic("fp32", False, FP32_SLOW, "p", 1))
    assert trainee.arithmetic_of(settings, run, base).precision == "bf16"
    settings.train.precision = "fp32"  # somebody has edited the settings since
    assert trainee.arithmetic_of(settings, run, base).precision == "fp32"
    other, settings = make_run()
    other.write(Started(0, 4, 1, 1, 1, 1, "cpu"))  # by a version that measured nothing
    settings.train.precision = "auto"
    asked = chooses(monkeypatch, Arithmetic("bf16", True, FP32_SLOW, "p", 1))
    assert trainee.arithmetic_of(settings, other, base) == Arithmetic("fp32") and not asked


def test_a_probe_tells_the_precision(make_run, monkeypatch):
    run, settings = make_run()
    settings.train.precision = "auto"
    chooses(monkeypatch, Arithmetic("bf16", False, FP32_SLOW, "p", 1))
    measured = probe.probe(settings, 1)
    assert measured.precision == "bf16" and measured.arithmetic == say(
        "training.arithmetic_faster", precision="bf16", of="fp32", times="1.7"
    )


def weights_of(run):
    return load_file(next(run.folder.glob("checkpoints/000004/lora.safetensors")))


@pytest.mark.slow
def test_a_packed_run_resumes_bit_for_bit(make_run, monkeypatch):
    """In spite of another measurement; and its pictures are drawn in its precision."""
    packings = []

    def pack(model):
        packings.append(Packed(model, 1))
        return packings[-1]

    monkeypatch.setattr(prepare, "Packed", pack)
    overrides = {"train.steps": 4, "train.precision": "auto", "save.every": 2, "adapter.text_encoder": False}
    chooses(monkeypatch, Arithmetic("bf16", True, FP32_SLOW, "p", 1))
    straight, settings = make_run(**overrides)
    events = list(training(settings, straight))
    assert next(e for e in events if isinstance(e, Started)).arithmetic == Arithmetic("bf16", True, FP32_SLOW).described
    assert not [e for e in events if isinstance(e, Warned)]
    assert sum(c._ahead is not None for c in packings[0].convolutions) > 10
    stopped, settings = make_run(**overrides)
    steps = training(settings, stopped)
    for event in steps:
        if isinstance(event, Saved):
            break
        stopped.write(event)
    steps.close()
    chooses(monkeypatch, Arithmetic("fp32", False, BF16_SLOW, "p", 1))
    assert [e.step for e in training(settings, stopped) if isinstance(e, StepDone)] == [3, 4]
    one, other = weights_of(straight), weights_of(stopped)
    assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
    assert source_of(stopped.folder / "checkpoints/000004").settings.train.precision == "bf16"


def test_one_process_may_train_in_one_precision_and_then_in_another():
    for precision, name in (("bf16", "bf16"), ("fp32", "no"), ("bf16", "bf16")):
        assert trainee.make_accelerator("cpu", precision).mixed_precision == name


@pytest.mark.slow
def test_without_room_for_packed_copies_a_run_goes_on_and_says_so(make_run, monkeypatch):
    monkeypatch.setattr(prepare, "packed_bytes", partial(lambda n, model: n, 10**15))
    chooses(monkeypatch, Arithmetic("fp32", True, FP32_SLOW, "p", 1))
    run, settings = make_run(**{"train.steps": 1, "train.precision": "auto"})
    events = list(training(settings, run))
    assert any("1000000.0 GB" in e.text for e in events if isinstance(e, Warned))
    assert [e.step for e in events if isinstance(e, StepDone)] == [1]
    assert packed_bytes(torch.nn.Linear(2, 2)) == 0

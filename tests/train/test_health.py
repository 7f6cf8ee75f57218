"""Runs that learn nothing or break are named within 20 steps; good ones are left alone."""

import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from PIL import Image
from safetensors.torch import load_file, save_file
from said import saying, says

from sdlora.adapters.inject import inject
from sdlora.errors import UserError
from sdlora.events import Sampled, Saved, StepDone, Validated, Warned
from sdlora.messages import say
from sdlora.train import between, export, health, loop, prepare
from sdlora.train.health import PACE, WINDOW, Health, watched
from sdlora.train.loop import training

ROOT = Path(__file__).parents[2]


# ---- ten faults, planted into real runs


def no_update(patch, job):
    """The optimizer's step is lost."""
    patch.setattr(AcceleratedOptimizer, "step", lambda self, *_: None)


def dies_at_13(patch, job):
    """The optimizer works for 12 steps only."""
    step, count = AcceleratedOptimizer.step, iter(range(1000))
    patch.setattr(AcceleratedOptimizer, "step", lambda self, *a: step(self, *a) if next(count) < 12 else None)


def rate_is_zero(patch, job):
    """A schedule that never leaves zero."""
    make = loop.make_scheduler

    def zero(optimizer, *args, **options):
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] = 0.0
        return make(optimizer, *args, **options)

    patch.setattr(loop, "make_scheduler", zero)


def text_encoder_without_optimizer(patch, job):
    """The optimizer was never given the text encoder's factors."""
    mine = {id(p) for p in job.trainee.adapter.parameters_of("text_encoder")}
    for group in job.optimizer.param_groups:
        group["params"] = [p for p in group["params"] if id(p) not in mine]


def text_encoder_without_gradient(patch, job):
    """The text comes out of the graph, as from a cache."""
    reader = type(job.trainee.reader)
    encode = reader.encode

    def detached(self, encoders, tokens):
        with torch.no_grad():
            return encode(self, encoders, tokens)

    patch.setattr(reader, "encode", detached)


def most_layers_are_cut_off(patch, job):
    """Two thirds of the UNet's layers are taken off."""
    adapter = job.trainee.adapter
    unet = [handle for handle, name in zip(adapter._handles, adapter.layers, strict=True) if name.startswith("unet")]
    for number, handle in enumerate(unet):
        if number % 3:
            handle.remove()


def rate_of_one(patch, job):
    """What Prodigy's users are used to, and AdamW can't bear."""
    for group in job.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = 1.0


def factors_explode(patch, job):
    """Every step makes the factors larger."""
    step = AcceleratedOptimizer.step

    @torch.no_grad()
    def growing(self, *args):
        step(self, *args)
        for parameter in job.trainee.adapter.parameters():
            parameter.mul_(1.4)

    patch.setattr(AcceleratedOptimizer, "step", growing)


def base_breaks_at_13(patch, job):
    """The base model's last layer is overwritten in memory after 12 steps."""
    take, unet = loop.take, job.trainee.unet

    def damaging(self, step):
        if step == 13:
            unet.conv_out.weight.data.mul_(30)
        return take(self, step)

    patch.setattr(loop, "take", damaging)


def pictures_without_the_lora(patch, job):
    """Test pictures are drawn as if there were no adapter."""
    draw, adapter = between.draw, job.trainee.adapter

    def bare(*args, **options):
        adapter.enabled = False
        yield from draw(*args, **options)
        adapter.enabled = True

    patch.setattr(between, "draw", bare)


def an_empty_file(patch, job):
    """The file is written with zeros, and the check of it is fooled."""
    write = export.write_lora

    def zeros(adapter, path, **options):
        write(adapter, path, **options)
        save_file({k: v if k.endswith("alpha") else torch.zeros_like(v) for k, v in load_file(path).items()}, path)

    patch.setattr(export, "write_lora", zeros)
    patch.setattr(export, "verify_with_diffusers", lambda *_: 0.0)


def a_rate_too_small(patch, job):
    for group in job.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = 1e-9


END = 26
FAULTS = {  # what tells it, and the first step at which it shows
    no_update: (saying("health.no_layer_changes", learner="UNet", count=10, step=10), 1),
    dies_at_13: (saying("health.no_layer_changes", learner="UNet", count=10, step=30), 13),
    rate_is_zero: (saying("health.lr_zero", learner="UNet", count=10), 1),
    text_encoder_without_optimizer: (saying("health.lr_zero", learner="text encoder"), 1),
    text_encoder_without_gradient: (saying("health.no_layer_changes", learner="text encoder"), 1),
    most_layers_are_cut_off: (saying("health.layers_unchanged", learner="UNet", count=10), 1),
    rate_of_one: (saying("health.lora_overgrown"), 1),
    factors_explode: (saying("health.lora_overgrown"), 1),
    base_breaks_at_13: (saying("health.loss_high"), 13),
    pictures_without_the_lora: (saying("health.pictures_unchanged"), END),
    an_empty_file: (saying("health.file_all_zero", file="test.safetensors", learner="UNet"), END),
    a_rate_too_small: (saying("health.file_without_effect", file="test.safetensors"), END),
}


def notes_of(make_run, monkeypatch, fault=None, **changes):
    """[(step, text)] of the notes of a run with the fault in it."""
    if fault:
        init = prepare.Job.__init__

        def planted(job, *args):
            init(job, *args)
            fault(monkeypatch, job)

        monkeypatch.setattr(prepare.Job, "__init__", planted)
    run, settings = make_run(**changes)
    step, notes = 0, []
    with suppress(UserError if fault else ()):  # a ruined one ends early, once its numbers are not finite
        for event in training(settings, run):
            step = event.step if isinstance(event, StepDone) else step
            notes += [(step, event.text)] if isinstance(event, Warned) else []
    return notes


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_named_within_20_steps(make_run, monkeypatch, fault):
    said, shows = FAULTS[fault]
    steps = 32 if shows == 13 else END
    notes = notes_of(make_run, monkeypatch, fault, **{"train.steps": steps, "train.scheduler": "constant"})
    told = [(step, text) for step, text in notes if re.search(said, text)]
    assert told and told[0][0] < shows + 20, notes
    assert len({text for _, text in notes}) == len(notes)  # each once


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"train.scheduler": "cosine"},
        {"train.lr": 1e-4, "train.seed": 3, "train.batch_size": 1, "train.scheduler": "linear", "train.warmup": 12},
        {"adapter.text_encoder": False, "adapter.rank": 1, "validation.every": 5, "train.seed": 5},
        {"adapter.kind": "dora", "adapter.targets": "full", "sample.every": 10, "train.accumulate": 2},
    ],
)
def test_a_good_run_raises_no_alarm(make_run, monkeypatch, changes):
    assert notes_of(make_run, monkeypatch, **{"train.steps": END, "train.lr": 1e-3, **changes}) == []


@pytest.mark.slow
def test_two_of_the_fifty_good_runs_raise_no_alarm(tmp_path):
    """The whole of benchmarks/health/good_runs.py takes half an hour; its result lies in benchmarks/results."""
    out = tmp_path / "out.json"
    script = ROOT / "benchmarks/health/good_runs.py"
    subprocess.run([sys.executable, script, out, "--only", "2,9"], check=True, timeout=600, cwd=ROOT)
    result = json.loads(out.read_text())
    assert result["good_runs"] == 2 and {run["ended"] for run in result["runs"]} == {"done"}
    assert [run["alarms"] for run in result["runs"]] == [[], []]


# ---- the signs, one by one


@pytest.fixture
def small():
    """(adapter, optimizer) on two layers whose factors are as after some training."""
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(16, 16), "b": torch.nn.Linear(16, 16)})
    adapter = inject({"unet": model}, targets=["*"], rank=2, alpha=2.0)
    for layer in adapter.layers.values():
        torch.nn.init.normal_(layer.up.weight, std=0.01)
    return adapter, torch.optim.SGD(adapter.parameters(), lr=0.1)


def move(adapter):
    with torch.no_grad():
        for layer in adapter.layers.values():
            layer.up.weight.add_(1e-4)


def follow(made, losses, moving=True, folder=Path(), past=()):
    adapter, optimizer = made
    look, told = Health(adapter, optimizer, folder, past), []
    for step, loss in enumerate(losses, 1):
        if moving:
            move(adapter)
        told += map(str, look.signs(StepDone(step, loss, 0.1, 0.1)))
    return told


def test_losses_that_swing_with_the_timestep_are_no_alarm(small):
    swing = [0.004, 0.9, 0.05, 0.7, 0.01, 0.95, 0.3, 0.6, 0.02, 0.8, 0.1, 0.4, 0.003]
    assert follow(small, swing * 8) == []
    assert follow(small, [1.1, 1.0] * 40) == []  # a base that knows nothing from the start


def test_a_loss_far_above_its_start_is_told_once(small):
    told = follow(small, [0.1, 0.3] * (WINDOW // 2) + [1.0, 1.3] * WINDOW)
    assert len(told) == 1 and says(told[0], "health.loss_high", loss="1.15", count=12, start="0.10")
    past = [StepDone(n + 1, 0.1, 0.1, 0.1) for n in range(WINDOW)]  # a resumed run knows its start
    assert len(follow(small, [1.2] * WINDOW, past=past)) == 1 and not follow(small, [1.2] * WINDOW * 2)


def test_the_validation_loss_is_compared_with_its_first(small):
    look = Health(*small, Path())
    assert [list(look.signs(Validated(n, loss, 0))) for n, loss in enumerate((0.1, 0.19, 0.05))] == [[], [], []]
    (told,) = look.signs(Validated(9, 0.25, 0))
    assert told.what == say("health.validation_high", step=9, times="2.5")


def test_a_rate_that_fades_at_the_end_is_no_standstill(small):
    adapter, optimizer = small
    look = Health(adapter, optimizer, Path())
    for step in range(1, 60):
        optimizer.param_groups[0]["lr"] = 0.1 if step <= 20 else 1e-6
        if step <= 20:
            move(adapter)
        assert list(look.signs(StepDone(step, 0.1, 0.1, 0.1))) == []


def test_layers_that_are_not_to_learn_may_stand_still(small):
    adapter, optimizer = small
    for layer in adapter.layers.values():
        layer.up.weight.requires_grad_(layer is adapter.layers["unet.a"])
    look = Health(adapter, optimizer, Path())
    for step in range(1, 40):
        with torch.no_grad():
            adapter.layers["unet.a"].up.weight.add_(1e-4)
        assert list(look.signs(StepDone(step, 0.1, 0.1, 0.1))) == []


def test_pictures_are_compared_by_what_they_show(small, tmp_path):
    (tmp_path / "samples").mkdir()
    for name, colour in {"000000_00": 1, "000000_01": 2, "000020_00": 1, "000020_01": 2, "000030_00": 1}.items():
        Image.new("RGB", (4, 4), (colour, 0, 0)).save(tmp_path / f"samples/{name}.png", compress_level=colour)
    Image.new("RGB", (4, 4), (3, 0, 0)).save(tmp_path / "samples/000030_01.png")

    def sampled(step):
        return Sampled(step, [f"samples/{step:06d}_{n:02d}.png" for n in (0, 1)])

    look = Health(*small, tmp_path)
    assert not [*look.signs(sampled(0)), *look.signs(sampled(PACE - 1)), *look.signs(sampled(30))]
    assert not list(look.signs(sampled(40)))  # gone meanwhile
    (told,) = look.signs(sampled(20))
    assert told.what == say("health.pictures_unchanged", step=20)


def test_a_loop_that_is_closed_is_closed_at_once(small):
    """It saves its last step then; what goes wrong there must not vanish in the collector of garbage."""

    def steps():
        try:
            yield StepDone(1, 0.1, 0.1, 0.1)
        finally:
            raise OSError("full")

    seen = watched(steps(), Health(*small, Path()))
    next(seen)
    with pytest.raises(OSError, match="full"):
        seen.close()


def test_a_single_layer_that_bursts_is_named(small):
    adapter, optimizer = small
    look = Health(adapter, optimizer, Path(), patience=1)
    with torch.no_grad():
        adapter.layers["unet.b"].up.weight.mul_(1e6)
    (told,) = look.signs(StepDone(1, 0.1, 0.1, 0.1))
    assert "unet.b most" in str(told)


def test_watching_changes_no_event_and_no_number(small):
    events = [StepDone(n, 0.1, 0.1, 0.1) for n in range(1, 12)]
    before = {k: v.clone() for k, v in small[0].state_dict().items()}
    seen = list(watched((event for event in events), Health(*small, Path())))
    assert [event for event in seen if not isinstance(event, Warned)] == events and len(seen) == len(events) + 1
    assert all(torch.equal(v, before[k]) for k, v in small[0].state_dict().items())


@pytest.mark.parametrize("layout", ["lora_unet_a.lora_up.weight", "unet.a.lora_B.weight"])
def test_a_file_of_zeros_is_told_in_both_layouts(small, tmp_path, layout):
    look = Health(*small, tmp_path)
    for value, count in ((1.0, 0), (0.0, 1)):
        save_file({layout: torch.full((4, 2), value)}, tmp_path / "x.safetensors")
        assert len(list(look.signs(Saved(9, "x.safetensors", final=True)))) == count
    save_file({layout: torch.zeros(4, 2), "lora_unet_a.dora_scale": torch.ones(1)}, tmp_path / "x.safetensors")
    assert layout.startswith("unet") or health._idle_layers(tmp_path / "x.safetensors", "unet") == (0, 1)

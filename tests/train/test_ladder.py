"""Out of memory in a step: it is done again with less, nothing is lost or doubled, and the run goes on so.

Tolerances: checkpointing computes the same sums, so a run that comes to it is bit for bit one that has it; splitting
a batch adds up in another order, which moves losses of the small model by less than 1e-5 of themselves.
"""

import gc
import json
import random
import sys
import weakref
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from driving import drive, same, weights

from sdlora.adapters.packed import Packed
from sdlora.errors import UserError, ran_out_of_memory
from sdlora.events import Saved, StepDone, Warned
from sdlora.families.shared import device
from sdlora.messages import say, sentences
from sdlora.runs.arithmetic import Arithmetic
from sdlora.runs.memory import FILE, NAMES, Memory, recorded_memory
from sdlora.train import ladder, loop, prepare, probe, trainee
from sdlora.train.loop import training
from sdlora.train.spill import Spill

ROUNDING = 1e-5  # of a loss
CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried 8 bytes."
WINDOWS = "[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8 B."
ERRORS = [torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), RuntimeError(CPU),
          RuntimeError(WINDOWS), MemoryError(), OSError(12, "Cannot allocate memory"),
          RuntimeError("could not create a primitive")]  # fmt: skip


@pytest.fixture
def quick(make_run, monkeypatch):
    """quick(**overrides) -> (run, settings) without test pictures, and without the trial of the file."""
    monkeypatch.setattr(loop, "try_export", lambda job: None)

    def make(**overrides):
        wish = {"adapter.targets": "cross-attn", "adapter.text_encoder": False, "validation.every": 0}
        run, settings = make_run(**wish | overrides)
        settings.sample.prompts = []
        return run, settings

    return make


@pytest.fixture
def running_out(monkeypatch):
    """running_out(step, times, error): memory runs out so often in that step, when its activations are there."""
    make_batch, error_of = loop.make_batch, loop.error_of
    at = {"step": 0}

    def plan(step, times=1, error=ERRORS[0], inner=error_of):
        left = iter(range(times))

        def noticed(*args, **options):
            at["step"] = options["step"]
            return make_batch(*args, **options)

        def failing(*args):
            errors = inner(*args)
            if at["step"] == step and next(left, None) is not None:
                raise type(error)(*error.args)  # a fresh one: what was raised keeps what was computed
            return errors

        monkeypatch.setattr(loop, "make_batch", noticed)
        monkeypatch.setattr(loop, "error_of", failing)

    return plan


def losses(events):
    return [event.loss for event in events if isinstance(event, StepDone)]


def told(events):
    return [str(event.text) for event in events if isinstance(event, Warned)]


def ran_out(step, rung):
    return str(sentences(say("training.memory_ran_out", step=step), rung, say("training.memory_costs")))


CHECKPOINTING = say("training.memory_checkpointing")
ONE_BY_ONE = say("training.memory_split", count=1)


def test_what_says_that_memory_ran_out_is_known():
    others = [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), OSError(28, "No space left"), ValueError(CPU),
              RuntimeError("could not create a primitive descriptor for a convolution")]  # fmt: skip
    assert [ran_out_of_memory(error) for error in (*ERRORS, *others)] == [True] * 6 + [False] * 4


@pytest.mark.parametrize("error", ERRORS[:2], ids=["GPU", "CPU"])
def test_a_step_that_memory_runs_out_in_is_done_again_as_if_it_had_never_been(quick, running_out, error):
    both = {"train.steps": 2, "adapter.text_encoder": True}
    undisturbed, settings = quick(**{**both, "train.gradient_checkpointing": True})
    wanted = losses(drive(undisturbed, settings))
    running_out(1, 1, error)
    run, settings = quick(**both)
    events = drive(run, settings)
    assert told(events) == [ran_out(1, CHECKPOINTING)]
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2]
    assert losses(events) == wanted and same(weights(run), weights(undisturbed))
    assert recorded_memory(run.folder) == Memory(("checkpointing",), 1)


def test_a_batch_is_split_and_what_is_learnt_stays_the_same(quick, running_out):
    """Captions of one and of two chunks in a batch: a split one reads them as the whole does."""
    for accumulate in (1, 2):
        whole, settings = quick(**{"train.accumulate": accumulate})
        image = next(p for p in sorted((whole.folder.parent.parent).rglob("p1.txt")))
        image.write_text("zib, " + "x" * 90)
        wanted = losses(drive(whole, settings))
        running_out(2, 2)
        run, settings = quick(**{"train.accumulate": accumulate})
        events = drive(run, settings)
        assert told(events) == [ran_out(2, CHECKPOINTING), ran_out(2, ONE_BY_ONE)]
        assert losses(events) == pytest.approx(wanted, rel=ROUNDING) and losses(events)[0] == wanted[0]
        assert recorded_memory(run.folder) == Memory(("checkpointing", "split"), 2)


def test_a_run_that_is_killed_after_it_fell_back_goes_on_bit_for_bit(quick, running_out):
    whole, settings = quick(**{"save.every": 2})
    running_out(2, 2)
    drive(whole, settings)
    killed, settings = quick(**{"save.every": 2})
    running_out(2, 2)
    events = training(settings, killed)
    for event in events:
        if isinstance(event, Saved):
            break
        killed.write(event)
    events.close()
    events = drive(killed, settings)
    assert told(events) == [str(sentences(say("training.memory_as_before"), CHECKPOINTING, ONE_BY_ONE))]
    assert [event.step for event in events if isinstance(event, StepDone)] == [3, 4]
    assert same(weights(killed), weights(whole))


def test_where_nothing_is_left_to_save_the_run_ends_with_a_sentence_and_its_last_step(quick, running_out):
    run, settings = quick()
    running_out(3, 99)
    with pytest.raises(UserError) as error:
        drive(run, settings)
    assert str(error.value.problems[0].what) == say("training.memory_used_up", step=3)
    assert run.checkpoints()[-1][0] == 2


def test_a_damaged_record_is_told_and_the_run_goes_on(quick, running_out):
    run, settings = quick(**{"save.every": 1})
    running_out(1)
    drive(run, settings, stop_after=1)
    file = run.folder / FILE
    for text in (
        file.read_text()[:20],
        json.dumps({"rungs": ["x"], "pieces": 1, "sparing": False}),
        file.read_text().replace("1", "7"),
    ):
        file.write_text(text)
        told_first = told(loop.training(settings, run))
        assert told_first[0] == say("training.memory_damaged", path=file)


def test_an_update_that_memory_runs_out_in_ends_the_run(quick, monkeypatch):
    """It may have moved a part of the weights, which nothing brings back."""
    run, settings = quick()
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: (_ for _ in ()).throw(ERRORS[0]))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        drive(run, settings)
    assert run.checkpoints() == [] and recorded_memory(run.folder) is None


def test_packed_convolutions_go_first(quick, running_out, monkeypatch):
    arithmetic = Arithmetic("fp32", True, {"fp32": 1.0, "fp32+packed": 0.5}, "p", 1)
    monkeypatch.setattr(trainee, "fastest", lambda *_: arithmetic)
    monkeypatch.setattr(prepare, "Packed", partial(Packed, least=1))
    wish = {"train.precision": "auto", "train.steps": 3}
    packed, settings = quick(**wish)
    fast = losses(drive(packed, settings))
    plain, settings = quick(**{**wish, "train.precision": "fp32"})
    monkeypatch.setattr(trainee, "fastest", lambda *_: Arithmetic("fp32"))
    wanted = losses(drive(plain, settings))
    monkeypatch.setattr(trainee, "fastest", lambda *_: arithmetic)
    running_out(1)
    run, settings = quick(**wish)
    events = drive(run, settings)
    assert told(events) == [ran_out(1, say("training.memory_unpacked"))]
    assert losses(events) == wanted and fast == pytest.approx(wanted, rel=ROUNDING)
    assert recorded_memory(run.folder) == Memory(("unpacked",), 1)


def test_what_the_failed_try_has_computed_is_let_go_before_the_next(quick, running_out, monkeypatch):
    kept, alive = [], []
    error_of = loop.error_of

    def noticing(*args):
        alive.append(sum(reference() is not None for reference in kept))
        errors = error_of(*args)
        kept.extend(weakref.ref(error) for error in errors)
        return errors

    running_out(1, inner=noticing)
    monkeypatch.setattr(device.gc, "collect", lambda: 0)  # not needed: nothing goes round in circles
    run, settings = quick(**{"train.steps": 1})
    drive(run, settings)
    assert alive == [0, 0]
    gc.collect()


def test_a_step_draws_from_no_generator_that_others_draw_from(quick, running_out):
    """So doing it again finds the random numbers that it would have found."""
    run, settings = quick(**{"train.steps": 3})
    running_out(2, 2)
    seen = []
    for event in training(settings, run):
        if isinstance(event, StepDone):
            seen.append((torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())))
    assert len(seen) == 3 and seen[0] == seen[1] == seen[2]


def test_the_memory_of_a_gpu_is_given_back(monkeypatch):
    emptied = []
    for kind in ("cuda", "xpu", "mps"):
        monkeypatch.setattr(getattr(torch, kind), "empty_cache", partial(emptied.append, kind))
        device.release_memory(kind)
    device.release_memory("cpu")
    assert emptied == ["cuda", "xpu", "mps"]


def test_the_table_has_the_rungs_of_the_record():
    assert tuple(rung.name for rung in ladder.RUNGS) == NAMES


# ---- train.memory


# rung -> what is told if memory runs out in step 2; checkpointing and pieces at the end
BY_HAND = {"unpacked": ([CHECKPOINTING], True, 1), "checkpointing": ([ONE_BY_ONE], True, 2), "split": ([], True, 2)}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_rung_by_hand_is_where_the_run_begins(quick, running_out, monkeypatch, name):
    """With all rungs above it, without a word; and memory that runs out sends it further down."""
    arithmetic = Arithmetic("fp32", True, {"fp32": 1.0, "fp32+packed": 0.5}, "p", 1)
    monkeypatch.setattr(trainee, "fastest", lambda *_: arithmetic)
    monkeypatch.setattr(prepare, "Packed", partial(Packed, least=1))
    jobs, take = [], loop.take
    monkeypatch.setattr(loop, "take", lambda job, step: jobs.append(job) or take(job, step))
    run, settings = quick(**{"train.memory": name, "train.precision": "auto", "train.steps": 2})
    below, *state = BY_HAND[name]
    running_out(2, len(below))
    events = drive(run, settings)
    assert told(events) == [ran_out(2, rung) for rung in below]
    assert jobs[0].trainee.packed is None and [jobs[0].trainee.checkpointing, jobs[0].memory.pieces] == state


def test_a_rung_by_hand_and_one_that_was_fallen_to_are_the_same(quick, running_out):
    wish = {"train.steps": 2}
    by_hand, settings = quick(**wish, **{"train.memory": "split"})
    wanted = losses(drive(by_hand, settings))
    running_out(1, 2)
    run, settings = quick(**wish)
    assert losses(drive(run, settings)) == wanted and same(weights(run), weights(by_hand))


def test_on_a_cpu_memory_is_watched_before_it_is_used_up(quick, monkeypatch):
    """What is free: enough, then in step 2 too little until nothing is left to save; that ends nothing."""
    monkeypatch.setattr(ladder, "LEAST", 0)
    free = {"available": 50}
    monkeypatch.setattr(ladder.psutil, "virtual_memory", lambda: SimpleNamespace(total=100, **free))
    for memory, sentences_ in (("auto", [ran_out(2, CHECKPOINTING), ran_out(2, ONE_BY_ONE)]), ("unpacked", [])):
        free["available"] = 50
        run, settings = quick(**{"train.steps": 3, "train.memory": memory})
        events = []
        for event in training(settings, run):
            events.append(event)
            if isinstance(event, StepDone):
                free["available"] = 4
        assert told(events) == sentences_ and len(losses(events)) == 3


def test_a_probe_goes_down_as_a_run_does(quick, running_out, capsys):
    _, settings = quick()
    running_out(1)
    assert probe.probe(settings, 2).step_seconds > 0
    assert ran_out(1, CHECKPOINTING) in capsys.readouterr().err


# ---- Windows


@pytest.mark.parametrize(("platform", "held", "free", "tells"), [
    ("win32", 9, 0.1, True), ("win32", 9, 3, False), ("win32", 7, 0.1, False), ("linux", 9, 0.1, False),
])  # fmt: skip
def test_a_gpu_that_overflows_into_the_computers_memory_is_noticed(monkeypatch, platform, held, free, tells):
    """8 GB are there for it when it begins: 6 free, 2 held."""
    now = {"free": 6e9, "held": 2e9}
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(now["free"]), 10 * 10**9))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: int(now["held"]))
    spill = Spill("cuda")
    assert spill.note() is None
    now.update(free=free * 1e9, held=held * 1e9)
    assert spill.note() == (say("training.memory_spills", held="9.0", room="8.0") if tells else None)
    assert spill.note() is None  # once
    assert Spill("cpu").note() is None

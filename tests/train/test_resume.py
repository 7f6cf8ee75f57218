"""How runs end and go on: nothing that is done is lost, nothing that is broken is kept, what was due is made up for."""

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from driving import drive, same, weights
from safetensors.torch import load_file
from said import Said, saying, says

from sdlora.commands.shared.terminal import _follow, _stopping_on_signals, follow
from sdlora.errors import Unstable, UserError
from sdlora.events import Sampled, Saved, Started, StepDone, Validated, Warned
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.train import loop, save, trainee
from sdlora.train.loop import training
from sdlora.train.restore import _give_scaler


@pytest.fixture
def quick(make_run, monkeypatch):
    """quick(**overrides) -> (run, settings) without test pictures, and without the trial of the file."""
    monkeypatch.setattr(loop, "try_export", lambda job: None)

    def make(**overrides):
        run, settings = make_run(**{"adapter.text_encoder": False, "adapter.targets": "cross-attn", **overrides})
        if "sample.prompts" not in overrides:
            settings.sample.prompts = []
        return run, settings

    return make


@pytest.fixture
def failing(monkeypatch):
    """failing(step, error): the loop meets the error in that step, before the update."""

    def plan(step, error):
        original = loop.make_batch

        def make_batch(*args, **options):
            if options["step"] == step:
                raise error
            return original(*args, **options)

        monkeypatch.setattr(loop, "make_batch", make_batch)
        return lambda: monkeypatch.setattr(loop, "make_batch", original)

    return plan


# ---- fp16


class HalfOnCPU(Accelerator):
    """A CPU's stand-in for fp16 training on a GPU: its GradScaler, and accelerate's own way of using it."""

    def __init__(self, scale=512.0, growth=2):
        super().__init__(cpu=True)
        self.native_amp, self.state._mixed_precision = True, "fp16"
        self.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=growth)

    def autocast(self, *args, **options):  # the small model's arithmetic stays fp32
        return nullcontext()


@pytest.fixture
def fp16(monkeypatch):
    made = []
    monkeypatch.setattr(loop, "make_accelerator", lambda *_: made.append(HalfOnCPU()) or made[-1])
    monkeypatch.setitem(trainee.DTYPES, "fp16", torch.float32)
    yield made
    AcceleratorState._reset_state()


def test_an_fp16_run_resumes_bit_for_bit_with_its_scaler(quick, fp16):
    whole, settings = quick(**{"train.steps": 5})
    drive(whole, settings)
    run, settings = quick(**{"train.steps": 5})
    drive(run, settings, stop_after=3)
    drive(run, settings)
    assert fp16[0].scaler.get_scale() == 512 * 2**2 and fp16[0].scaler._get_growth_tracker() == 1
    assert fp16[2].scaler.state_dict() == fp16[0].scaler.state_dict()
    assert same(weights(run), weights(whole))


def test_the_loss_scale_of_an_old_checkpoint_is_taken(quick, fp16):
    accelerator = HalfOnCPU()
    _give_scaler(accelerator, {"loss_scale": 2048.0})
    assert accelerator.scaler.state_dict()["scale"] == 2048.0
    accelerator.scaler.scale(torch.ones(()))
    assert accelerator.scaler.get_scale() == 2048.0


def overflow(monkeypatch, at):
    """The weighted loss is infinite at these steps, the plain one is not."""
    steps = iter(range(1, 1000))
    original = loop.error_of

    def error_of(*args):
        weighted, plain = original(*args)
        return (weighted * (math.inf if next(steps) in at else 1)), plain

    monkeypatch.setattr(loop, "error_of", error_of)


def test_a_scalers_own_skip_stays_a_skip(quick, fp16, monkeypatch):
    overflow(monkeypatch, {2})
    run, settings = quick(**{"save.every": 1, "save.keep": 0})
    drive(run, settings)
    first, second, third = (load_file(path / "lora.safetensors") for _, path in run.checkpoints()[:3])
    assert same(first, second) and not same(second, third)
    assert fp16[0].scaler.get_scale() == 512 / 2 * 2  # halved once, then two good steps


def test_a_scale_that_only_falls_ends_the_run(quick, fp16, monkeypatch):
    overflow(monkeypatch, set(range(2, 1000)))
    run, settings = quick(**{"train.steps": 60})
    with pytest.raises(Unstable, match=saying("training.unstable", step=Said("2[0-9]"))):
        drive(run, settings)


# ---- what is not finite


@pytest.mark.parametrize("norm", [1.0, 0.0])
def test_an_infinite_gradient_never_reaches_the_weights(quick, monkeypatch, norm):
    overflow(monkeypatch, {3})
    run, settings = quick(**{"save.every": 1, "train.max_grad_norm": norm})
    with pytest.raises(Unstable, match=saying("training.unstable", step="3")) as told:
        drive(run, settings)
    assert f"sdlora train --from {run.folder}@2 --train.lr 1e-04" in str(told.value).replace("0.0001", "1e-04")
    assert [step for step, _ in run.checkpoints()] == [1, 2]
    assert all(value.isfinite().all() for value in weights(run).values())


def test_the_last_step_of_all_is_checked_too(quick, monkeypatch):
    overflow(monkeypatch, {4})
    run, settings = quick(**{"save.every": 2})
    with pytest.raises(Unstable):
        drive(run, settings)
    assert [step for step, _ in run.checkpoints()] == [2] and not list(run.folder.glob("*.safetensors"))


def test_the_terminal_does_not_advise_a_resume_that_ends_there_again(quick, monkeypatch, capsys):
    overflow(monkeypatch, {3})
    run, settings = quick(**{"save.every": 1})
    assert follow(run, settings) == 1
    told = list(run.events())[-1][1].text
    assert "--from" in told and "--resume" not in told and "--train.lr 0.0001" in told


# ---- whatever ends a run


@pytest.mark.parametrize("error", [UserError("The latents are gone."), OSError(5, "away"),
                                   KeyboardInterrupt(), RuntimeError("x")])  # fmt: skip
def test_the_last_step_is_saved_whatever_ends_the_run(quick, failing, error):
    whole, settings = quick()
    drive(whole, settings)
    run, settings = quick()
    mend = failing(3, error)
    events = []
    with pytest.raises(type(error)):
        for event in training(settings, run):
            run.write(event)
            events.append(event)
    assert isinstance(events[-1], Saved) and events[-1].step == 2
    mend()
    drive(run, settings)
    assert same(weights(run), weights(whole))


def test_it_is_saved_if_those_who_listen_fail_or_leave(quick, monkeypatch):
    run, settings = quick()
    seen = training(settings, run)
    while not isinstance(next(seen), StepDone):
        pass
    seen.close()
    assert [step for step, _ in run.checkpoints()] == [1]
    run, settings = quick()
    monkeypatch.setattr(run, "write", lambda event: 1 / (not isinstance(event, StepDone) or event.step < 3))
    assert _follow(run, settings, training(settings, run), None, True, True) == 1
    assert [step for step, _ in run.checkpoints()] == [3]


def test_a_state_between_two_steps_is_never_saved(quick, monkeypatch):
    """An update that was broken off has moved a part of the weights: they are of no step."""
    run, settings = quick()
    original, steps = torch.optim.AdamW.step, iter(range(1, 9))

    def step(optimizer, closure=None):
        original(optimizer, closure)
        if next(steps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(KeyboardInterrupt):
        drive(run, settings)
    assert run.checkpoints() == []


def test_a_full_disk_does_not_hide_why_the_run_ended(quick, failing, monkeypatch):
    failing(3, UserError("The latents are gone."))
    run, settings = quick()
    monkeypatch.setattr(save, "save_checkpoint", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    events = []
    with pytest.raises(UserError, match="latents are gone"):
        for event in training(settings, run):
            events.append(event)
    assert isinstance(events[-1], Warned) and "state of step 2 could not be saved: The disk is full" in events[-1].text


def test_test_pictures_and_validations_that_a_kill_cut_off_are_made_on_resume(quick, monkeypatch):
    overrides = {"sample.prompts": ["zib"], "sample.every": 2, "validation.every": 2, "save.every": 2}
    run, settings = quick(**overrides)
    seen = training(settings, run)
    for event in seen:
        if isinstance(event, Saved):
            break  # killed after its checkpoint, before its pictures
        run.write(event)
    seen.close()
    validated = [e.step for _, e in run.events() if isinstance(e, Validated)]
    events = drive(run, settings)
    assert [e.step for e in events if isinstance(e, Sampled)] == [2, 4]
    assert [e.step for e in events if isinstance(e, Validated)] == [4] and validated == [0, 2]
    assert {p.name for p in (run.folder / "samples").iterdir()} >= {f"00000{n}_00.png" for n in (0, 2, 4)}
    lines = (run.folder / "events.jsonl").read_text().splitlines(keepends=True)
    (run.folder / "events.jsonl").write_text("".join(line for line in lines if '"validated"' not in line))
    shutil.rmtree(run.folder / "checkpoints/000004")
    events = drive(run, settings)
    assert [e.step for e in events if isinstance(e, Validated)] == [2, 4]
    assert [e.step for e in events if isinstance(e, Sampled)] == [4]  # those of step 2 are there


def test_what_killed_processes_left_is_removed(make_run):
    run, _ = make_run()
    gone, alive = 2**22 + 5, os.getppid()
    stale = [f".x.{gone}.new.safetensors", f"..x.{gone}.new.safetensors.{gone}.7.tmp", ".trial.safetensors",
             f"samples/.000001_00.png.{gone}.7.tmp", f".events.jsonl.{gone}.9.tmp"]  # fmt: skip
    kept = [f".y.{alive}.new.safetensors", "x.safetensors", ".hidden", "samples/000000_00.png", "a.tmp"]
    for name in stale + kept:
        (run.folder / name).touch()
    (run.folder / "checkpoints/.000500.tmp").mkdir()
    (run.folder / "checkpoints/.000500.tmp/lora.safetensors").touch()
    run.sweep()
    assert not [name for name in [*stale, "checkpoints/.000500.tmp"] if (run.folder / name).exists()]
    assert not [name for name in kept if not (run.folder / name).exists()]


def test_the_trainer_sweeps_at_its_start(quick):
    run, settings = quick(**{"train.steps": 1})
    (run.folder / ".trial.safetensors").touch()
    assert follow(run, settings) == 0 and not (run.folder / ".trial.safetensors").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_stops_the_run_as_a_kill_does_unless_it_is_ignored(make_run, ignored):
    run, _ = make_run(**{"train.steps": 100_000 if not ignored else 40, "validation.every": 0})
    before = (lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if ignored else None
    command = [sys.executable, "-m", "sdlora", "train", "--run", str(run.folder)]
    trainer = subprocess.Popen(command, preexec_fn=before, stdout=subprocess.PIPE)
    trainer.stdout.close()  # nobody reads what it says: no reason to end either
    deadline = time.monotonic() + 300
    while not any(isinstance(e, StepDone) for _, e in run.events()):
        assert trainer.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    for _ in range(2):  # from the kernel and from the shell
        os.kill(trainer.pid, signal.SIGHUP)
    assert trainer.wait(120) == 0
    assert run.state() == ("done" if ignored else "stopped") and (run.folder / "test.safetensors").is_file()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here")
def test_the_second_ctrl_c_ends_at_once_and_no_other_request_counts(make_run, monkeypatch):
    run, _ = make_run()
    monkeypatch.setattr("sdlora.commands.shared.terminal._silence", lambda streams: None)  # the tests' own terminal
    before = {n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with ExitStack() as end, _stopping_on_signals(run):
        end.callback(lambda: [signal.signal(*pair) for pair in before.items()])  # "&" in a shell has one ignored
        run.request("stop")  # the page's
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGINT)  # the first of its kind: the LoRA is written yet
        assert run.requested("stop")
        run.answered("stop")  # the loop has taken it and writes the LoRA
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert not run.requested("stop")


# ---- checkpoints that are not needed any more


@pytest.mark.parametrize("cut_off", ["before", "amid"])
def test_a_kill_while_old_checkpoints_are_dropped_leaves_none_of_them(quick, monkeypatch, cut_off):
    run, settings = quick(**{"save.every": 2, "save.keep": 1, "train.steps": 4})
    rmtree, drop = shutil.rmtree, Run.drop_old_checkpoints

    def removing(path, *args, **options):
        if "000002" in Path(path).name and (Path(path) / "state.json").exists():
            (Path(path) / "state.json").unlink()
            raise KeyboardInterrupt
        rmtree(path, *args, **options)

    def dropping(run, keep, notable):
        if len(run.checkpoints()) > 1:
            raise KeyboardInterrupt
        drop(run, keep, notable)

    monkeypatch.setattr(
        *((shutil, "rmtree", removing) if cut_off == "amid" else (Run, "drop_old_checkpoints", dropping))
    )
    with pytest.raises(KeyboardInterrupt):
        drive(run, settings)
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    monkeypatch.setattr(Run, "drop_old_checkpoints", drop)
    run.sweep()
    drive(run, settings)
    assert [path.name for path in (run.folder / "checkpoints").iterdir()] == ["000004"]


def test_a_step_that_is_saved_already_is_not_saved_again(quick):
    """For a moment there would be no checkpoint of it, and perhaps none at all."""
    run, settings = quick(**{"save.every": 2, "save.keep": 1})
    seen = []
    for event in training(settings, run):
        run.write(event)
        if isinstance(event, Saved) and event.step == 2:
            seen.append((run.folder / event.path).stat().st_ino)
            if len(seen) == 1:
                run.request("save")
    assert len(seen) == 2 and seen[0] == seen[1]


# ---- other pictures


def test_a_resume_names_what_has_become_of_the_images(quick, images):
    run, settings = quick(**{"train.steps": 3})
    drive(run, settings, stop_after=1)
    (images / "p0.png").unlink()
    shutil.copyfile(images / "p1.png", images / "new.png")
    shutil.copyfile(images / "p2.png", images / "p1.png")
    (images / "p4.txt").write_text("another")
    told = [e.text for e in drive(run, settings, stop_after=2) if isinstance(e, Warned)]
    assert [t for t in told if "last start" in t] == [
        say("runs.images_added", captions="new.png"),
        say("runs.images_removed", captions="p0.png"),
        say("runs.images_changed", captions="p1.png"),
        say("runs.captions_changed", captions="p4.png"),
    ]
    assert any(says(t, "runs.not_exactly") for t in told)
    assert not any("last start" in e.text for e in drive(run, settings) if isinstance(e, Warned))


def test_a_damaged_record_of_the_images_is_told_and_made_anew(quick):
    run, settings = quick(**{"train.steps": 3})
    drive(run, settings, stop_after=1)
    path = run.folder / "images.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    told = [e.text for e in drive(run, settings, stop_after=2) if isinstance(e, Warned)]
    assert any("images.json, is damaged" in words for words in told) and path.read_bytes() == whole


def test_a_run_tells_that_it_goes_on_after_a_damaged_checkpoint(quick):
    whole, settings = quick()
    drive(whole, settings)
    run, settings = quick(**{"save.every": 1})
    drive(run, settings, stop_after=3)
    (run.folder / "checkpoints/000003/lora.safetensors").write_bytes(b"x" * 100)
    events = drive(run, settings)
    assert "000003 is damaged" in next(e.text for e in events if isinstance(e, Warned) and "damaged" in e.text)
    assert next(e.step for e in events if isinstance(e, Started)) == 2
    assert same(weights(run), weights(whole))

"""Several processes on the CPU: one run folder, one story, the losses of one process at the same global batch."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from sdlora.events import Finished, Progress, Started, StepDone, Warned
from sdlora.messages import say
from sdlora.runs.checkpoints import verified
from sdlora.runs.memory import Memory, recorded_memory
from sdlora.runs.run import list_runs
from sdlora.train import loop
from sdlora.train.loop import training

pytestmark = pytest.mark.slow
MODULE = ["-m", "sdlora", "train"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--quiet"]
TOLERANCE = 1e-5  # of a loss: sums over more than two processes are rounded in another order; measured: 2e-8


def start(launcher, *arguments, **environment):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **environment}
    command = [*launcher, *MODULE, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def launch(settings_file, processes, **environment):
    """With torchrun: (exit status, stdout, stderr)."""
    return ended(start([*TORCHRUN, "--standalone", "--nproc_per_node", str(processes)], settings_file, **environment))


def ended(process):
    try:
        out, err = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def new_runs(folder: Path, *known):
    return [run for run in list_runs(folder) if run.folder not in [k.folder for k in known]]


def losses(run):
    return [event.loss for _, event in run.events() if isinstance(event, StepDone)]


def alone(make_run, until=0, **settings):
    """A run by this process, with one thread as the others have. until: the step at which it is broken off."""
    run, wish = make_run(**settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        events = training(wish, run)
        for event in events:
            run.write(event)
            if until and isinstance(event, StepDone) and event.step == until:
                break
        events.close()
    finally:
        torch.set_num_threads(threads)
    return run


def test_two_processes_do_what_one_does_at_the_same_global_batch(make_run, tmp_path):
    """Two of one image each against one that adds up two batches of one: bit for bit, for a + b is b + a.

    Also where the launcher asks for FSDP, which a note declines.
    """
    one = alone(make_run, **{"train.batch_size": 1, "train.accumulate": 2})
    run, _ = make_run(**{"train.batch_size": 1})
    status, _, err = launch(run.folder / "settings.toml", 2, ACCELERATE_USE_FSDP="true", FSDP_VERSION="2")
    assert status == 0, err
    (two,) = new_runs(tmp_path / "runs", run, one)
    events = [e for _, e in two.events()]
    assert losses(two) == losses(one) and len(losses(two)) == 4
    ours, theirs = (load_file(r.checkpoints()[-1][1] / "optimizer.safetensors") for r in (two, one))
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    assert max(v.abs().max() for k, v in ours.items() if k.endswith("up.exp_avg")) > 0
    assert [e.text for e in events if isinstance(e, Warned)] == [say("training.not_sharded", what="FSDP")]
    # one writer: nothing is told twice, nothing half-written is left
    kinds = [type(e) for e in events]
    assert kinds.count(Started) == kinds.count(Finished) == 1 and kinds[-1] is Finished
    assert not list(two.folder.rglob(".*")) and len(list((two.folder / "samples").iterdir())) == 2
    assert (two.folder / "test.safetensors").is_file()
    # both filled the cache: the main one tells of its half alone
    told = [e for e in events if isinstance(e, Progress) and e.what == "latents"]
    assert not told or told[-1].of == 3  # of 5 images


def test_four_processes_by_accelerate(make_run, tmp_path):
    one = alone(make_run, **{"train.batch_size": 1, "train.accumulate": 4})
    run, _ = make_run(**{"train.batch_size": 1})
    launcher = [*ACCELERATE, "--multi_gpu", "--num_processes", "4", "--num_machines", "1", "--mixed_precision", "no"]
    launcher += ["--dynamo_backend", "no", "--main_process_port", "0"]
    status, _, err = ended(start(launcher, run.folder / "settings.toml"))
    assert status == 0, err
    (four,) = new_runs(tmp_path / "runs", run, one)
    assert losses(four) == pytest.approx(losses(one), rel=TOLERANCE) and len(losses(four)) == 4


def test_a_run_goes_on_with_another_number_of_processes_on_two_machines(make_run):
    """One process, then two launchers of one each, as on two machines: what one process does to the end."""
    wish = {"train.batch_size": 1, "train.accumulate": 2}
    whole, stopped = alone(make_run, **wish), alone(make_run, until=2, **wish)
    assert stopped.checkpoints()[-1][0] == 2 and "batches" in (stopped.checkpoints()[-1][1] / "state.json").read_text()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = []
    for rank in range(2):
        nodes = ["--nnodes", "2", "--node_rank", str(rank), "--nproc_per_node", "1"]
        nodes += ["--master_addr", "127.0.0.1", "--master_port", str(port)]
        both.append(start([*TORCHRUN, *nodes], "--resume", stopped.folder, ACCELERATE_USE_DEEPSPEED="true"))
    ends = [ended(process) for process in both]
    assert [status for status, *_ in ends] == [0, 0], ends
    assert losses(stopped) == losses(whole)  # bit for bit; that a launcher asks for ZeRO changes nothing
    assert (stopped.folder / "test.safetensors").is_file()


def test_a_killed_worker_ends_the_run_with_a_sentence_and_a_state(make_run, tmp_path):
    begun, _ = make_run(**{"train.batch_size": 1, "train.steps": 100_000})
    command = [*TORCHRUN, "--standalone", "--nproc_per_node", "2"]
    launcher = start(command, begun.folder / "settings.toml")
    run = None
    for _ in range(600):
        run = run or next(iter(new_runs(tmp_path / "runs", begun)), None)
        if run and len(losses(run)) > 2:
            break
        assert launcher.poll() is None, launcher.communicate()
        time.sleep(0.2)
    workers = [p for p in psutil.Process(launcher.pid).children(recursive=True) if p.environ().get("RANK") == "1"]
    workers[-1].kill()
    status, out, _ = ended(launcher)  # within its time: not a hang
    assert status != 0
    last = [event for _, event in run.events()][-1]
    sentence = say("training.process_lost")
    assert isinstance(last, Finished) and last.why == "failed" and sentence in last.text
    assert out.count(sentence) == 1 and "Traceback" not in out
    step = len(losses(run))
    assert run.checkpoints()[-1][0] == step and verified(run.checkpoints()[-1][1])["batches"] == 2
    run.request("stop", on=False)  # the launcher's, which whoever starts a run takes away
    events = training(run.settings(), run)  # by one process: it takes both batches of each step
    started = next(event for event in events if isinstance(event, Started))
    assert started.step == step and next(e for e in events if isinstance(e, StepDone)).step == step + 1
    events.close()


def test_a_problem_is_told_once_and_ends_all(make_run):
    run, settings = make_run()
    file = run.folder / "settings.toml"
    file.write_text(file.read_text().replace(settings.model.base, "nothing"))
    status, _, err = launch(file, 2)
    assert status != 0 and err.count(say("models.base_missing", name="'nothing'")) == 1


SHORT = """
import os
import torch
from sdlora.train import loop

make_batch, error_of, at = loop.make_batch, loop.error_of, [0]

def noticed(*args, **options):
    at.append(options["step"])
    return make_batch(*args, **options)

def failing(*args):
    errors = error_of(*args)
    if at[-1] == 2 and at.count(2) == 1 and os.environ.get("RANK", "1") == "1":
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
    return errors

loop.make_batch, loop.error_of = noticed, failing
"""


def test_memory_that_runs_out_in_one_process_sends_all_to_the_same_rung(make_run, tmp_path, monkeypatch):
    """The second of two; then in one process that adds up two batches, at the same step: bit for bit the same."""
    script = tmp_path / "short.py"
    script.write_text(f"{SHORT}\nimport runpy\nrunpy.run_module('sdlora', run_name='__main__')")
    run, _ = make_run(**{"train.batch_size": 1})
    command = [
        *TORCHRUN,
        "--standalone",
        "--nproc_per_node",
        "2",
        str(script),
        "train",
        str(run.folder / "settings.toml"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    status, _, err = ended(launcher)
    assert status == 0, err
    (two,) = new_runs(tmp_path / "runs", run)
    for name in ("make_batch", "error_of"):
        monkeypatch.setattr(loop, name, getattr(loop, name))  # to be given back
    exec(SHORT, {})
    single = alone(make_run, **{"train.batch_size": 1, "train.accumulate": 2})
    said = [e.text for _, e in two.events() if isinstance(e, Warned)]
    assert said == [e.text for _, e in single.events() if isinstance(e, Warned)] and len(said) == 1
    assert recorded_memory(two.folder) == recorded_memory(single.folder) == Memory(("checkpointing",), 1)
    assert losses(two) == losses(single) and len(losses(two)) == 4

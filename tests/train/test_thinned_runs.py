"""Runs in which not all of the adapter acts: the same when stopped, split, or computed twice."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from said import says

from sdlora.events import Finished, StepDone, Warned
from sdlora.runs.run import list_runs
from sdlora.train.loop import training

pytestmark = pytest.mark.slow
CHANGES = {
    "train.rank_dropout": 0.3, "train.module_dropout": 0.2, "train.rank_at_noise": 0.25, "train.max_weight_norm": 0.002,
    "train.lora_plus": 4.0, "train.lr": 1e-2, "adapter.rslora": True, "sample.prompts": [], "train.steps": 4,
    "train.batch_size": 2, "train.accumulate": 2, "validation.every": 0,
}  # fmt: skip


def events_of(run, settings, stop_at=0):
    for event in training(settings, run):
        run.write(event)
        if isinstance(event, StepDone) and event.step == stop_at:
            run.request("stop")
        yield event


def test_a_run_goes_on_to_the_same_bits_and_a_split_batch_is_the_same(make_run):
    whole, settings = make_run(**CHANGES)
    events = list(events_of(whole, settings))
    assert isinstance(events[-1], Finished)
    capped = [e.text for e in events if isinstance(e, Warned)]
    assert len(capped) == 1 and says(capped[0], "training.norms_capped")
    parts, settings = make_run(**CHANGES)
    list(events_of(parts, settings, stop_at=2))
    list(events_of(parts, settings))
    for file in ("lora.safetensors", "optimizer.safetensors"):
        first, second = (load_file(run.checkpoints()[-1][1] / file) for run in (whole, parts))
        assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    for memory in ("checkpointing", "split"):
        other, settings = make_run(**CHANGES, **{"train.memory": memory})
        again = [event.loss for event in events_of(other, settings) if isinstance(event, StepDone)]
        assert again == pytest.approx(losses, rel=1e-4)
    plain, settings = make_run(**CHANGES | {"train.rank_dropout": 0.0, "train.module_dropout": 0.0})
    assert [e.loss for e in events_of(plain, settings) if isinstance(e, StepDone)][1:] != pytest.approx(
        losses[1:], rel=1e-4
    )


def test_two_processes_leave_out_what_one_does_at_the_same_global_batch(make_run, tmp_path):
    """Layers that sit out in one process and act in the other: both end with the same numbers, those of one process."""
    changes = CHANGES | {"train.batch_size": 1, "train.module_dropout": 0.5, "adapter.text_encoder": False}
    one, settings = make_run(**changes)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    list(events_of(one, settings))
    torch.set_num_threads(threads)
    draft, _ = make_run(**changes | {"train.accumulate": 1})
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "sdlora"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "train", str(draft.folder / "settings.toml")], env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    (two,) = [r for r in list_runs(tmp_path / "runs") if r.folder not in (one.folder, draft.folder)]
    ours, theirs = (load_file(run.checkpoints()[-1][1] / "lora.safetensors") for run in (two, one))
    assert ours.keys() == theirs.keys() and all(torch.equal(value, theirs[key]) for key, value in ours.items())

"""Two processes on the CPU: one run folder, one story, weights that learn from both."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from sdlora.events import Finished, StepDone
from sdlora.runs.run import list_runs
from sdlora.train.loop import train

pytestmark = pytest.mark.slow


def launch(settings_file, processes):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command += ["-m", "sdlora", "train", str(settings_file)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_two_processes_train_one_run(make_run, tmp_path):
    """Two of one image each do what one process does that adds up two batches of one."""
    alone, settings = make_run(**{"train.batch_size": 1, "train.accumulate": 2, "save.every": 1, "save.keep": 0})
    for event in train(settings, alone):
        alone.write(event)
    run, _ = make_run(**{"train.batch_size": 1, "save.every": 1, "save.keep": 0})
    done = launch(run.folder / "settings.toml", 2)
    assert done.returncode == 0, done.stderr
    trained = [r for r in list_runs(tmp_path / "runs") if r.folder not in (run.folder, alone.folder)]
    assert len(trained) == 1
    events = [e for _, e in trained[0].events()]
    assert [e.step for e in events if isinstance(e, StepDone)] == [1, 2, 3, 4]
    # The gradients of the first step: later weights differ, AdamW blows rounding up to its own step size.
    ours, theirs = (load_file(r.checkpoints()[0][1] / "optimizer.safetensors") for r in (trained[0], alone))
    gradients = {key: value for key, value in ours.items() if key.endswith("up.exp_avg")}
    assert gradients and all(value.abs().max() > 0 for value in gradients.values())
    for key, value in gradients.items():
        torch.testing.assert_close(value, theirs[key], rtol=1e-3, atol=float(value.abs().max()) * 1e-4)
    assert isinstance(events[-1], Finished) and (trained[0].folder / "test.safetensors").is_file()


def test_a_problem_is_told_once_and_ends_all(make_run):
    run, settings = make_run()
    file = run.folder / "settings.toml"
    file.write_text(file.read_text().replace(settings.model.base, "nothing"))
    done = launch(file, 2)
    assert done.returncode != 0 and done.stderr.count("There is no base model 'nothing'") == 1

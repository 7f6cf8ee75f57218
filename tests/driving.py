"""A run driven as the command line does it, and what came of it."""

import torch
from safetensors.torch import load_file

from sdlora.events import StepDone
from sdlora.train.loop import training


def drive(run, settings, stop_after=None):
    """All events, written into the run as the command line does; asks for a stop after a step."""
    events = []
    for event in training(settings, run):
        run.write(event)
        events.append(event)
        if isinstance(event, StepDone) and event.step == stop_after:
            run.request("stop")
    return events


def weights(run):
    """The LoRA of the newest checkpoint."""
    return load_file(run.checkpoints()[-1][1] / "lora.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)

"""Where a run goes on: its newest whole checkpoint, what was passed over, and what was due at that step."""

from collections.abc import Generator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from sdlora.adapters.adapter import Adapter
from sdlora.events import Event, Sampled, Validated, Warned
from sdlora.messages import say
from sdlora.runs.checkpoints import newest_intact, set_aside, strangers_in
from sdlora.runs.origin import origin_of
from sdlora.runs.run import Run
from sdlora.settings import Settings
from sdlora.train.average import Average
from sdlora.train.checkpoint import load_checkpoint, load_what_fits


@dataclass(frozen=True)
class Start:
    """Where training starts. step: what is done already. first: nothing of this run is done yet.

    batches: how many a step of the run takes, over all processes and parts; None where that was not kept.
    """

    step: int
    first: bool
    batches: int | None = None


def restore(
    run: Run,
    last: int,
    accelerator: Accelerator,
    adapter: Adapter,
    optimizer: torch.optim.Optimizer,
    average: Average | None = None,
) -> Generator[Event, None, Start]:
    """Load the newest whole checkpoint; warns of each that is passed over, which is set aside. last: the run's steps.

    The first checkpoint of a run with an origin is the origin's: of it is taken what fits the new settings. Raises
    UserError where a checkpoint is whole but fits neither the settings nor the optimizer.
    """
    chosen, said = None, []
    if accelerator.is_main_process:
        chosen, said = _choose(run, last)
    if accelerator.num_processes > 1:
        chosen, said = broadcast_object_list([chosen, said])
    yield from (Warned(words) for words in said)
    if chosen is None:
        return Start(0, True)
    step, folder = chosen
    origin = origin_of(run.folder)
    first = origin is not None and origin.step == step
    if first:
        state, said = load_what_fits(folder, adapter, optimizer)
        yield from (Warned(words) for words in said)
    else:
        state = load_checkpoint(folder, adapter, optimizer, average)
    precision = state.get("precision", accelerator.mixed_precision)
    if precision != accelerator.mixed_precision and not first:
        names = [{"no": "fp32"}.get(name, name) for name in (precision, accelerator.mixed_precision)]
        yield Warned(say("runs.precision_changed", before=names[0], now=names[1]))
    _give_scaler(accelerator, state)
    return Start(step, first, None if first else state.get("batches"))


def scaler_state(accelerator: Accelerator) -> dict:
    """{"scaler": the whole state of the GradScaler that fp16 trains with}; empty without one."""
    scaler = getattr(accelerator, "scaler", None)
    return {"scaler": scaler.state_dict()} if scaler else {}


def _give_scaler(accelerator: Accelerator, state: dict) -> None:
    scaler = getattr(accelerator, "scaler", None)
    if not scaler:
        return
    if "scaler" in state:
        scaler.load_state_dict(state["scaler"])
    elif "loss_scale" in state:  # format 1: the scale alone, without the count of good steps
        scaler.load_state_dict(scaler.state_dict() | {"scale": state["loss_scale"], "_growth_tracker": 0})


def missed(run: Run, settings: Settings, step: int) -> tuple[bool, bool]:
    """(is its validation missing, are its test pictures missing): what was due at the saved step and cut off."""
    validated, sampled = False, False
    for _, event in run.events():
        validated |= isinstance(event, Validated) and event.step == step
        if isinstance(event, Sampled) and event.step == step:
            sampled |= all((run.folder / file).is_file() for file in event.files)
    due = [bool(every) and step % every == 0 for every in (settings.validation.every or 0, settings.sample.every)]
    return due[0] and not validated, due[1] and not sampled and step < settings.train.steps


def _choose(run: Run, last: int):
    folder = run.folder / "checkpoints"
    chosen, damaged = newest_intact(folder, last)
    said = [say("runs.not_a_checkpoint", name=name) for name in strangers_in(folder)]
    for path, why in damaged:
        aside = set_aside(path)
        said.append(say("runs.checkpoint_set_aside", name=path.name, fault=why, aside=aside.name))
    if damaged:
        then = say("runs.begins_again")
        said.append(say("runs.goes_on", step=chosen[0]) if chosen else then)
    return chosen, said

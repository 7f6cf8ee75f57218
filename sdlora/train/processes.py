"""Several processes on one run (accelerate launch, torchrun): one makes the run folder, all train in it.

Every process computes the same from (settings, seed, step) and takes its own batches. The main one, of rank 0, alone
writes: events, checkpoints, pictures, the LoRA; only the cache is filled by all.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list, gather_object
from torch.distributed import DistError

from sdlora.data.cache import Share
from sdlora.errors import ProcessLost, UserError, explain
from sdlora.families.shared.device import choose_device
from sdlora.messages import packed, say, unpacked

# The others wait while the main process draws test pictures, validates and writes the LoRA. Who has died is noticed at
# once, by the connection or by the launcher; this is for a process that hangs.
PATIENCE = timedelta(hours=6)
Made = TypeVar("Made")
BROKEN = re.compile("closed by peer|reset by peer|gloo/transport")


# What a launcher asks accelerate for by these variables; none of it is done to a frozen base (docs/scaling.md).
SHARDERS = {"FSDP": "ACCELERATE_USE_FSDP", "DeepSpeed": "ACCELERATE_USE_DEEPSPEED"}


def sharder() -> str:
    """What the launcher wants the model shared out with; "" for nothing."""
    return next((name for name, variable in SHARDERS.items() if os.environ.get(variable, "").lower() == "true"), "")


@contextmanager
def unsharded() -> Iterator[None]:
    """accelerate, made in here, leaves the model whole in each process, whatever the launcher asks for."""
    before = {variable: os.environ.pop(variable, None) for variable in SHARDERS.values()}
    try:
        yield
    finally:
        os.environ.update({variable: value for variable, value in before.items() if value is not None})


def trains_on_cpu(device: str) -> bool:
    """Is ``train.device`` the CPU here, by choice or because there is nothing else?"""
    return device == "cpu" or choose_device() == "cpu"


def made_by_main(make: Callable[[], Made], device: str) -> Made:
    """What ``make`` returns in the main process, in all of them; an error there is raised there and ends the others."""
    with unsharded():
        state = PartialState(cpu=trains_on_cpu(device), timeout=PATIENCE)
    told: list[Made | None] = [None]
    try:
        if state.is_main_process:
            told = [make()]
    finally:
        broadcast_object_list(told)
    if told[0] is None:
        raise ProcessLost(say("training.main_process_failed"))
    return told[0]


def share_of(accelerator: Accelerator) -> Share:
    """What this process caches: its part of all on its machine, whose processes start at a place of their own.

    Each machine sees to the whole: one that has a cache of its own fills it; those that share one find what another has
    made meanwhile.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))
    machine, machines = accelerator.process_index // here, max(1, accelerator.num_processes // here)
    return Share(accelerator.local_process_index, here, machine / machines)


def meet(accelerator: Accelerator, error: Exception | None) -> None:
    """Wait for all processes. Raises ``error``, what this one ended with; or, as a UserError, what another did."""
    told = packed(explain(error).message) if error else None
    ends = gather_object([told]) if accelerator.num_processes > 1 else []
    if error:
        raise error
    for end in ends:
        if end is not None:
            raise UserError(unpacked(end))


@contextmanager
def noticing_lost_processes() -> Iterator[None]:
    """ProcessLost in the place of what a backend says when another process of the run has died."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, DistError) or BROKEN.search(str(error)):
            raise ProcessLost(say("training.process_lost"), fix=say("training.see_other_process")) from error
        raise

"""Out of memory: the step is done again in a way that needs less, and the run goes on so, from the rung it has reached.

A step changes nothing before its update, and all that is random in it follows from (seed, step, place): so one that
memory ran out in is begun again as if it had never been. What an update that memory runs out in has moved can't be
undone; then the run ends, as with any other error, and its last checkpoint stays.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import psutil
import torch
from accelerate.utils import broadcast_object_list
from diffusers.models import Transformer2DModel
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from sdlora.errors import UserError, ran_out_of_memory
from sdlora.events import Event, Warned
from sdlora.families.shared.device import release_memory
from sdlora.files.intact import Damaged
from sdlora.messages import Message, say, sentences
from sdlora.runs.memory import FILE, NAMES, Memory, record_memory, recorded_memory
from sdlora.train.fastest import LEAST, parameters_of_denoiser
from sdlora.train.prepare import Job

SPARE = 0.05  # of the computer's memory: what is to be left while a step is computed
Done = TypeVar("Done")


class OutOfMemory(Exception):
    """Memory has run out in a step, in this process or another, before the step changed anything."""


@dataclass(frozen=True)
class Rung:
    """One way to need less memory. left: is it still to be taken? take: do so. told: in words, once it is taken."""

    name: str
    left: Callable[[Job], bool]
    take: Callable[[Job], None]
    told: Callable[[Job], Message]


def _unpack(job: Job) -> None:
    if job.trainee.packed:
        job.trainee.packed.remove()
        job.trainee.packed = None


def _split(job: Job) -> None:
    job.memory = replace(job.memory, pieces=min(2 * job.memory.pieces, job.settings.train.batch_size))


def _split_in_words(job: Job) -> Message:
    return say("training.memory_split", count=-(-job.settings.train.batch_size // job.memory.pieces))


RUNGS = (  # from the one that costs the least time
    Rung("unpacked", lambda job: job.trainee.packed is not None, _unpack, lambda _: say("training.memory_unpacked")),
    Rung(
        "checkpointing",
        lambda job: not job.trainee.checkpointing,
        lambda job: job.trainee.checkpoint(),
        lambda _: say("training.memory_checkpointing"),
    ),
    Rung("split", lambda job: job.memory.pieces < job.settings.train.batch_size, _split, _split_in_words),
)


def start_on_rung(job: Job) -> Iterator[Event]:
    """Take the rungs that the settings ask for, and those that the run had come to before it was ended: it says so."""
    wished = job.settings.train.memory
    for rung in RUNGS[: NAMES.index(wished) + 1] if wished in NAMES else ():
        rung.take(job)
    if wished == "split":
        job.memory = replace(job.memory, pieces=job.settings.train.batch_size)
    if wished == "auto" and job.device.type == "cpu" and parameters_of_denoiser(job.trainee.base) >= LEAST:
        _watch(job)
    try:
        before = recorded_memory(job.run.folder)
    except Damaged:
        yield Warned(say("training.memory_damaged", path=job.run.folder / FILE))
        return
    if before:
        for rung in _taken(before):
            rung.take(job)
        job.memory = replace(before, pieces=max(before.pieces, job.memory.pieces))
    if before and before.rungs:
        yield Warned(sentences(say("training.memory_as_before"), *(rung.told(job) for rung in _taken(before))))


def with_less_memory(job: Job, step: int, work: Callable[[], Done]) -> Generator[Event, None, Done]:
    """What ``work`` returns, which raises OutOfMemory: then it is done again, one rung down, until it fits.

    UserError where there is no rung left.
    """
    while True:
        try:
            return work()
        except OutOfMemory:
            pass  # not here: while the error is handled, it keeps what the step has computed
        release_memory(job.device.type)
        yield from _step_down(job, step)


def whatever_fits(job: Job, step: int, what: Message, *ways: Callable[[], Done]) -> Generator[Event, None, Done | None]:
    """What the first of the ways returns that memory suffices for; None, and a warning that ``what`` is left out.

    For what the main process does between steps, and training can do without.
    """
    for way in ways:
        try:
            return way()
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
        release_memory(job.device.type)
    yield Warned(say("training.memory_left_out", step=step, what=what))
    return None


def draw_sparingly(job: Job) -> Iterator[Event]:
    """Test pictures are drawn piece by piece from now on (main process only)."""
    job.memory = replace(job.memory, sparing=True)
    record_memory(job.run.folder, job.memory)
    yield Warned(say("training.memory_sparing"))


def _step_down(job: Job, step: int) -> Iterator[Event]:
    """The next rung, the same in all processes; and it is kept in the run folder. UserError if there is none."""
    names = [next((rung.name for rung in RUNGS if rung.left(job)), "")]
    if job.accelerator.num_processes > 1:
        names = broadcast_object_list(names)
    rung = next((rung for rung in RUNGS if rung.name == names[0]), None)
    if rung is None:
        raise UserError(say("training.memory_used_up", step=step), fix=say("training.need_less_memory"))
    for one in RUNGS[: RUNGS.index(rung) + 1]:  # those above, too, if one of several processes has not taken them
        if one is rung or (one.name != "split" and one.left(job)):
            one.take(job)
    job.memory = replace(job.memory, rungs=tuple(dict.fromkeys([*job.memory.rungs, rung.name])))
    if job.accelerator.is_main_process:
        record_memory(job.run.folder, job.memory)
    yield Warned(sentences(say("training.memory_ran_out", step=step), rung.told(job), say("training.memory_costs")))


def _watch(job: Job) -> None:
    """Look at every block of the denoiser, while it learns, whether memory is used up.

    A CPU's memory may run out without an error: the system swaps, or ends the process.
    """

    def look(*_: object) -> None:
        if torch.is_grad_enabled() and any(rung.left(job) for rung in RUNGS):
            memory = psutil.virtual_memory()
            if memory.available < SPARE * memory.total:
                raise MemoryError

    for module in job.trainee.unet.modules():
        if isinstance(module, ResnetBlock2D | Transformer2DModel):
            module.register_forward_pre_hook(look)


def _taken(memory: Memory) -> list[Rung]:
    return [rung for rung in RUNGS if rung.name in memory.rungs]


# ---- around the gradients of a step


@contextmanager
def in_all_processes(job: Job) -> Iterator[None]:
    """Around what makes a step's gradients: afterwards they are the mean over all processes.

    Raises OutOfMemory, in all of them and with no gradients left, where memory ran out in one. That is why they are
    averaged here and not while they are computed, as DistributedDataParallel does: who waits for the gradients of a
    process that has none can't be told.
    """
    parameters = [p for p in job.trainee.adapter.parameters() if p.requires_grad]
    short, flat = False, None
    try:
        yield
        if job.accelerator.num_processes > 1:
            flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        short = True
    if _anywhere(job, short):
        job.optimizer.zero_grad(set_to_none=True)
        raise OutOfMemory
    if flat is not None:
        _give(parameters, job.accelerator.reduce(flat, "mean"))


def _anywhere(job: Job, here: bool) -> bool:
    """Is it so in any process?"""
    if job.accelerator.num_processes == 1:
        return here
    return job.accelerator.reduce(torch.tensor(float(here), device=job.device), "sum").item() > 0


def _give(parameters: list[torch.nn.Parameter], flat: Tensor) -> None:
    """Each parameter that has a gradient gets its part of the mean, () of all of them one after another."""
    for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        if parameter.grad is not None:
            parameter.grad.copy_(part.view_as(parameter))

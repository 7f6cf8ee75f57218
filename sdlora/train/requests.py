"""What people ask of a run while it trains, through files in its folder: stop, save, sample, pause."""

import time
from collections.abc import Generator

from accelerate.utils import broadcast_object_list

from sdlora.events import Event, Paused
from sdlora.train.between import sample
from sdlora.train.prepare import Job
from sdlora.train.save import save


def asked(job: Job, step: int) -> Generator[Event, None, bool]:
    """Answer requests made through the run folder; returns True for a stop. Waits while paused."""
    paused = False
    while True:
        wishes = agreed(job, [w for w in ("stop", "save", "sample", "pause") if job.run.requested(w)])
        for wish in set(wishes) - {"pause"}:
            job.run.answered(wish)
        if "save" in wishes:
            yield save(job, step)
        if "sample" in wishes:
            yield from sample(job, step)
        if paused != ("pause" in wishes and "stop" not in wishes):
            paused = not paused
            yield Paused(step, paused)
        if "stop" in wishes or not paused:
            return "stop" in wishes
        time.sleep(0.5)


def agreed(job: Job, wishes: list[str]) -> list[str]:
    """The main process's view of the requests, so that all processes do the same."""
    if job.accelerator.num_processes == 1:
        return wishes
    return broadcast_object_list([wishes])[0]

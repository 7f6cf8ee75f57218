"""How long one step takes here and how much memory it needs: measured, by doing it."""

import sys
import tempfile
import time
from dataclasses import asdict, dataclass

import psutil

from sdlora.errors import UserError
from sdlora.events import Warned
from sdlora.families.shared.device import free_memory, used_memory
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings
from sdlora.train.loop import take
from sdlora.train.prepare import prepare
from sdlora.train.trainee import base_of, make_accelerator

SLOW = 20.0  # seconds; after a first step as slow as this, a second tells nothing more


@dataclass(frozen=True)
class Measured:
    """Of one run's settings on this machine.

    step_seconds: of one optimizer step, the first left out where there are more. start_seconds: from the beginning to
    the first step, with the images of one step cached. peak_bytes: the most memory in use, of the GPU where there is
    one. free_bytes: what was free of that memory before. trainable, file_bytes: the LoRA's parameters and its size.
    """

    step_seconds: float
    start_seconds: float
    peak_bytes: int
    free_bytes: int
    trainable: int
    file_bytes: int
    device: str

    def as_dict(self) -> dict:
        return asdict(self)


def probe(settings: Settings, steps: int = 3) -> Measured:
    """Take up to ``steps`` steps with resolved settings, on the images of the first steps alone; nothing is kept but
    their cached latents. Raises UserError for what would stop the run too, running out of memory included.
    """
    settings = settings.model_copy(deep=True)
    settings.sample.prompts, settings.save.every, settings.validation.held_out = [], 0, 0
    began = time.perf_counter()
    accelerator = make_accelerator(settings.train.device, settings.train.precision)
    kind = accelerator.device.type
    free = free_memory(kind)
    free = psutil.virtual_memory().available if free is None else free
    with tempfile.TemporaryDirectory(prefix="sdlora-probe-") as folder:
        run = Run.create(folder, "probe", dump_settings(settings))
        only = settings.train.batch_size * settings.train.accumulate * steps
        job = _last(prepare(settings, run, base_of(settings), accelerator, only))
        job.module, job.prepared = accelerator.prepare(job.trainee.adapter, job.optimizer)
        ready, took = time.perf_counter(), []
        for step in range(1, steps + 1):
            start = time.perf_counter()
            take(job, step)
            took.append(time.perf_counter() - start)
            if took[0] > SLOW:
                break
    rest, used = sorted(took[1:] or took), used_memory(kind)
    adapter = job.trainee.adapter
    return Measured(
        step_seconds=rest[len(rest) // 2],
        start_seconds=ready - began,
        peak_bytes=_peak_bytes() if used is None else used,
        free_bytes=free,
        trainable=adapter.trainable,
        file_bytes=adapter.file_bytes(settings.save.dtype),
        device=str(accelerator.device),
    )


def _last(preparation):
    """What a generator of events returns; a warning is no hindrance here."""
    while True:
        try:
            event = next(preparation)
        except StopIteration as done:
            return done.value
        if isinstance(event, Warned):
            print(event.text, file=sys.stderr)


def _peak_bytes() -> int:
    """The most memory this process ever had."""
    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows
        return memory.peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def fits(measured: Measured) -> UserError | None:
    """The sentence for a run that needs more memory than was free; None if it fits."""
    if measured.peak_bytes <= measured.free_bytes:
        return None
    return UserError(
        f"A step needed {measured.peak_bytes / 1e9:.1f} GB of memory; {measured.free_bytes / 1e9:.1f} GB were free.",
        fix="Turn on train.gradient_checkpointing, or lower data.resolution or train.batch_size.",
        where="train.batch_size",
    )

"""How long one step takes here and how much memory it needs: measured, by doing it."""

import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial

import psutil

from sdlora.errors import UserError
from sdlora.events import Warned
from sdlora.families.shared.device import free_memory, used_memory
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings
from sdlora.train.ladder import start_on_rung, with_less_memory
from sdlora.train.loop import take
from sdlora.train.prepare import prepare_job
from sdlora.train.trainee import arithmetic_of, base_of, make_accelerator

SLOW = 20.0  # seconds; after a first step as slow as this, a second tells nothing more


@dataclass(frozen=True)
class Measured:
    """Time and memory of one step, measured with one run's settings on this machine.

    step_seconds: of one optimizer step, the first left out where there are more. start_seconds: from the beginning to
    the first step, with the images of one step cached. peak_bytes: the most memory in use, of the GPU where there is
    one. free_bytes: what was free of that memory before. trainable, file_bytes: the LoRA's parameters and its size.
    precision: "fp32" or the like; arithmetic: in words, and how it was chosen where that was measured.
    """

    step_seconds: float
    start_seconds: float
    peak_bytes: int
    free_bytes: int
    trainable: int
    file_bytes: int
    device: str
    precision: str = ""
    arithmetic: str = ""

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)


def probe(settings: Settings, steps: int = 3) -> Measured:
    """Measure up to ``steps`` steps with resolved settings, on the images of the first steps alone.

    Nothing is kept but the cache: latents, and on a CPU weights and which precision is the fastest, measured anew.
    Raises UserError for what would stop the run too, running out of memory included.
    """
    settings = settings.model_copy(deep=True)
    settings.sample.prompts, settings.save.every, settings.validation.held_out = [], 0, 0
    began = time.perf_counter()
    available = psutil.virtual_memory().available
    with tempfile.TemporaryDirectory(prefix="sdlora-probe-") as folder:
        run = Run.create(folder, "probe", dump_settings(settings))
        base = base_of(settings)
        arithmetic = arithmetic_of(settings, run, base, anew=True)
        accelerator = make_accelerator(settings.train.device, arithmetic.precision)
        kind = accelerator.device.type
        free = free_memory(kind)
        free = available if free is None else free
        only = settings.train.batch_size * settings.train.accumulate * steps
        job = _last(prepare_job(settings, run, base, accelerator, arithmetic, only))
        job.wrap()
        _last(start_on_rung(job))
        ready, took = time.perf_counter(), []
        for step in range(1, steps + 1):
            start = time.perf_counter()
            _last(with_less_memory(job, step, partial(take, job, step)))
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
        precision=arithmetic.precision,
        arithmetic=arithmetic.described,
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


def memory_problem(measured: Measured) -> UserError | None:
    """The sentence for a run that needs more memory than was free; None if it fits."""
    if measured.peak_bytes <= measured.free_bytes:
        return None
    return UserError(
        say(
            "training.step_out_of_memory",
            needed=f"{measured.peak_bytes / 1e9:.1f}",
            free=f"{measured.free_bytes / 1e9:.1f}",
        ),
        fix=say("training.lower_memory"),
        where="train.batch_size",
    )

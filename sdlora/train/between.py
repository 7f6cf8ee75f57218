"""What happens between steps: the validation loss, test pictures, notes."""

import math
import time
from collections.abc import Generator, Iterator
from functools import partial

from sdlora.check import stack_of
from sdlora.errors import Problem, ran_out_of_memory
from sdlora.events import ByHeart, Event, Progress, Sampled, Validated, Warned
from sdlora.families.shared.device import release_memory
from sdlora.messages import say
from sdlora.pictures.grid import save_png
from sdlora.pictures.pipeline import Look, draw
from sdlora.runs.pictures import thin_pictures
from sdlora.train.average import holding
from sdlora.train.by_heart import FORWARDS, Recital, Recited, to_recite
from sdlora.train.drift import LOOKED_AT, PROMPTS
from sdlora.train.ladder import draw_sparingly, whatever_fits
from sdlora.train.measure import prediction_note
from sdlora.train.prepare import Job
from sdlora.train.validate import TIMESTEPS

CAP_PACE = 100  # steps between two sentences on capped norms


def validate(job: Job, step: int) -> Iterator[Event]:
    """Measure the validation loss and the drift of this step (main process only)."""
    if job.settings.validation.every == 0 or not job.accelerator.is_main_process:
        return
    yield Progress("validation", 0, 1)
    began = time.perf_counter()
    sizes = dict.fromkeys((job.settings.train.batch_size, 1))
    ways = [partial(_measured, job, batch_size) for batch_size in sizes]
    told = yield from whatever_fits(job, step, say("training.of_validation"), *ways)
    seconds = round(time.perf_counter() - began, 4)
    job.rhythm.charge(step, seconds)
    if told is not None:
        loss, training, drift = told
        found = Validated(step, loss, len(job.held_out), training, drift, seconds)
        job.curve.take(found)
        yield found


def _measured(job: Job, batch_size: int) -> tuple[float, float, float]:
    """(validation loss, that of training images where others are held out, drift)."""
    how = (job.device, batch_size)
    with job.accelerator.autocast(), holding(job.trainee.adapter, job.exported()):
        training = job.beside.loss(*how) if job.beside else math.nan
        return job.validation.loss(*how), training, job.drift.measure(*how)


def by_heart(job: Job, step: int) -> Iterator[Event]:
    """Look whether the images are learnt by heart, if the time allows it (main process only)."""
    if job.settings.validation.every == 0 or not job.accelerator.is_main_process:
        return
    needed = job.rhythm.latest * FORWARDS / _forwards_of_validation(job)
    if needed > job.rhythm.room:
        why = say("runs.heart_no_time", needed=f"{needed:.1f}", room=f"{job.rhythm.room:.1f}")
        yield ByHeart(step, why=why)
        return
    yield Progress("by_heart", 0, 1)
    recital = Recital(job.trainee, job.items, job.latents, job.captioning, job.settings.train.seed)
    began = time.perf_counter()
    sizes = dict.fromkeys((job.settings.train.batch_size, 1))
    ways = [partial(_recited, job, recital, batch_size) for batch_size in sizes]
    told = yield from whatever_fits(job, step, say("training.of_by_heart"), *ways)
    seconds = round(time.perf_counter() - began, 4)
    if told is None:
        yield ByHeart(step, why=say("runs.heart_no_memory"), seconds=seconds)
        return
    ours, base = told
    yield ByHeart(step, len(to_recite(job.items)), ours.own, base.own, ours.spread, base.spread, seconds)


def _recited(job: Job, recital: Recital, batch_size: int) -> tuple[Recited, Recited]:
    with job.accelerator.autocast(), holding(job.trainee.adapter, job.exported()):
        return recital.both(job.device, batch_size)


def _forwards_of_validation(job: Job) -> int:
    """How often one measurement sends an image through the denoiser."""
    images = len(job.validation.items) + (len(job.beside.items) if job.beside else 0)
    return images * len(TIMESTEPS) + len(PROMPTS) * len(LOOKED_AT)


def sample(job: Job, step: int) -> Iterator[Event]:
    """Draw the test pictures of this step (main process only)."""
    wish = job.settings.sample
    if not wish.prompts or not job.accelerator.is_main_process:
        return
    if job.run.folder.is_dir():
        (job.run.folder / "samples").mkdir(exist_ok=True)  # somebody may have tidied up
    while True:
        try:
            files = yield from _drawn(job, step)
            break
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
        release_memory(job.device.type)
        if job.memory.sparing:
            yield Warned(say("training.memory_left_out", step=step, what=say("training.of_pictures")))
            return
        yield from draw_sparingly(job)
    thin_pictures(job.run.folder / "samples")
    yield Sampled(step, files)


def _drawn(job: Job, step: int) -> Generator[Event, None, list[str]]:
    """Draw them all and write them; returns their paths in the run folder."""
    look, trainee, files = Look.of(job.settings), job.trainee, list[str]()
    yield Progress("samples", 0, len(look.prompts))
    stack, sparing = stack_of(job.settings.adapter.stack), job.memory.sparing
    with job.accelerator.autocast(), holding(trainee.adapter, job.exported()):
        for picture in draw(trainee.base, look, trainee.unet, trainee.text_encoders, stack, sparing):
            files.append(f"samples/{step:06d}_{len(files):02d}.png")
            save_png(picture, job.run.folder / files[-1])
            yield Progress("samples", len(files), len(look.prompts))
    return files


def check_prediction(job: Job) -> Iterator[Event]:
    """A note if the base model's own answer speaks for another prediction than the one trained."""

    def note() -> Problem | None:
        with job.accelerator.autocast():
            captioning, seed = job.captioning, job.settings.train.seed
            return prediction_note(job.trainee, job.items[0], job.latents, captioning, seed)

    problem = yield from whatever_fits(job, 0, say("training.of_prediction"), note)
    if problem:
        yield Warned(problem.message)


def cache_notes(job: Job) -> Iterator[Event]:
    """What this step found: damage in the caches, which is mended; why nothing is packed; a GPU that overflows."""
    text, packed = job.trainee.text_cache, job.trainee.packed
    for notes in (job.latents.notes, text.notes if text else [], packed.notes if packed else []):
        while notes:
            yield Warned(notes.pop(0))
    if job.spill and (note := job.spill.note()):
        yield Warned(note)


def cap_notes(job: Job) -> Iterator[Event]:
    """How many layers the cap of the norms scaled down: the first time, then every so many steps."""
    if job.capped and (not job.capped_told or job.done % CAP_PACE == 0):
        job.capped_told = True
        yield Warned(say("training.norms_capped", step=job.done, count=job.capped, all=len(job.trainee.adapter.layers)))


def due(step: int, every: int) -> bool:
    """Is something that comes every so many steps due after this one? 0 for never."""
    return every > 0 and step % every == 0

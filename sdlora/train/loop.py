"""The training loop: a generator of events. It knows no terminal and no page."""

import math
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import psutil
import torch
from torch.optim.lr_scheduler import LRScheduler

from sdlora.adapters.norms import cap_norms
from sdlora.adapters.thinning import Thinning, thinned
from sdlora.check import base_in_short
from sdlora.data.dataset import seed_for
from sdlora.errors import Unstable
from sdlora.events import Event, Finished, Progress, Started, StepDone, Stopping, Warned
from sdlora.families.shared.device import used_memory
from sdlora.messages import say
from sdlora.runs.curve import curve_of
from sdlora.runs.origin import calmer_command
from sdlora.runs.run import Run
from sdlora.settings import Settings, TrainSettings
from sdlora.train.batch import Batch, make_batch
from sdlora.train.between import cache_notes, cap_notes, check_prediction, due, sample, validate
from sdlora.train.finish import finish, try_export
from sdlora.train.health import PACE, Health, watched
from sdlora.train.ladder import in_all_processes, start_on_rung, with_less_memory
from sdlora.train.losses import LOSSES
from sdlora.train.noise import Noising
from sdlora.train.objective import error_of
from sdlora.train.optimizers import OPTIMIZERS
from sdlora.train.patience import ends_early
from sdlora.train.prepare import Job, Stopped, prepare_job
from sdlora.train.processes import noticing_lost_processes, sharder
from sdlora.train.requests import asked
from sdlora.train.restore import missed, restore
from sdlora.train.rhythm import rhythm_of
from sdlora.train.save import rescue, save, save_notable
from sdlora.train.schedules import Shape, make_scheduler, put_at
from sdlora.train.timesteps import Timesteps
from sdlora.train.trainee import Trainee, arithmetic_of, base_of, make_accelerator
from sdlora.train.weightings import WEIGHTINGS

LEAST_SCALE = 2.0**-10  # of a GradScaler; below, it is not the scale that makes gradients infinite


def training(settings: Settings, run: Run) -> Generator[Event, None, None]:
    """Train one adapter; say what happens as it happens. ``settings`` are resolved (see check.resolve).

    Goes on from the run's newest checkpoint if it has one. Ends with Finished; raises UserError for what a person
    can mend. The run's lock is the caller's business, and so is writing the events down.
    """
    base = base_of(settings)
    arithmetic = arithmetic_of(settings, run, base)
    accelerator = make_accelerator(settings.train.device, arithmetic.precision)
    with noticing_lost_processes():
        if asked_for := sharder():
            yield Warned(say("training.not_sharded", what=asked_for))
        try:
            job = yield from prepare_job(settings, run, base, accelerator, arithmetic)
        except Stopped:
            if accelerator.is_main_process:
                run.answered("stop")
            yield Finished(0, "stopped", say("training.stopped_before_start"))
            return
        past = (event for _, event in run.events())
        patience = 2 * PACE if accelerator.mixed_precision == "fp16" else PACE
        of_nothing = LOSSES[settings.train.loss].of_nothing
        health = Health(job.trainee.adapter, job.optimizer, run.folder, past, patience, of_nothing)
        events = steps(job)
        try:
            yield from watched(events, health)
        finally:
            events.close()  # at once: it saves its last step, wherever the error was


def steps(job: Job) -> Generator[Event, None, None]:
    """From the newest checkpoint to the last step, or to a stop.

    Whatever ends it after a step (an error, Ctrl-C, the generator closed), the state of that step is saved first.
    """
    train, adapter = job.settings.train, job.trainee.adapter
    kind = "constant" if OPTIMIZERS[train.optimizer].own_schedule else train.scheduler
    scheduler = make_scheduler(job.optimizer, kind, train.steps, knobs_of(train))
    # Before the state is restored: accelerate would move all of it to the GPU, AdamW's step counts too, which torch
    # keeps on the CPU, so that a resumed run would wait for the GPU at every one of them.
    job.wrap()
    start = yield from restore(job.run, train.steps, job.accelerator, adapter, job.optimizer, job.average)
    if job.average and not job.average.tensors:
        job.average.begin(adapter)
    job.done = start.step
    job.rhythm = rhythm_of(job.settings.validation.every, (event for _, event in job.run.events()))
    if job.rhythm.at != job.done:  # of steps that are done again
        job.rhythm.at = -1
    job.curve = curve_of(event for _, event in job.run.events())
    job.curve.forget_after(job.done)
    if start.batches:
        job.keep_batches(start.batches)
    put_at(scheduler, job.done)
    if job.accelerator.is_main_process:
        job.run.drop_old_checkpoints(job.settings.save.keep, job.notable)  # a kill may have cut that off
    yield Started(
        job.done, train.steps, len(job.items), adapter.trainable, adapter.total,
        adapter.file_bytes(job.settings.save.dtype), str(job.device),
        base_in_short(job.trainee.base, train), job.arithmetic.described,
    )  # fmt: skip
    yield from start_on_rung(job)
    try:
        yield from catch_up(job, start.first)
        yield from all_steps(job, scheduler, start.first)
    except (Exception, KeyboardInterrupt) as error:
        yield from rescue(job, error)
        raise
    except GeneratorExit:  # closed by whoever reads the events: nobody is left to tell
        list(rescue(job))
        raise


def catch_up(job: Job, first: bool) -> Iterator[Event]:
    """What belongs to the step that is done already: at the beginning "before", later what a kill has cut off."""
    if first:
        yield from check_prediction(job)
    validation, pictures = (True, True) if first else missed(job.run, job.settings, job.done)
    if validation:
        yield from validate(job, job.done)
    if pictures:
        yield from sample(job, job.done)


def all_steps(job: Job, scheduler: LRScheduler, trial: bool = False) -> Iterator[Event]:
    """The steps that are left, what is due between them, and the end.

    trial: try to export after the first of them: the change is not zero any more then, and nobody waits for it before
    there is a step to see.
    """
    train, why, told = job.settings.train, "done", None
    for step in range(job.done + 1, train.steps + 1):
        if (yield from asked(job, step - 1)):
            why = "stopped"
            yield Stopping(step - 1)
            break
        if told := ends_early(job):
            break
        began = time.perf_counter()
        lr = job.optimizer.param_groups[0]["lr"]
        loss = yield from with_less_memory(job, step, partial(take, job, step))
        scheduler.step()
        job.done, job.torn = step, False
        done = StepDone(step, loss, lr, round(time.perf_counter() - began, 4), memory(job))
        job.rhythm.take(done)
        yield done
        yield from cache_notes(job)
        yield from cap_notes(job)
        if trial and step < train.steps:  # else the end exports at once
            yield Progress("export", 0, 1)
            try_export(job)
        trial = False
        if job.rhythm.due(step):
            yield from validate(job, step)
        if step < train.steps:
            if due(step, job.settings.save.every):
                yield save(job, step)
            yield from save_notable(job, step)
            if due(step, job.settings.sample.every):
                yield from sample(job, step)
    yield from finish(job, job.done, why, told or "")


def take(job: Job, step: int) -> float:
    """One step: noise, prediction, error, update (Ho et al. 2020, algorithm 1). Returns the mean error, unweighted.

    Raises OutOfMemory, in all processes, if that was so in one before the update: then nothing has changed.
    """
    train, trainee, accelerator = job.settings.train, job.trainee, job.accelerator
    loss, weigh = LOSSES[train.loss], WEIGHTINGS[train.weighting].weigh(train)
    predict = partial(job.module, trainee.predict)
    total = 0.0
    # fmt: off
    # ------------------------------------------------------------------------------------------ one step
    with in_all_processes(job):  # OutOfMemory leaves here, before anything is changed
        for batch, parts in batches_at(job, step):                              # x0, noise: (B, 4, h, w)
            # noise, prediction, error
            with acting_in_part(job, step, batch):
                weighted, error = error_of(trainee, batch, loss, weigh, predict)    # (B,) each
                accelerator.backward(weighted.mean() / parts)
            total += error.mean().item() / parts
    total = mean_over_processes(job, total)
    # The norm is taken for its own sake, too: a norm that is not finite would ruin all weights at once.
    norm = accelerator.clip_grad_norm_(trainee.adapter.parameters(), train.max_grad_norm or math.inf)  # ()
    refuse_unstable(job, step, total, float(norm))
    # update
    job.torn = True
    job.prepared.step()
    job.prepared.zero_grad()
    job.capped = cap_norms(trainee.adapter, train.max_weight_norm) if train.max_weight_norm else 0
    if job.average:
        job.average.update(trainee.adapter, step)
    # ----------------------------------------------------------------------------------------------------
    # fmt: on
    return total


def batches_at(job: Job, step: int) -> Iterator[tuple[Batch, float]]:
    """(batch, as how many such the step counts) for all of a step that this process takes, on its device.

    There is one for each batch that is accumulated; more where memory has them split.
    """
    train, trainee, accelerator = job.settings.train, job.trainee, job.accelerator
    noising = noising_of(train)
    for turn, numbers in enumerate(job.plan.at(step, accelerator.process_index)):
        slot = (turn * accelerator.num_processes + accelerator.process_index) * train.batch_size
        batch = make_batch(
            [job.planned[n] for n in numbers], job.latents, job.captioning,
            seed=train.seed, step=step, first_slot=slot, flip=job.settings.data.flip,
            scaling_factor=trainee.scaling_factor, noising=noising,
            train_timesteps=len(trainee.alphas_cumprod), inpainting=trainee.base.inpainting,
            prior_weight=train.prior_weight, unmasked_weight=train.unmasked_weight,
        )  # fmt: skip
        for piece in pieces_of(trainee, batch, job.memory.pieces):
            yield piece.to(job.device), job.plan.accumulate * len(batch) / len(piece)


def knobs_of(train: TrainSettings) -> Shape:
    """The knobs of a run's learning rate schedule."""
    return Shape(train.warmup, train.cycles, train.power, train.lr_floor, train.step_rules)


def noising_of(train: TrainSettings) -> Noising:
    """How a run's noise and timesteps are drawn."""
    return Noising(
        offset=train.noise_offset,
        pyramid=train.pyramid_noise,
        discount=train.pyramid_discount,
        perturbation=train.input_perturbation,
        timesteps=Timesteps(
            train.timesteps, train.timestep_bias, train.timestep_spread, train.min_timestep, train.max_timestep
        ),
    )


def acting_in_part(job: Job, step: int, batch: Batch) -> AbstractContextManager:
    """In it, not all of the adapter acts, as settings, seed, step and the images' places in the step have it."""
    train, trainee = job.settings.train, job.trainee
    thinning = Thinning(train.rank_dropout, train.module_dropout, train.rank_at_noise)
    if thinning.idle:
        return nullcontext()

    def dice(what: str, number: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_for(train.seed, what, step, number))

    images = [dice("ranks", slot) for slot in batch.slots]
    whole = dice("layers", batch.slots[0] // train.batch_size)
    levels = len(trainee.alphas_cumprod)
    return thinned(trainee.adapter, thinning, batch.timesteps, levels, images, whole, trainee.base.denoiser)


def pieces_of(trainee: Trainee, batch: Batch, count: int) -> Iterator[Batch]:
    """The batch in so many pieces as even as can be. Its texts are read together: a shorter one is filled up."""
    if count > 1:
        batch = replace(batch, text=trainee.text_input(batch.texts))
    for rows in torch.arange(len(batch)).tensor_split(min(count, len(batch))):
        yield batch if count == 1 else batch.rows(int(rows[0]), int(rows[-1]) + 1)


def mean_over_processes(job: Job, value: float) -> float:
    """The mean of a number that each process has."""
    if job.accelerator.num_processes == 1:
        return value
    return job.accelerator.reduce(torch.tensor(value, device=job.device, dtype=torch.float64), "mean").item()


def refuse_unstable(job: Job, step: int, loss: float, norm: float) -> None:
    """Unstable, before the update, where the loss or the gradients' norm is not finite and no scaler mends it."""
    if not math.isfinite(loss) or not bearable(job, norm):
        usual = say("training.lr_or_fp16")
        lower = say("training.try_lower_lr", command=calmer_command(job.run, job.settings, step))
        raise Unstable(say("training.unstable", step=step), fix=f"{usual} {lower}")


def bearable(job: Job, norm: float) -> bool:
    """Can the update be made? A GradScaler skips one that can't and lowers its scale, until it can."""
    scaler = getattr(job.accelerator, "scaler", None)
    return math.isfinite(norm) or (scaler is not None and scaler.get_scale() >= LEAST_SCALE)


def memory(job: Job) -> int:
    """Bytes in use: the GPU's where there is one, else the process's."""
    used = used_memory(job.device.type)
    return psutil.Process().memory_info().rss if used is None else used

"""The training loop: a generator of events. It knows no terminal and no page."""

import math
import time
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from sdlora.check import base_in_short, scan_for, stack_of
from sdlora.data.dataset import Item, Plan, hold_out
from sdlora.data.kept import compare_with_kept
from sdlora.errors import Unstable, UserError, explain
from sdlora.events import (
    Event,
    Finished,
    Paused,
    Progress,
    Sampled,
    Saved,
    Started,
    StepDone,
    Stopping,
    Validated,
    Warned,
)
from sdlora.families.base import BaseInfo
from sdlora.families.shared.device import used_memory
from sdlora.lorafiles.sidecar import write_sidecars
from sdlora.pictures.grid import save_png
from sdlora.pictures.pipeline import Look, draw
from sdlora.runs.origin import calmer_command, origin_of
from sdlora.runs.run import Run, safe_name
from sdlora.settings import Settings
from sdlora.train.batch import Captioning, make_batch
from sdlora.train.caching import Latents, TextStore, cache_latents, cache_texts
from sdlora.train.checkpoint import save_checkpoint
from sdlora.train.finish import facts_of, write_trained
from sdlora.train.health import PACE, Health, watched
from sdlora.train.losses import LOSSES
from sdlora.train.measure import contradiction
from sdlora.train.objective import error_of
from sdlora.train.optimizers import OPTIMIZERS
from sdlora.train.optimizers.groups import make_optimizer
from sdlora.train.prepare import (
    DTYPES,
    Trainee,
    base_of,
    load_trainee,
    make_accelerator,
    needs_text_encoders,
    reader_of,
)
from sdlora.train.restore import missed, restore, scaler_state
from sdlora.train.schedules import make_scheduler, put_at
from sdlora.train.validate import Validation, measured_on

LEAST_SCALE = 2.0**-10  # of a GradScaler; below, it is not the scale that makes gradients infinite


class _Stop(Exception):
    """A stop was asked for before the first step."""


def train(settings: Settings, run: Run) -> Generator[Event, None, None]:
    """Train one adapter; say what happens as it happens. ``settings`` are resolved (see check.resolve).

    Goes on from the run's newest checkpoint if it has one. Ends with Finished; raises UserError for what a person
    can mend. The run's lock is the caller's business, and so is writing the events down.
    """
    accelerator = make_accelerator(settings.train.device, settings.train.precision)
    try:
        job = yield from prepare(settings, run, base_of(settings), accelerator)
    except _Stop:
        yield Finished(0, "stopped", "Stopped before the first step.")
        return
    past = [event for _, event in run.events()]
    patience = 2 * PACE if accelerator.mixed_precision == "fp16" else PACE
    steps = job.steps()
    try:
        yield from watched(
            steps,
            Health(
                job.trainee.adapter, job.optimizer, run.folder, past, patience, LOSSES[settings.train.loss].of_nothing
            ),
        )
    finally:
        steps.close()  # at once: it saves its last step, wherever the error was


def prepare(
    settings: Settings, run: Run, base: BaseInfo, accelerator: Accelerator, only: int = 0
) -> Generator[Event, None, "Job"]:
    """Everything before the first step, as Progress events; returns the Job. Ended by a stop request: _Stop.

    only: how many of the images to take, from the first; 0 for all.
    """
    data, dtype, cache_folder = settings.data, DTYPES[accelerator.mixed_precision], Path(settings.data.cache)
    yield from _or_stop(run, Progress("model", 0, 1))
    dataset = scan_for(settings, base)
    items = dataset.items[: only or None]
    fatal = [problem for problem in dataset.problems if problem.fatal]
    if fatal:
        raise UserError(*fatal)
    yield from (Warned(str(problem)) for problem in dataset.problems)
    if accelerator.is_main_process:
        yield from (Warned(words) for words in compare_with_kept(run.folder, dataset.items))
    captioning = Captioning(
        data.trigger, data.shuffle_tags, data.keep_tags, data.tag_dropout, data.caption_dropout,
        data.caption_lines, data.wildcards,
    )  # fmt: skip
    latents = text = None
    with accelerator.main_process_first():  # the others then find everything cached
        for event in cache_latents(items, base, cache_folder, data.flip, accelerator.device):
            latents = event if isinstance(event, Latents) else (yield from _or_stop(run, event))
        if not needs_text_encoders(settings) and not captioning.varies(items):
            texts, reader = captioning.texts(items), reader_of(settings, base, data.weighted_captions)
            stack = stack_of(settings.adapter.stack)
            for event in cache_texts(texts, base, reader, stack, cache_folder, accelerator.device, dtype):
                text = event if isinstance(event, TextStore) else (yield from _or_stop(run, event))
    yield from _or_stop(run, Progress("model", 0, 1))  # again: images and captions were told of meanwhile
    trainee = load_trainee(settings, base, text, accelerator.device, dtype)
    yield from _or_stop(run, Progress("model", 1, 1))
    yield from _long_captions(trainee, items, captioning)
    training, held_out = hold_out(items, settings.validation.held_out, settings.train.seed)
    return Job(settings, run, accelerator, trainee, training, held_out, latents, captioning)


def _long_captions(trainee: Trainee, items: Sequence[Item], captioning: Captioning) -> Iterator[Event]:
    """A warning that names the captions whose end the text encoder does not see."""
    most = trainee.reader.max_chunks
    texts = [captioning.still.text(item, 0, 0, 0) for item in items]
    names = [i.name for i, t in zip(items, texts, strict=True) if len(trainee.reader.chunks(t)) > most]
    if names:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        room = most * trainee.reader.room
        yield Warned(f"Longer than {room} tokens, the end is not seen: the captions of {shown}. Shorten them.")


def _or_stop(run: Run, event: Event) -> Iterator[Event]:
    yield event
    if run.requested("stop"):
        run.answered("stop")
        raise _Stop


class Job:
    """One run's state while it trains."""

    def __init__(
        self,
        settings: Settings,
        run: Run,
        accelerator: Accelerator,
        trainee: Trainee,
        items: Sequence[Item],
        held_out: Sequence[Item],
        latents: Latents,
        captioning: Captioning,
    ):
        self.settings, self.run, self.accelerator = settings, run, accelerator
        self.trainee, self.items, self.latents, self.captioning = trainee, items, latents, captioning
        chosen, train = trainee.adapter, settings.train
        rates = {"unet": train.lr, **dict.fromkeys(trainee.base.text_encoders, train.text_encoder_lr)}
        self.optimizer = make_optimizer(chosen, rates, train.weight_decay, train.optimizer)
        self.plan = Plan(items, train.batch_size, train.seed, accelerator.num_processes, train.accumulate)
        self.held_out = held_out
        self.validation = Validation(
            trainee, measured_on(items, held_out), latents, captioning, train.seed, LOSSES[train.loss]
        )
        self.device = accelerator.device
        self.process = psutil.Process()
        self.done = 0  # steps whose weights the adapter holds
        self.torn = False  # is an update under way, so that the weights are of no step?

    # ---- the loop

    def steps(self) -> Iterator[Event]:
        """From the newest checkpoint to the last step, or to a stop.

        Whatever ends it after a step (an error, Ctrl-C, the generator closed), the state of that step is saved first.
        """
        train, adapter = self.settings.train, self.trainee.adapter
        kind = "constant" if OPTIMIZERS[train.optimizer].own_schedule else train.scheduler
        scheduler = make_scheduler(self.optimizer, kind, train.warmup, train.steps, cycles=train.cycles)
        # Before the state is restored: accelerate would move all of it to the GPU, AdamW's step counts too, which torch
        # keeps on the CPU, so that a resumed run would wait for the GPU at every one of them.
        self.module, self.prepared = self.accelerator.prepare(adapter, self.optimizer)
        start = yield from restore(self.run, train.steps, self.accelerator, adapter, self.optimizer)
        self.done = start.step
        put_at(scheduler, self.done)
        yield Started(
            self.done, train.steps, len(self.items), adapter.trainable, adapter.total,
            adapter.file_bytes(self.settings.save.dtype), str(self.device),
            base_in_short(self.trainee.base, train.min_snr_gamma),
        )  # fmt: skip
        try:
            yield from self._catch_up(start.first)
            yield from self._all_steps(scheduler)
        except (Exception, KeyboardInterrupt) as error:
            yield from self._rescue(error)
            raise
        except GeneratorExit:  # closed by whoever reads the events: nobody is left to tell
            list(self._rescue())
            raise

    def _rescue(self, error: BaseException | None = None) -> Iterator[Event]:
        """Save the step that is done, whatever ended the run after it; but not what has become unstable."""
        folder = self.run.folder / f"checkpoints/{self.done:06d}"
        if self.done == 0 or self.torn or isinstance(error, Unstable) or not self.accelerator.is_main_process:
            return
        if (self.done, folder) in self.run.checkpoints():
            return
        try:
            self._write_checkpoint(self.done)
        except (OSError, UserError) as second:  # the first error is the one to tell; this one is why steps are lost
            yield Warned(f"The state of step {self.done} could not be saved: {explain(second)}")
        else:
            yield self._saved(self.done)

    def _catch_up(self, first: bool) -> Iterator[Event]:
        """What belongs to the step that is done already: at the beginning "before", later what a kill has cut off."""
        if first:
            yield from self._measure()
        validation, pictures = (True, True) if first else missed(self.run, self.settings, self.done)
        if validation:
            yield from self.validate(self.done)
        if pictures:
            yield from self.sample(self.done)
        if first:
            yield Progress("export", 0, 1)
            self._try_export()

    def _all_steps(self, scheduler) -> Iterator[Event]:
        train, why = self.settings.train, "done"
        for step in range(self.done + 1, train.steps + 1):
            if (yield from self._asked(step - 1)):
                why = "stopped"
                yield Stopping(step - 1)
                break
            began = time.perf_counter()
            lr = self.optimizer.param_groups[0]["lr"]
            # ------------------------------------------------ one step
            loss = self.take(step)
            scheduler.step()
            # ---------------------------------------------------------
            self.done, self.torn = step, False
            yield StepDone(step, loss, lr, round(time.perf_counter() - began, 4), self._memory())
            yield from self._cache_notes()
            if _due(step, self.settings.validation.every):
                yield from self.validate(step)
            if step < train.steps:
                if _due(step, self.settings.save.every):
                    yield self.save(step)
                if _due(step, self.settings.sample.every):
                    yield from self.sample(step)
        yield from self._finish(self.done, why)

    def take(self, step: int) -> float:
        """Forward, backward and update; returns the mean loss over the images, before weighting."""
        train, trainee, total = self.settings.train, self.trainee, 0.0
        batches = self.plan.at(step, self.accelerator.process_index)
        for turn, numbers in enumerate(batches):
            slot = (turn * self.accelerator.num_processes + self.accelerator.process_index) * train.batch_size
            batch = make_batch(
                [self.items[n] for n in numbers], self.latents, self.captioning,
                seed=train.seed, step=step, first_slot=slot, flip=self.settings.data.flip,
                scaling_factor=trainee.scaling_factor, noise_offset=train.noise_offset,
                train_timesteps=len(trainee.alphas_cumprod), inpainting=trainee.base.inpainting,
            )  # fmt: skip
            loss, plain = self._loss(batch)
            if turn + 1 < len(batches):
                with self.accelerator.no_sync(self.module):
                    self.accelerator.backward(loss / len(batches))
            else:
                self.accelerator.backward(loss / len(batches))
            total += plain / len(batches)
        if self.accelerator.num_processes > 1:
            total = self.accelerator.reduce(torch.tensor(total, device=self.device), "mean").item()
        # The norm is taken for its own sake, too: a norm that is not finite would ruin all weights at once.
        norm = self.accelerator.clip_grad_norm_(trainee.adapter.parameters(), train.max_grad_norm or math.inf)
        if not math.isfinite(total) or not self._bearable(float(norm)):
            usual = "Usually train.lr is too high, or fp16 is used where bf16 is safer; the last checkpoint is kept."
            lower = f"To try a lower rate: {calmer_command(self.run, self.settings, step)}"
            raise Unstable(f"Training became unstable at step {step}.", fix=f"{usual} {lower}")
        self.torn = True
        self.prepared.step()
        self.prepared.zero_grad()
        return total

    def _bearable(self, norm: float) -> bool:
        """Can the update be made? A GradScaler skips one that can't and lowers its scale, until it can."""
        scaler = getattr(self.accelerator, "scaler", None)
        return math.isfinite(norm) or (scaler is not None and scaler.get_scale() >= LEAST_SCALE)

    def _loss(self, batch) -> tuple[torch.Tensor, float]:
        """(weighted loss to descend, plain mean squared error)."""
        gamma, predict = self.settings.train.min_snr_gamma, partial(self.module, self.trainee.predict)
        weighted, plain = error_of(
            self.trainee, batch.to(self.device), LOSSES[self.settings.train.loss], gamma, predict
        )
        return weighted.mean(), plain.mean().item()

    # ---- what happens between steps

    def _cache_notes(self) -> Iterator[Event]:
        """What the caches found damaged, and made again, while this step read them."""
        for store in filter(None, (self.latents, self.trainee.text_cache)):
            while store.notes:
                yield Warned(store.notes.pop(0))

    def _asked(self, step: int) -> Iterator[Event]:
        """Answer requests made through the run folder; returns True for a stop. Waits while paused."""
        paused = False
        while True:
            wishes = self._agreed([w for w in ("stop", "save", "sample", "pause") if self.run.requested(w)])
            for wish in set(wishes) - {"pause"}:
                self.run.answered(wish)
            if "save" in wishes:
                yield self.save(step)
            if "sample" in wishes:
                yield from self.sample(step)
            if paused != ("pause" in wishes and "stop" not in wishes):
                paused = not paused
                yield Paused(step, paused)
            if "stop" in wishes or not paused:
                return "stop" in wishes
            time.sleep(0.5)

    def _agreed(self, wishes: list[str]) -> list[str]:
        """The main process's view of the requests, so that all processes do the same."""
        if self.accelerator.num_processes == 1:
            return wishes
        return broadcast_object_list([wishes])[0]

    def validate(self, step: int) -> Iterator[Event]:
        """Measure the validation loss of this step (main process only)."""
        if self.settings.validation.every and self.accelerator.is_main_process:
            yield Progress("validation", 0, 1)
            with self.accelerator.autocast():
                loss = self.validation.loss(self.device, self.settings.train.batch_size)
            yield Validated(step, loss, len(self.held_out))

    def _measure(self) -> Iterator[Event]:
        """A note if the base model's own answer speaks for another prediction than the one trained."""
        with self.accelerator.autocast():
            captioning, seed = self.captioning, self.settings.train.seed
            problem = contradiction(self.trainee, self.items[0], self.latents, captioning, seed)
        if problem:
            yield Warned(str(problem))

    def sample(self, step: int) -> Iterator[Event]:
        """Draw the test pictures of this step (main process only)."""
        wish = self.settings.sample
        if not wish.prompts or not self.accelerator.is_main_process:
            return
        look = Look.of(self.settings)
        files = []
        if self.run.folder.is_dir():
            (self.run.folder / "samples").mkdir(exist_ok=True)  # somebody may have tidied up
        yield Progress("samples", 0, len(look.prompts))
        with self.accelerator.autocast():
            trainee = self.trainee
            pictures = draw(
                trainee.base, look, trainee.unet, trainee.text_encoders, stack_of(self.settings.adapter.stack)
            )
            for number, picture in enumerate(pictures):
                files.append(f"samples/{step:06d}_{number:02d}.png")
                save_png(picture, self.run.folder / files[-1])
                yield Progress("samples", number + 1, len(look.prompts))
        yield Sampled(step, files)

    def save(self, step: int) -> Event:
        """Write a checkpoint and drop the oldest ones beyond save.keep."""
        if self.accelerator.is_main_process:
            self._write_checkpoint(step)
        self.accelerator.wait_for_everyone()
        return self._saved(step)

    def _write_checkpoint(self, step: int) -> None:
        extra = {"epoch": self.plan.epoch_of(step), "precision": self.accelerator.mixed_precision}
        extra |= {"started": self._started(), **scaler_state(self.accelerator)}
        save_checkpoint(self.run.folder / "checkpoints", step, self.trainee.adapter, self.optimizer, extra)
        self.run.drop_old_checkpoints(self.settings.save.keep)

    @staticmethod
    def _saved(step: int) -> Event:
        return Saved(step, f"checkpoints/{step:06d}")

    # ---- the end

    def _finish(self, step: int, why: str) -> Iterator[Event]:
        if step == 0:
            yield Finished(0, why, "Stopped before the first step.")
            return
        if (step, self.run.folder / f"checkpoints/{step:06d}") not in self.run.checkpoints():
            yield Progress("save", 0, 1)
            yield self.save(step)
        if not _due(step, self.settings.validation.every):  # else it has been measured just now
            yield from self.validate(step)
        yield from self.sample(step)
        file = f"{safe_name(self.settings.run.name)}.safetensors"
        if self.accelerator.is_main_process:
            yield Progress("export", 0, 1)
            self.export(self.run.folder / file, step, self._cover())
            if self.settings.save.side_files:
                self._side_files(self.run.folder / file)
        yield Saved(step, file, final=True)
        yield Finished(step, why, file=file)

    def _try_export(self) -> None:
        """Write and re-read a file before step 1: a LoRA that can't be saved is better known now than after hours."""
        if self.accelerator.is_main_process:
            trial = self.run.folder / ".trial.safetensors"
            try:
                self.export(trial, 0)
            finally:
                trial.unlink(missing_ok=True)

    def _cover(self) -> bytes | None:
        """The newest picture of the first prompt."""
        pictures = sorted((self.run.folder / "samples").glob("*_00.png"))
        return pictures[-1].read_bytes() if pictures else None

    def _side_files(self, path: Path) -> None:
        data, private = self.settings.data, self.settings.save.metadata == "minimum"
        write_sidecars(
            path,
            family=self.trainee.base.family,
            trigger="" if private else data.trigger,
            negative="" if private else self.settings.sample.negative,
            cover=None if private else self._cover(),
        )

    def export(self, path: Path, step: int, cover: bytes | None = None) -> None:
        """Write the LoRA file, read it back through diffusers and compare its effect with the adapter's own."""
        epoch, precision = self.plan.epoch_of(step), self.accelerator.mixed_precision
        origin = origin_of(self.run.folder)
        facts = facts_of(self.settings, self.items, step, epoch, precision, self._started(), origin)
        wish = self.settings.save
        how = {"container": wish.container, "dtype": wish.dtype, "cover": cover}
        write_trained(path, self.settings, self.trainee, facts, **how)

    def _started(self) -> float | None:
        """Unix time of the run's first start; None before its event is written."""
        return next((at for at, event in self.run.events() if isinstance(event, Started)), None)

    def _memory(self) -> int:
        used = used_memory(self.device.type)
        return self.process.memory_info().rss if used is None else used


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0

"""The training loop: a generator of events. It knows no terminal and no page."""

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from sdlora.config import Settings
from sdlora.data.dataset import Item, Plan, hold_out
from sdlora.errors import UserError
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
from sdlora.lora.sidecar import write_sidecars
from sdlora.models.families import BaseInfo
from sdlora.pictures.grid import save_png
from sdlora.pictures.pipeline import Look, draw
from sdlora.preflight import base_in_short, scan_for, stack_of
from sdlora.run import Run, safe_name
from sdlora.train.batch import Captioning, make_batch
from sdlora.train.caching import Latents, TextStore, cache_latents, cache_texts
from sdlora.train.checkpoint import load_checkpoint, save_checkpoint
from sdlora.train.finish import facts_of, write_lora
from sdlora.train.health import PACE, Health, watched
from sdlora.train.loss import add_noise, target_of, weight_of
from sdlora.train.measure import contradiction
from sdlora.train.optim import make_optimizer, make_scheduler
from sdlora.train.setup import DTYPES, Trainee, base_of, load_trainee, make_accelerator, needs_text_encoders, reader_of
from sdlora.train.validate import Validation, measured_on


class _Stop(Exception):
    """A stop was asked for before the first step."""


def train(settings: Settings, run: Run) -> Iterator[Event]:
    """Train one adapter; say what happens as it happens. ``settings`` are resolved (see preflight.resolve).

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
    yield from watched(job.steps(), Health(job.trainee.adapter, job.optimizer, run.folder, past, patience))


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
    captioning = Captioning(data.trigger, data.shuffle_tags, data.keep_tags, data.tag_dropout, data.caption_dropout)
    latents = text = None
    with accelerator.main_process_first():  # the others then find everything cached
        for event in cache_latents(items, base, cache_folder, data.flip, accelerator.device):
            latents = event if isinstance(event, Latents) else (yield from _or_stop(run, event))
        if not needs_text_encoders(settings) and not captioning.varies:
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
    texts = [replace(captioning, caption_dropout=0.0, tag_dropout=0.0).text(item, 0, 0, 0) for item in items]
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
        self.optimizer = make_optimizer(chosen, rates, train.weight_decay)
        self.plan = Plan(items, train.batch_size, train.seed, accelerator.num_processes, train.accumulate)
        self.held_out = held_out
        self.validation = Validation(trainee, measured_on(items, held_out), latents, captioning, train.seed)
        self.device = accelerator.device
        self.process = psutil.Process()

    # ---- the loop

    def steps(self) -> Iterator[Event]:
        """From the newest checkpoint to the last step, or to a stop."""
        train, adapter = self.settings.train, self.trainee.adapter
        done = self._restore()
        scheduler = make_scheduler(self.optimizer, train.scheduler, train.warmup, train.steps, done, train.cycles)
        self.module, self.prepared = self.accelerator.prepare(adapter, self.optimizer)
        yield Started(
            done, train.steps, len(self.items), adapter.trainable, adapter.total,
            adapter.file_bytes(self.settings.save.dtype), str(self.device),
            base_in_short(self.trainee.base, train.min_snr_gamma),
        )  # fmt: skip
        if done == 0:
            yield from self._measure()
            yield from self.validate(0)
            yield from self.sample(0)  # "before"
            yield Progress("export", 0, 1)
            self._try_export()
        why = "done"
        for step in range(done + 1, train.steps + 1):
            if (yield from self._asked(step - 1)):
                why = "stopped"
                yield Stopping(step - 1)
                break
            began = time.perf_counter()
            lr = scheduler.get_last_lr()[0] if step > done + 1 else self.optimizer.param_groups[0]["lr"]
            # ------------------------------------------------ one step
            loss = self.take(step)
            scheduler.step()
            # ---------------------------------------------------------
            done = step
            yield StepDone(step, loss, lr, round(time.perf_counter() - began, 4), self._memory())
            if _due(step, self.settings.validation.every):
                yield from self.validate(step)
            if step < train.steps:
                if _due(step, self.settings.save.every):
                    yield self.save(step)
                if _due(step, self.settings.sample.every):
                    yield from self.sample(step)
        yield from self._finish(done, why)

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
        if not math.isfinite(total):
            raise UserError(
                f"Training became unstable at step {step}.",
                fix="Usually train.lr is too high, or fp16 is used where bf16 is safer; the last checkpoint is kept.",
            )
        if train.max_grad_norm:
            self.accelerator.clip_grad_norm_(trainee.adapter.parameters(), train.max_grad_norm)
        self.prepared.step()
        self.prepared.zero_grad()
        return total

    def _loss(self, batch) -> tuple[torch.Tensor, float]:
        """(weighted loss to descend, plain mean squared error)."""
        trainee, gamma = self.trainee, self.settings.train.min_snr_gamma
        alphas, prediction = trainee.alphas_cumprod, trainee.base.prediction
        latents, noise, t = (x.to(self.device) for x in (batch.latents, batch.noise, batch.timesteps))
        noisy = add_noise(latents, noise, alphas, t)
        text = trainee.text_input(batch.texts).to(self.device)
        sizes, masked = batch.sizes.to(self.device), None if batch.masked is None else batch.masked.to(self.device)
        predicted = self.module(trainee.predict, noisy.to(trainee.unet.dtype), t, text, sizes, masked).float()
        error = (predicted - target_of(prediction, latents, noise, alphas, t)).pow(2).mean((1, 2, 3))
        return (error * weight_of(prediction, gamma, alphas, t)).mean(), error.mean().item()

    # ---- what happens between steps

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
        folder = self.run.folder / "checkpoints"
        if self.accelerator.is_main_process:
            scaler = getattr(self.accelerator, "scaler", None)
            extra = {"epoch": self.plan.epoch_of(step), "precision": self.accelerator.mixed_precision}
            extra |= {"started": self._started()} | ({"loss_scale": scaler.get_scale()} if scaler else {})
            save_checkpoint(folder, step, self.trainee.adapter, self.optimizer, extra)
            self.run.drop_old_checkpoints(self.settings.save.keep)
        self.accelerator.wait_for_everyone()
        return Saved(step, f"checkpoints/{step:06d}")

    def _restore(self) -> int:
        """Load the newest checkpoint; returns its step, 0 without one."""
        there = self.run.checkpoints()
        if not there:
            return 0
        state = load_checkpoint(there[-1][1], self.trainee.adapter, self.optimizer)
        if "loss_scale" in state and getattr(self.accelerator, "scaler", None):
            self.accelerator.scaler.update(state["loss_scale"])
        return state["step"]

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
        facts = facts_of(
            self.settings, self.items, step, self.plan.epoch_of(step), self.accelerator.mixed_precision, self._started()
        )
        wish = self.settings.save
        how = {"container": wish.container, "dtype": wish.dtype, "cover": cover}
        write_lora(path, self.settings, self.trainee, facts, **how)

    def _started(self) -> float | None:
        """Unix time of the run's first start; None before its event is written."""
        return next((at for at, event in self.run.events() if isinstance(event, Started)), None)

    def _memory(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        return self.process.memory_info().rss


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0

"""Before the first step: settings, images and base model become a job that can take steps."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from sdlora.adapters.packed import Packed, packed_bytes
from sdlora.check import regular_for, scan_for, stack_of
from sdlora.data.dataset import Item, Plan, hold_out
from sdlora.data.kept import compare_with_kept
from sdlora.data.regularization import beside
from sdlora.errors import UserError
from sdlora.events import Event, Progress, Warned
from sdlora.families.base import BaseInfo
from sdlora.families.shared.device import give_back
from sdlora.messages import listed, say
from sdlora.pictures.pipeline import Look
from sdlora.runs.arithmetic import Arithmetic
from sdlora.runs.curve import Curve
from sdlora.runs.memory import Memory
from sdlora.runs.run import Run
from sdlora.settings import Settings
from sdlora.train.average import Average
from sdlora.train.batch import Captioning
from sdlora.train.caching import Latents, TextStore, cache_latents, cache_texts
from sdlora.train.class_images import class_folder, draw_class_images
from sdlora.train.drift import PROMPTS, Drift
from sdlora.train.losses import LOSSES
from sdlora.train.optimizers import OPTIMIZERS
from sdlora.train.optimizers.groups import make_optimizer
from sdlora.train.processes import meet, share_of
from sdlora.train.rhythm import Rhythm
from sdlora.train.spill import Spill
from sdlora.train.trainee import DTYPES, Trainee, load_trainee, needs_text_encoders, reader_of
from sdlora.train.validate import Validation, measured_on
from sdlora.train.weights import copy_weights, load_denoiser

FP32 = Arithmetic("fp32")


class Stopped(Exception):
    """A stop was asked for before the first step. Whoever raises it leaves the request to be answered."""


@dataclass
class Job:
    """What a run holds while it trains; it does nothing by itself.

    items: the images that are trained on. regular: the regularization images beside them. arithmetic: precision and
    packing. module, prepared: adapter and optimizer as accelerate wraps them, once the steps begin. done: the step
    whose weights the adapter holds. capped: how many layers the last step left larger than they may be; they
    were scaled down. torn: is an update under way, so that they are of none? memory: what is done to
    need less of it. average: of the weights, if that is to be exported. spill: looks whether a GPU overflows. beside:
    the loss of training images, where ``validation`` is of held-out ones. drift: of the answers to neutral prompts.
    rhythm: when all this is measured. curve: what came of it.
    """

    settings: Settings
    run: Run
    accelerator: Accelerator
    trainee: Trainee
    items: Sequence[Item]
    held_out: Sequence[Item]
    latents: Latents
    captioning: Captioning
    arithmetic: Arithmetic = FP32
    regular: Sequence[Item] = ()
    planned: Sequence[Item] = field(init=False)  # all that fills batches, in the order of the plan's numbers
    optimizer: torch.optim.Optimizer = field(init=False)
    plan: Plan = field(init=False)
    validation: Validation = field(init=False)
    beside: Validation | None = field(init=False, default=None)
    drift: Drift = field(init=False)
    rhythm: Rhythm = field(init=False)
    curve: Curve = field(init=False, default_factory=Curve)
    module: Any = field(init=False, default=None)
    prepared: Any = field(init=False, default=None)
    done: int = field(init=False, default=0)
    torn: bool = field(init=False, default=False)
    memory: Memory = field(init=False, default=Memory())
    spill: Spill | None = field(init=False, default=None)
    capped: int = field(init=False, default=0)
    capped_told: bool = field(init=False, default=False)
    average: Average | None = field(init=False, default=None)

    def __post_init__(self):
        train, trainee = self.settings.train, self.trainee
        base = trainee.base
        self.planned = (*self.items, *self.regular)
        rates = {base.denoiser: train.lr, **dict.fromkeys(base.text_encoders, train.text_encoder_lr or 0.0)}
        self.optimizer = make_optimizer(
            trainee.adapter,
            rates,
            train.weight_decay,
            train.optimizer,
            self.settings.adapter.lr_pattern,
            train.lora_plus,
        )
        if train.ema_decay and not OPTIMIZERS[train.optimizer].averaged:
            self.average = Average(train.ema_decay)
        processes = self.accelerator.num_processes
        self.plan = Plan(self.planned, train.batch_size, train.seed, processes, train.accumulate)
        measured = measured_on(self.items, self.held_out)
        loss = LOSSES[train.loss]
        outside = train.unmasked_weight
        self.validation = Validation(trainee, measured, self.latents, self.captioning, train.seed, loss, outside)
        if self.held_out:
            self.beside = replace(self.validation, items=measured_on(self.items, ()))
        shape = self.latents.load(self.items[0], False)[0].shape
        self.drift = Drift(trainee, shape, train.seed)
        self.rhythm = Rhythm(self.settings.validation.every)

    @property
    def notable(self) -> set[int]:
        """The steps whose checkpoints stay for what was measured there, so far."""
        return self.curve.worth_keeping(self.settings.validation.drift_bound)

    def wrap(self) -> None:
        """Adapter and optimizer as accelerate wraps them, the adapter the same in all processes.

        Not in DistributedDataParallel: ``train.ladder`` averages the gradients and says why.
        """
        self.module = self.accelerator.prepare_model(self.trainee.adapter, evaluation_mode=True)
        self.prepared = self.accelerator.prepare_optimizer(self.optimizer)
        self.spill = Spill(self.device.type)
        if self.accelerator.num_processes > 1:
            for parameter in self.trainee.adapter.parameters():
                broadcast(parameter.data)

    def exported(self) -> Mapping[str, torch.Tensor]:
        """The adapter's tensors as they are measured, drawn and exported, by name; {} where it holds those itself."""
        if self.average:
            return self.average.tensors
        mean = OPTIMIZERS[self.settings.train.optimizer].averaged
        if mean is None:
            return {}
        found = {name: mean(self.optimizer, p) for name, p in self.trainee.adapter.tensors().items()}
        return {name: value for name, value in found.items() if value is not None}

    def keep_batches(self, batches: int) -> None:
        """Take so many batches a step, as the run did before, however many processes there are now.

        UserError where they can't share them evenly.
        """
        processes = self.accelerator.num_processes
        if batches % processes:
            what = say("training.batches_not_shared", batches=batches, processes=processes)
            raise UserError(what, fix=say("training.use_divisor", batches=batches))
        train = self.settings.train
        self.plan = Plan(self.planned, train.batch_size, train.seed, processes, batches // processes)

    @property
    def device(self) -> torch.device:
        """The device that this process trains on."""
        return self.accelerator.device


def prepare_job(
    settings: Settings,
    run: Run,
    base: BaseInfo,
    accelerator: Accelerator,
    arithmetic: Arithmetic = FP32,
    only: int = 0,
) -> Generator[Event, None, Job]:
    """Everything before the first step, as Progress events; returns the Job. Raises Stopped for a stop request.

    arithmetic: how it computes; the accelerator's precision is of it. only: how many of the images to take, from the
    first; 0 for all.
    """
    data, dtype, cache_folder = settings.data, DTYPES[accelerator.mixed_precision], Path(settings.data.cache)
    alone = accelerator.num_processes == 1  # else all must stop at the same place: where they meet, or between steps
    yield from _or_stop(run, Progress("model", 0, 1), alone)
    dataset = scan_for(settings, base)
    items = dataset.items[: only or None]
    fatal = [problem for problem in dataset.problems if problem.fatal]
    if fatal:
        raise UserError(*fatal)
    yield from (Warned(problem.message) for problem in dataset.problems)
    training, held_out = hold_out(items, settings.validation.held_out, settings.train.seed)
    regular = () if only else (yield from _regular(settings, base, training, run, accelerator))
    if accelerator.is_main_process:
        yield from (Warned(words) for words in compare_with_kept(run.folder, [*dataset.items, *regular]))
    captioning = Captioning(
        data.trigger, data.shuffle_tags, data.keep_tags, data.tag_dropout, data.caption_dropout,
        data.caption_lines, data.wildcards,
    )  # fmt: skip
    share = share_of(accelerator)
    work: Iterable[Event | Latents | TextStore]
    every = [*items, *regular]
    work = cache_latents(every, base, cache_folder, data.flip, accelerator.device, share)
    if not needs_text_encoders(settings) and not captioning.varies(every):
        neutral = PROMPTS if settings.validation.every != 0 else ()
        texts, reader = [*captioning.texts(every), *neutral], reader_of(settings, base, data.weighted_captions)
        stack = stack_of(settings.adapter.stack)
        work = chain(work, cache_texts(texts, base, reader, stack, cache_folder, accelerator.device, dtype, share))
    if accelerator.device.type == "cpu" and accelerator.is_local_main_process:
        work = chain(work, copy_weights(base, dtype, cache_folder))
    latents, text = yield from _filled(work, run, accelerator)
    give_back()
    yield from _or_stop(run, Progress("model", 0, 1), alone)  # again: images and captions were told of meanwhile
    unet = yield from load_denoiser(base, dtype, cache_folder if accelerator.device.type == "cpu" else None)
    trainee = load_trainee(settings, base, text, accelerator.device, dtype, unet)
    if arithmetic.packed:
        yield from _pack(trainee)
    yield from _or_stop(run, Progress("model", 1, 1), alone)
    yield from _long_captions(trainee, every, captioning)
    return Job(settings, run, accelerator, trainee, training, held_out, latents, captioning, arithmetic, regular)


def regular_folder(settings: Settings, base: BaseInfo) -> Path | None:
    """The folder of a run's regularization images: a person's own, or the one the base draws them in; None for neither.

    settings: resolved.
    """
    data, stack = settings.data, stack_of(settings.adapter.stack)
    if data.regularization or not data.class_prompts:
        return Path(data.regularization) if data.regularization else None
    return class_folder(Path(data.cache), base, data.class_prompts, _look(settings), stack)


def _look(settings: Settings) -> Look:
    """Class prompts are drawn as test pictures are, at the size that is trained."""
    return replace(Look.of(settings), size=settings.data.resolution)


def _regular(
    settings: Settings, base: BaseInfo, items: Sequence[Item], run: Run, accelerator: Accelerator
) -> Generator[Event, None, tuple[Item, ...]]:
    """The regularization images to train beside ``items``: a folder's, or what the base draws now of class prompts."""
    folder = regular_folder(settings, base)
    if folder and not settings.data.regularization:
        count, end = sum(item.repeats for item in items), None
        drawing = draw_class_images(
            base, folder, settings.data.class_prompts, count, _look(settings), stack_of(settings.adapter.stack),
            accelerator.device, DTYPES[accelerator.mixed_precision],
        )  # fmt: skip
        try:
            for event in drawing if accelerator.is_local_main_process else ():
                yield from _or_stop(run, event, accelerator.num_processes == 1)
        except Exception as error:
            end = error
        meet(accelerator, end)
    found = regular_for(settings, base, folder or "")
    if found is None:
        return ()
    if fatal := [problem for problem in found.problems if problem.fatal]:
        raise UserError(*fatal)
    yield from (Warned(problem.message) for problem in found.problems)
    chosen = beside(items, found.items)
    if len(chosen) < len(found.items) and settings.data.regularization:
        yield Warned(say("images.regularization_left_out", used=len(chosen), count=len(found.items)))
    return chosen


def _pack(trainee: Trainee) -> Iterator[Event]:
    """Convolutions laid out for the processor, as was measured to pay; a warning if there is no memory for it now."""
    needed, free = packed_bytes(trainee.unet), psutil.virtual_memory().available
    if needed > free:
        yield Warned(say("training.packing_no_room", needed=f"{needed / 1e9:.1f}", free=f"{free / 1e9:.1f}"))
    else:
        trainee.packed = Packed(trainee.unet)


def _long_captions(trainee: Trainee, items: Sequence[Item], captioning: Captioning) -> Iterator[Event]:
    """A warning that names the captions whose end the text encoder does not see."""
    most = trainee.reader.max_chunks
    texts = [captioning.still.text(item, 0, 0, 0) for item in items]
    names = [i.name for i, t in zip(items, texts, strict=True) if len(trainee.reader.chunks(t)) > most]
    if names:
        room = most * trainee.reader.room
        yield Warned(say("training.captions_cut", limit=room, captions=listed(names, 3)))


def _filled(
    work: Iterable[Event | Latents | TextStore], run: Run, accelerator: Accelerator
) -> Generator[Event, None, tuple[Latents, TextStore | None]]:
    """Both caches, once every process has done its share; what ends one of them before that ends all."""
    caches: list[Latents | TextStore] = []
    end: Exception | None = None
    try:
        for made in work:
            if isinstance(made, Latents | TextStore):
                caches.append(made)
            else:
                yield from _or_stop(run, made)
    except Exception as error:
        end = error
    meet(accelerator, end)
    latents, text, *_ = (*caches, None)
    assert isinstance(latents, Latents) and not isinstance(text, Latents)
    return latents, text


def _or_stop(run: Run, event: Event, looks: bool = True) -> Iterator[Event]:
    yield event
    if looks and run.requested("stop"):
        raise Stopped

"""Before the first step: settings, images and base model become a job that can take steps."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from sdlora.check import scan_for, stack_of
from sdlora.data.dataset import Item, Plan, hold_out
from sdlora.data.kept import compare_with_kept
from sdlora.errors import UserError
from sdlora.events import Event, Progress, Warned
from sdlora.families.base import BaseInfo
from sdlora.runs.run import Run
from sdlora.settings import Settings
from sdlora.train.batch import Captioning
from sdlora.train.caching import Latents, TextStore, cache_latents, cache_texts
from sdlora.train.losses import LOSSES
from sdlora.train.optimizers.groups import make_optimizer
from sdlora.train.trainee import DTYPES, Trainee, load_trainee, needs_text_encoders, reader_of
from sdlora.train.validate import Validation, measured_on


class Stopped(Exception):
    """A stop was asked for before the first step."""


@dataclass
class Job:
    """What a run holds while it trains; it does nothing by itself.

    items: the images that are trained on. module, prepared: adapter and optimizer as accelerate wraps them, once the
    steps begin. done: the step whose weights the adapter holds. torn: is an update under way, so that they are of none?
    """

    settings: Settings
    run: Run
    accelerator: Accelerator
    trainee: Trainee
    items: Sequence[Item]
    held_out: Sequence[Item]
    latents: Latents
    captioning: Captioning
    optimizer: torch.optim.Optimizer = field(init=False)
    plan: Plan = field(init=False)
    validation: Validation = field(init=False)
    module: Any = field(init=False, default=None)
    prepared: Any = field(init=False, default=None)
    done: int = field(init=False, default=0)
    torn: bool = field(init=False, default=False)

    def __post_init__(self):
        train, trainee = self.settings.train, self.trainee
        rates = {"unet": train.lr, **dict.fromkeys(trainee.base.text_encoders, train.text_encoder_lr or 0.0)}
        self.optimizer = make_optimizer(trainee.adapter, rates, train.weight_decay, train.optimizer)
        processes = self.accelerator.num_processes
        self.plan = Plan(self.items, train.batch_size, train.seed, processes, train.accumulate)
        measured = measured_on(self.items, self.held_out)
        loss = LOSSES[train.loss]
        self.validation = Validation(trainee, measured, self.latents, self.captioning, train.seed, loss)

    @property
    def device(self) -> torch.device:
        return self.accelerator.device


def prepare(
    settings: Settings, run: Run, base: BaseInfo, accelerator: Accelerator, only: int = 0
) -> Generator[Event, None, Job]:
    """Everything before the first step, as Progress events; returns the Job. Raises Stopped for a stop request.

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
    latents: Latents | None = None
    text: TextStore | None = None
    with accelerator.main_process_first():  # the others then find everything cached
        for made in cache_latents(list(items), base, cache_folder, data.flip, accelerator.device):
            if isinstance(made, Latents):
                latents = made
            else:
                yield from _or_stop(run, made)
        if not needs_text_encoders(settings) and not captioning.varies(items):
            texts, reader = captioning.texts(items), reader_of(settings, base, data.weighted_captions)
            stack = stack_of(settings.adapter.stack)
            for kept in cache_texts(texts, base, reader, stack, cache_folder, accelerator.device, dtype):
                if isinstance(kept, TextStore):
                    text = kept
                else:
                    yield from _or_stop(run, kept)
    assert latents is not None  # the cache is the last thing that cache_latents yields
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
        raise Stopped

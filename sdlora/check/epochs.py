"""Passes over the images: how many steps an epoch has, and the steps of a run whose length is given in epochs."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sdlora.data.buckets import Placement
from sdlora.data.dataset import Item, hold_out
from sdlora.data.regularization import as_regular, beside
from sdlora.errors import Problem
from sdlora.families.base import BaseInfo
from sdlora.messages import say
from sdlora.settings import Settings

MOST_STEPS = 10_000_000


@dataclass(frozen=True)
class Passes:
    """Passes over the images. shown: how often an epoch shows one, repeats counted.

    shapes: the same for the images of each shape, regularization images among them, the most first: a batch holds one
    shape alone. batch: images of one batch; together: batches that make one step, over all devices. regular:
    regularization images beside them in an epoch, repeats counted. held_out: images that are not trained on.
    """

    images: int
    shown: int
    shapes: tuple[int, ...]
    batch: int
    together: int
    steps: int
    regular: int = 0
    held_out: int = 0

    @property
    def batches(self) -> int:
        """Batches of an epoch, as ``Plan`` cuts them: of each shape as many as it takes."""
        return sum(-(-shown // self.batch) for shown in self.shapes)

    @property
    def per_epoch(self) -> float:
        """Steps of an epoch."""
        return self.batches / self.together

    @property
    def epochs(self) -> float:
        """How many epochs the steps make."""
        return self.steps / self.per_epoch


def passes(settings: Settings, info: BaseInfo | None, items: Sequence[Item], regular: Sequence[Item]) -> Passes | None:
    """The passes over these images; None if there are none. regular: of data.regularization, if that is set."""
    if not items:
        return None
    train = settings.train
    trained, held_out = hold_out(items, settings.validation.held_out, train.seed)
    others = _beside(settings, info, trained, regular)
    counted: Counter[tuple[int, int]] = Counter()
    for item in (*trained, *others):
        counted[item.placement.bucket] += item.repeats
    shown, also = (sum(item.repeats for item in some) for some in (trained, others))
    return Passes(
        len(trained), shown, tuple(sorted(counted.values(), reverse=True)), train.batch_size,
        train.accumulate * devices(), train.steps, also, len(held_out),
    )  # fmt: skip


def devices() -> int:
    """How many processes train together, as torchrun tells each of them."""
    told = os.environ.get("WORLD_SIZE", "")
    return int(told) if told.isdecimal() and 0 < int(told) < 100_000 else 1


def in_steps(settings: Settings, found: Passes | None) -> tuple[Settings, list[Problem]]:
    """With train.steps as train.epochs makes them, the last epoch whole; as they are if no epochs are set.

    And a note, if other steps were asked for as well.
    """
    given, epochs = settings.train.steps, settings.train.epochs
    if found is None or epochs is None:
        return settings, []
    counted = settings.model_copy(deep=True)
    counted.train.steps = steps = min(-(-epochs * found.batches // found.together), MOST_STEPS)
    if given in (steps, Settings().train.steps):
        return counted, []
    what = say("settings.epochs_decide", given=given, epochs=epochs, steps=steps)
    return counted, [Problem(what, say("settings.leave_epochs_empty"), "train.epochs", fatal=False)]


def _beside(
    settings: Settings, info: BaseInfo | None, items: Sequence[Item], regular: Sequence[Item]
) -> tuple[Item, ...]:
    """The regularization images of an epoch; those that are yet to be drawn are squares of the training size."""
    if settings.data.regularization:
        return beside(items, regular)
    if not settings.data.class_prompts:
        return ()
    side = settings.data.resolution or (info.resolution if info else 512)
    square = Placement((side, side), (side, side), (0, 0, side, side))
    return (as_regular(replace(items[0], size=square.bucket, placement=square), sum(item.repeats for item in items)),)

"""Learning rate schedules by name, as train.scheduler has them. No torch at import."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR


@dataclass(frozen=True)
class Shape:
    """The knobs of a schedule, in the names of [train].

    warmup: steps from 0 to the full rate. cycles: falls of ``cosine_with_restarts``. power: of ``polynomial``.
    floor: the lowest rate after the warm-up, as a share of the full one. rules: of ``piecewise_constant``, as
    ``rates_by_step`` reads them.
    """

    warmup: int = 0
    cycles: int = 1
    power: float = 1.0
    floor: float = 0.0
    rules: str = ""


@dataclass(frozen=True)
class Schedule:
    """A learning rate as a function of the step.

    warms_up: does it heed train.warmup? cycles, power, rules: does it heed those? falls: does it heed train.lr_floor?
    factor: (step, warmup, steps, cycles) -> what the rate is multiplied by, from 0 to 1; None for the one that
    diffusers.get_scheduler has under this name.
    """

    name: str
    warms_up: bool = True
    cycles: bool = False
    power: bool = False
    rules: bool = False
    falls: bool = True
    factor: Callable[[int, int, int, int], float] | None = None


def _warmed(curve: Callable[[float], float]) -> Callable[[int, int, int, int], float]:
    """A factor that rises in a line over the warm-up, as diffusers' do, and then follows the curve over 0 to 1."""

    def factor(step: int, warmup: int, steps: int, cycles: int) -> float:
        if step < warmup:
            return step / max(1, warmup)
        return curve(min(1.0, (step - warmup) / max(1, steps - warmup)))

    return factor


SCHEDULES: dict[str, Schedule] = {
    entry.name: entry
    for entry in (
        Schedule("constant", warms_up=False, falls=False),
        Schedule("constant_with_warmup", falls=False),
        Schedule("linear"),
        Schedule("cosine"),
        Schedule("cosine_with_restarts", cycles=True),  # Loshchilov & Hutter 2017, of equal length
        Schedule("polynomial", power=True),
        Schedule("piecewise_constant", warms_up=False, rules=True, falls=False),
        Schedule("rex", factor=_warmed(lambda done: (1 - done) / (0.5 + 0.5 * (1 - done)))),  # Chen et al. 2021, eq. 3
    )
}


def rates_by_step(rules: str) -> list[tuple[int, float]]:
    """[(step, factor of the rate before that step), …] of "1:500,0.5:800,0.1", steps ascending; -1 for to the end.

    These are diffusers' step_rules. ValueError for anything else, for a factor below 0 or not finite.
    """
    *before, last = [part.strip() for part in rules.split(",")]
    found = []
    for part in before:
        factor, _, step = part.partition(":")
        found.append((int(step), float(factor)))
    found.append((-1, float(last)))
    steps = [step for step, _ in found[:-1]]
    if steps != sorted(set(steps)) or any(step < 1 for step in steps):
        raise ValueError(rules)
    if not all(math.isfinite(factor) and factor >= 0 for _, factor in found):
        raise ValueError(rules)
    return found


def make_scheduler(optimizer: Optimizer, name: str, steps: int, shape: Shape, done: int = 0) -> LambdaLR:
    """The schedule of that name over ``steps``, set to where it stands after ``done`` of them.

    A LambdaLR is a function of its step count alone, so resuming needs no saved state.
    """
    from diffusers.optimization import get_scheduler
    from torch.optim.lr_scheduler import LambdaLR

    entry = SCHEDULES[name]
    if factor := entry.factor:
        scheduler = LambdaLR(optimizer, lambda step: factor(step, shape.warmup, steps, shape.cycles))
    else:
        scheduler = get_scheduler(
            name, optimizer, num_warmup_steps=shape.warmup, num_training_steps=steps, num_cycles=shape.cycles,
            power=shape.power, step_rules=shape.rules or "1",
        )  # fmt: skip
    if shape.floor and entry.falls:
        plain = scheduler.lr_lambdas
        scheduler.lr_lambdas = [_floored(factor, shape) for factor in plain]
    put_at(scheduler, done)
    return scheduler


def _floored(factor: Callable[[int], float], shape: Shape) -> Callable[[int], float]:
    """A factor that falls to shape.floor in place of 0; the warm-up rises from 0 all the same."""
    return lambda step: factor(step) if step < shape.warmup else shape.floor + (1 - shape.floor) * factor(step)


def put_at(scheduler: LambdaLR, done: int) -> None:
    """Set a scheduler to where it stands after ``done`` steps, and the optimizer's rates with it."""
    groups, scheduler.last_epoch = scheduler.optimizer.param_groups, done
    for group, base_lr, factor in zip(groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True):
        group["lr"] = base_lr * factor(done)

"""Learning rate schedules by name, as train.scheduler has them. No torch at import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR


@dataclass(frozen=True)
class Schedule:
    """A learning rate as a function of the step.

    warms_up: does it heed train.warmup? cycles: does it heed train.cycles?
    factor: (step, warmup, steps, cycles) -> what the rate is multiplied by, from 0 to 1; None for the one that
    diffusers.get_scheduler has under this name.
    """

    name: str
    warms_up: bool = True
    cycles: bool = False
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
        Schedule("constant", warms_up=False),
        Schedule("constant_with_warmup"),
        Schedule("linear"),
        Schedule("cosine"),
        Schedule("cosine_with_restarts", cycles=True),  # Loshchilov & Hutter 2017, of equal length
        Schedule("polynomial"),
        Schedule("rex", factor=_warmed(lambda done: (1 - done) / (0.5 + 0.5 * (1 - done)))),  # Chen et al. 2021, eq. 3
    )
}


def make_scheduler(
    optimizer: Optimizer, name: str, warmup: int, steps: int, done: int = 0, cycles: int = 1
) -> LambdaLR:
    """The schedule of that name, set to where it stands after ``done`` steps.

    cycles: how many falls from the full rate ``cosine_with_restarts`` makes.

    A LambdaLR is a function of its step count alone, so resuming needs no saved state.
    """
    from diffusers.optimization import get_scheduler
    from torch.optim.lr_scheduler import LambdaLR

    if factor := SCHEDULES[name].factor:
        scheduler = LambdaLR(optimizer, lambda step: factor(step, warmup, steps, cycles))
    else:
        scheduler = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=steps, num_cycles=cycles)
    put_at(scheduler, done)
    return scheduler


def put_at(scheduler: LambdaLR, done: int) -> None:
    """Set a scheduler to where it stands after ``done`` steps, and the optimizer's rates with it."""
    groups, scheduler.last_epoch = scheduler.optimizer.param_groups, done
    for group, base_lr, factor in zip(groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True):
        group["lr"] = base_lr * factor(done)

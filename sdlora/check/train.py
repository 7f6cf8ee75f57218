"""The training: its steps, its arithmetic, its rates."""

from collections.abc import Iterator

from sdlora.check.case import Case
from sdlora.errors import Problem
from sdlora.settings import all_settings
from sdlora.train.optimizers import OPTIMIZERS


def warmup(case: Case) -> Iterator[Problem]:
    """A warm-up that is longer than the run."""
    train = case.settings.train
    if train.warmup >= train.steps:
        what = f"train.warmup is {train.warmup}, but the run has only {train.steps} steps."
        yield Problem(what, "Make it smaller, a tenth of train.steps for example.", "train.warmup")


def precision(case: Case) -> Iterator[Problem]:
    """fp16 where there is no arithmetic for it."""
    train = case.settings.train
    if train.precision == "fp16" and train.device == "cpu":
        what = 'train.precision "fp16" does not work on a CPU.'
        yield Problem(what, 'Use "fp32", "bf16" or "auto".', "train.precision")


def unusual(case: Case) -> Iterator[Problem]:
    """Numbers far outside of what people use: a lost decimal point, or another program's scale."""
    for info in all_settings():
        section, _, name = info.key.partition(".")
        value = getattr(getattr(case.settings, section), name)
        if info.usual and value is not None and not info.usual[0] <= value <= info.usual[1]:
            low, high = info.usual
            what = f"{info.key} is {value:g}, far outside of what is usual ({low:g} to {high:g})."
            yield Problem(what, "Look for a lost decimal point, or go on if it is meant.", info.key, fatal=False)


def rates(case: Case) -> Iterator[Problem]:
    """Learning rates that ruin a LoRA."""
    train = case.settings.train
    optimizer = OPTIMIZERS[train.optimizer]
    for key, rate in {"train.lr": train.lr, "train.text_encoder_lr": train.text_encoder_lr or 0}.items():
        if optimizer.highest_lr and rate > optimizer.highest_lr:
            what = f"{key} is {rate:g}, and {optimizer.title} moves the LoRA's numbers by about that much in each step."
            fix = f"Above {optimizer.highest_lr:g} that ruins a LoRA within a few steps; 0.0001 to 0.001 are usual."
            yield Problem(what, fix, key, fatal=False)

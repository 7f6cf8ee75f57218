"""The training: its steps, its arithmetic, its rates."""

from collections.abc import Iterator

from sdlora.check.case import Case
from sdlora.errors import Problem
from sdlora.messages import say
from sdlora.settings import all_settings
from sdlora.settings.sections import TrainSettings
from sdlora.train.optimizers import OPTIMIZERS, Recipe
from sdlora.train.schedules import SCHEDULES, rates_by_step

LEAST_FACTOR = 0.01  # a rate below is one for AdamW


def warmup(case: Case) -> Iterator[Problem]:
    """A warm-up that is longer than the run."""
    train = case.settings.train
    if train.warmup >= train.steps:
        what = say("settings.warmup_too_long", given=train.warmup, count=train.steps)
        yield Problem(what, say("settings.shorten_warmup"), "train.warmup")


def timesteps(case: Case) -> Iterator[Problem]:
    """A range of timesteps that holds none."""
    low, high = case.settings.train.min_timestep, case.settings.train.max_timestep
    if low >= high:
        what = say("settings.no_timesteps", low=low, high=high)
        yield Problem(what, say("settings.raise_max_timestep"), "train.max_timestep")


def step_rules(case: Case) -> Iterator[Problem]:
    """Rates by step that can't be read, where they are to be followed."""
    train = case.settings.train
    if SCHEDULES[train.scheduler].rules and train.step_rules:
        try:
            rates_by_step(train.step_rules)
        except (ValueError, OverflowError):
            what = say("settings.step_rules_unreadable", given=train.step_rules)
            yield Problem(what, say("settings.write_step_rules"), "train.step_rules")


def precision(case: Case) -> Iterator[Problem]:
    """Precision fp16 on a CPU, which has no arithmetic for it."""
    train = case.settings.train
    if train.precision == "fp16" and train.device == "cpu":
        what = say("settings.fp16_on_cpu")
        yield Problem(what, say("settings.use_other_precision"), "train.precision")


def unusual(case: Case) -> Iterator[Problem]:
    """Numbers far outside of what people use: a lost decimal point, or another program's scale."""
    for info in all_settings():
        section, _, name = info.key.partition(".")
        value = getattr(getattr(case.settings, section), name)
        if info.usual and value is not None and not info.usual[0] <= value <= info.usual[1]:
            low, high = info.usual
            what = say("settings.value_unusual", key=info.key, given=f"{value:g}", low=f"{low:g}", high=f"{high:g}")
            yield Problem(what, say("settings.check_decimal_point"), info.key, fatal=False)


def rates(case: Case) -> Iterator[Problem]:
    """Learning rates that ruin a LoRA."""
    train = case.settings.train
    optimizer = OPTIMIZERS[train.optimizer]
    if optimizer.finds_rate:
        yield from _factors(train, optimizer)
        yield from _apart(case, optimizer)
    given = {"train.lr": train.lr, "train.text_encoder_lr": train.text_encoder_lr or 0}
    given |= {"adapter.lr_pattern": max(case.settings.adapter.lr_pattern.values(), default=0)}
    given |= {"train.lora_plus": train.lr * train.lora_plus if train.lora_plus > 1 else 0}
    for key, rate in given.items():
        if optimizer.highest_lr and rate > optimizer.highest_lr:
            what = say("settings.lr_too_high", key=key, given=f"{rate:g}", optimizer=optimizer.title)
            fix = say("settings.use_usual_lr", most=f"{optimizer.highest_lr:g}")
            yield Problem(what, fix, key, fatal=False)


def _factors(train: TrainSettings, optimizer: Recipe) -> Iterator[Problem]:
    """Rates that an optimizer multiplies its own by."""
    if train.lr < LEAST_FACTOR:
        what = say("settings.lr_is_a_factor", key="train.lr", given=f"{train.lr:g}", optimizer=optimizer.title)
        yield Problem(what, say("settings.set_to_1"), "train.lr", fatal=False)
    key, text = "train.text_encoder_lr", train.text_encoder_lr
    if text and text != train.lr:
        given, other = f"{text:g}", f"{train.lr:g}"
        what = say("settings.one_rate_for_all", key=key, given=given, other=other, optimizer=optimizer.title)
        yield Problem(what, say("settings.leave_open_or_0", key=key), key)


def _apart(case: Case, optimizer: Recipe) -> Iterator[Problem]:
    """Rates of single layers and factors, for an optimizer that has one for all."""
    chosen = {
        "train.lora_plus": case.settings.train.lora_plus != 1,
        "adapter.lr_pattern": case.settings.adapter.lr_pattern,
    }
    for key, wished in chosen.items():
        if wished:
            what = say("settings.one_rate_without_others", key=key, optimizer=optimizer.title)
            yield Problem(what, say("settings.leave_as_it_was", key=key), key)

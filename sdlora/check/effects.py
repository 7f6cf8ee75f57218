"""Settings that do nothing as things stand, or less than their names say, each with its reason.

A choice that is silently without effect looks like one that was tried: every such case is said before a run.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sdlora.check.base import as_wished
from sdlora.check.case import Case
from sdlora.data.tags import WILDCARD, split_tags
from sdlora.errors import Problem
from sdlora.messages import say
from sdlora.objectives import OBJECTIVES
from sdlora.settings import SettingInfo, Settings, all_settings, applies, value_of
from sdlora.train.optimizers import OPTIMIZERS

CHUNK = 75  # tokens of text that CLIP reads at once


@dataclass(frozen=True)
class Idle:
    """A setting whose value does nothing when ``when`` holds, for the reason ``because``. fix: how it acts, or "".

    When a setting applies at all, is told where it is declared.
    """

    key: str
    when: Callable[[Settings], object]
    because: str
    fix: str = ""


@dataclass(frozen=True)
class IdleCaptions:
    """A setting whose value does nothing with these captions, each with the trigger word in front of it."""

    key: str
    when: Callable[[Settings, Sequence[str]], object]
    because: str
    fix: str = ""


TABLE: tuple[Idle | IdleCaptions, ...] = (
    Idle("train.scheduler", lambda s: OPTIMIZERS[s.train.optimizer].own_schedule and s.train.scheduler != "constant",
         say("settings.because_optimizer_sets_rate")),
    Idle("train.scheduler", lambda s: s.train.scheduler == "cosine_with_restarts" and s.train.cycles == 1,
         say("settings.because_one_cycle"), say("settings.set_more_cycles")),
    Idle("train.scheduler", lambda s: s.train.scheduler == "piecewise_constant" and not s.train.step_rules,
         say("settings.because_no_step_rules"), say("settings.set_step_rules")),
    Idle("adapter.text_encoder", lambda s: s.train.text_encoder_lr == 0 and s.adapter.text_encoder,
         say("settings.because_text_encoder_lr_0"), say("settings.leave_rate_empty")),
    Idle("sample.negative", lambda s: s.sample.negative and s.sample.guidance == 1,
         say("settings.because_guidance_1")),
    IdleCaptions("data.shuffle_tags", lambda s, texts: s.data.shuffle_tags and _most_loose(s, texts) < 2,
                 say("settings.because_too_few_tags_to_swap"), say("settings.separate_tags")),
    IdleCaptions("data.tag_dropout", lambda s, texts: s.data.tag_dropout and _most_loose(s, texts) < 1,
                 say("settings.because_no_tags_to_drop"), say("settings.separate_tags")),
    IdleCaptions("data.weighted_captions",
                 lambda s, texts: s.data.weighted_captions and not any(re.search(r"[()\[\]]|BREAK", t) for t in texts),
                 say("settings.because_no_brackets")),
    IdleCaptions("data.wildcards",
                 lambda s, texts: s.data.wildcards and not any(WILDCARD.search(text) for text in texts),
                 say("settings.because_no_choices")),
    IdleCaptions("data.caption_lines",
                 lambda s, texts: s.data.caption_lines != "first" and not any("\n" in text for text in texts),
                 say("settings.because_single_lines")),
)  # fmt: skip


def idle(case: Case) -> Iterator[Problem]:
    """Settings that were chosen and do nothing beside the others."""
    for info in all_settings():
        if info.when.because and _chosen(case.settings, info) and not applies(info, case.settings):
            yield _without_effect(info.key, info.when.because, info.when.fix)
    for row in TABLE:
        if isinstance(row, Idle) and row.when(case.settings):
            yield _without_effect(row.key, row.because, row.fix)


def idle_captions(case: Case) -> Iterator[Problem]:
    """Settings that were chosen and do nothing with these captions."""
    captions = [f"{case.settings.data.trigger}, {item.caption}" for item in case.items]
    for row in TABLE:
        if isinstance(row, IdleCaptions) and row.when(case.settings, captions):
            yield _without_effect(row.key, row.because, row.fix)


def _without_effect(key: str, because: str, fix: str) -> Problem:
    return Problem(say("settings.no_effect", key=key, because=because), fix, key, fatal=False)


def uneven_length(case: Case) -> Iterator[Problem]:
    """A length of captions that is cut down to whole chunks."""
    tokens = case.settings.data.max_tokens
    if tokens % CHUNK:
        read = tokens // CHUNK * CHUNK
        what = say("settings.max_tokens_not_in_chunks", given=tokens, count=read)
        yield Problem(
            what, say("settings.use_either_count", count=read, other=read + CHUNK), "data.max_tokens", fatal=False
        )


def unmeasured(case: Case) -> Iterator[Problem]:
    """Images that are held out although the validation loss is never measured."""
    validation = case.settings.validation
    if validation.held_out and validation.every == 0:
        what = say("settings.held_out_unmeasured")
        yield Problem(what, say("settings.set_one_of_them"), "validation.held_out", fatal=False)


def dropped_timesteps(case: Case) -> Iterator[Problem]:
    """Min-SNR where it takes the weight off the timesteps that matter."""
    read, train = as_wished(case.base, case.settings.model), case.settings.train
    drops = train.weighting == "min_snr" and train.min_snr_gamma and read.zero_snr
    if drops and OBJECTIVES[read.prediction].learns_from_noise:
        what = say("settings.min_snr_with_zero_snr")
        fix = say("settings.leave_min_snr_empty")
        yield Problem(what, fix, "train.min_snr_gamma", fatal=False)


def _chosen(settings: Settings, info: SettingInfo) -> bool:
    """Was it set to something else than its default? Of what may be left open, 0 stands for "not at all"."""
    return value_of(settings, info.key) not in (info.default, *((0,) if info.optional else ()))


def _most_loose(settings: Settings, captions: Sequence[str]) -> int:
    """The most tags of a caption that may move or go."""
    return max(len(split_tags(caption)) for caption in captions) - settings.data.keep_tags

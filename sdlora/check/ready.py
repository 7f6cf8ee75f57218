"""The one way from values to settings that can be trained with: values, checks, resolved settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sdlora.check import adapter, base, disk, effects, images, output, train
from sdlora.check.case import Case, Check
from sdlora.check.resolve import resolve
from sdlora.errors import Problem, UserError
from sdlora.families.base import BaseInfo
from sdlora.settings import Settings, salvage

BASE, IMAGES = frozenset({"base"}), frozenset({"images"})
CHECKS = (
    Check(base.wishes, BASE),
    Check(adapter.patterns, BASE),
    Check(adapter.lora_files),
    Check(adapter.strengths),
    Check(adapter.kind),
    Check(images.folder),
    Check(images.sizes, BASE),
    Check(train.warmup),
    Check(train.precision),
    Check(train.rates),
    Check(train.unusual),
    Check(effects.idle),
    Check(effects.idle_captions, IMAGES),
    Check(effects.chunks),
    Check(effects.unmeasured),
    Check(effects.dropped_timesteps, BASE),
    Check(output.runs_folder),
    Check(output.cache, IMAGES),
    Check(images.few, IMAGES),
    Check(images.held_out, IMAGES),
    Check(images.small, IMAGES),
    Check(images.long_captions, IMAGES),
    Check(images.crops, IMAGES),
    Check(images.batches, IMAGES),
    Check(images.several_lines, IMAGES),
    Check(images.wildcards, IMAGES),
    Check(disk.room, BASE | IMAGES),
)


@dataclass(frozen=True)
class Ready:
    """What can be told of a run before it starts.

    settings: as they were asked for, with defaults for what is wrong. problems: all there are; one that is fatal
    forbids the run. base: the base model; None if it can't be told.
    """

    settings: Settings
    problems: tuple[Problem, ...]
    base: BaseInfo | None

    @property
    def fatal(self) -> list[Problem]:
        """What has to be mended first."""
        return [problem for problem in self.problems if problem.fatal]

    def also(self, problems: Iterable[Problem]) -> "Ready":
        """The same with problems that were found elsewhere, before the others."""
        return replace(self, problems=tuple(dict.fromkeys([*problems, *self.problems])))

    def resolved(self, prompts: bool = True) -> Settings:
        """The settings with nothing left open (``resolve``); UserError with every fatal problem."""
        if self.fatal:
            raise UserError(*self.fatal)
        return resolve(self.settings, self.base, prompts)


def prepare(values: Mapping[str, Any] | Settings, source: str = "the settings") -> Ready:
    """Everything that is wrong with nested values, or settings, and with the images, the base model and the disk.

    Never raises for bad input. Opens images that are new since the last time, so the first call can take a while.
    source: where the values come from, for the sentences.
    """
    settings, wrong = (values, []) if isinstance(values, Settings) else salvage(values, source)
    info, problems = base.told(settings)
    fitting = None if info and any(images.sizes_of(settings, info)) else info
    dataset = images.scan_for(settings, fitting) if settings.data.folder else None
    case = Case(settings, info, dataset)
    for check in CHECKS:
        problems += check(case)
    problems = sorted(dict.fromkeys(problems), key=lambda problem: not problem.fatal)
    return Ready(settings, (*wrong, *problems), info)

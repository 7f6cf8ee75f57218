"""The one way from values to settings that can be trained with: values, checks, resolved settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sdlora.check import base, images, table
from sdlora.check.case import Case
from sdlora.check.epochs import in_steps, passes
from sdlora.check.resolve import resolve
from sdlora.errors import Problem, UserError
from sdlora.families.base import BaseInfo
from sdlora.messages import say
from sdlora.settings import Settings, salvage


@dataclass(frozen=True)
class Ready:
    """Settings, checked: all that can be told of a run before it starts.

    settings: as they were asked for, with defaults for what is wrong, and the steps that train.epochs makes. problems:
    all there are; one that is fatal forbids the run. base: the base model; None if it can't be told.
    images: how many can be used.
    """

    settings: Settings
    problems: tuple[Problem, ...]
    base: BaseInfo | None
    images: int = 0

    @property
    def fatal(self) -> list[Problem]:
        """The problems that forbid the run."""
        return [problem for problem in self.problems if problem.fatal]

    def also(self, problems: Iterable[Problem]) -> "Ready":
        """A copy with further problems, which were found elsewhere, before its own."""
        return replace(self, problems=tuple(dict.fromkeys([*problems, *self.problems])))

    def resolved(self, prompts: bool = True) -> Settings:
        """The settings with nothing left open (``resolve``); UserError with every fatal problem."""
        if self.fatal or self.base is None:  # without a base model there is always a fatal problem
            raise UserError(*self.fatal)
        return resolve(self.settings, self.base, prompts, self.images)


def prepare(values: Mapping[str, Any] | Settings, source: str = say("settings.source_settings")) -> Ready:
    """Check nested values, or settings, with the images, the base model and the disk: everything that is wrong.

    Never raises for bad input. Opens images that are new since the last time, so the first call can take a while.
    source: where the values come from, for the sentences.
    """
    settings, wrong = (values, []) if isinstance(values, Settings) else salvage(values, source)
    info, problems = base.known_base(settings)
    fitting = None if info and any(images.impossible_sizes(settings, info)) else info
    dataset = images.scan_for(settings, fitting) if settings.data.folder else None
    regular = images.regular_for(settings, fitting)
    if settings.train.epochs is not None and dataset:
        found = passes(settings, info, dataset.items, regular.items if regular else ())
        settings, told = in_steps(settings, found)
        problems += told
    case = Case(settings, info, dataset, regular)
    for check in table.CHECKS:
        problems += check(case)
    problems = sorted(dict.fromkeys(problems), key=lambda problem: not problem.fatal)
    return Ready(settings, (*wrong, *problems), info, len(case.items))

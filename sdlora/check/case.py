"""What every check looks at, and what a check is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from sdlora.data.dataset import Dataset, Item
from sdlora.errors import Problem
from sdlora.families.base import BaseInfo
from sdlora.settings import Settings


@dataclass(frozen=True)
class Case:
    """Settings (defaults stand in for what is wrong), the base model if it can be told, the images if a folder is
    chosen."""

    settings: Settings
    base: BaseInfo | None
    dataset: Dataset | None

    @property
    def items(self) -> tuple[Item, ...]:
        """The images that can be trained on."""
        return self.dataset.items if self.dataset else ()


@dataclass(frozen=True)
class Check:
    """One check: its problems, if what it needs is there. needs: the base model, at least one image."""

    problems: Callable[[Case], Iterable[Problem]]
    needs: frozenset[Literal["base", "images"]] = frozenset()

    def __call__(self, case: Case) -> Iterable[Problem]:
        there = {"base": case.base is not None, "images": bool(case.items)}
        return self.problems(case) if all(there[need] for need in self.needs) else ()

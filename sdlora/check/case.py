"""What every check looks at, and what a check is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from sdlora.data.dataset import Dataset, Item
from sdlora.errors import Problem
from sdlora.families.base import BaseInfo
from sdlora.settings import Settings, all_settings


@dataclass(frozen=True)
class Case:
    """What every check looks at: the settings, and what is known of base model and images.

    settings: defaults stand in for what is wrong. info: the base model; None if it can't be told. dataset: the images;
    None if no folder is chosen. regular: the regularization images; None if no folder of them is chosen.
    """

    settings: Settings
    info: BaseInfo | None
    dataset: Dataset | None
    regular: Dataset | None = None

    @property
    def base(self) -> BaseInfo:
        """The base model, for checks that need one (``Check.needs``); ValueError if it can't be told."""
        if self.info is None:
            raise ValueError("The base model is not known.")
        return self.info

    @property
    def items(self) -> tuple[Item, ...]:
        """The images that can be trained on."""
        return self.dataset.items if self.dataset else ()


Need = Literal["base", "images"]


@dataclass(frozen=True)
class Check:
    """One check: its problems, if what it needs is there. needs: the base model, at least one image."""

    problems: Callable[[Case], Iterable[Problem]]
    needs: frozenset[Need] = frozenset()

    def __call__(self, case: Case) -> Iterable[Problem]:
        known = {"base": case.info is not None, "images": bool(case.items)}
        return self.problems(case) if all(known[need] for need in self.needs) else ()


def as_keys(problems: Iterable[Problem], section: str) -> list[Problem]:
    """Problems of a function that knows no settings: where one names an argument, the setting of that section is meant.

    section: "model", "data" …; its settings are called as the arguments that they are handed over in.
    """
    keys = {info.key for info in all_settings()}
    return [replace(p, where=key) if (key := f"{section}.{p.where}") in keys else p for p in problems]

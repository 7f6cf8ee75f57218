"""What was measured along a run, and which of its steps are worth keeping for that. No torch.

Two steps are: the one with the lowest validation loss on held-out images, and, where a person bounds the drift, the
last one before it passes the bound. Their checkpoints stay whatever ``save.keep`` says.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sdlora.events import Event, Started, Validated


@dataclass
class Curve:
    """The measurements of a run by step, those of steps that are done again left out. Step 0 is before the first."""

    points: dict[int, Validated] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take in a measurement, or that a trainer goes on after an earlier step; other events are passed over."""
        if isinstance(event, Started):
            self.forget_after(event.step)
        elif isinstance(event, Validated) and _finite(event.loss) and isinstance(event.step, int):
            self.points[event.step] = event

    def forget_after(self, step: int) -> None:
        """Drop what was measured after ``step``: those steps are done again."""
        self.points = {at: point for at, point in self.points.items() if at <= step}

    def lowest(self, among: Collection[int] | None = None, every: int = 1) -> int | None:
        """The step with the lowest validation loss on held-out images, the earlier of two; None if none was measured.

        among: the steps that it can be; all but step 0 by default. every: only multiples of it.
        """
        held = [p for p in self._held_out(every) if among is None or p.step in among]
        return min(held, key=lambda point: (point.loss, point.step)).step if held else None

    @property
    def measured(self) -> int:
        """How many steps were measured on held-out images, step 0 not counted."""
        return len(self._held_out(1))

    def within(self, bound: float, among: Collection[int] | None = None) -> int | None:
        """The last measured step before the drift is over ``bound`` for the first time; None if there is none.

        among: the steps that it can be; all but step 0 by default.
        """
        last = None
        for at, point in sorted(self.points.items()):
            if _finite(point.drift) and point.drift > bound:
                break
            if at > 0 and _finite(point.drift) and (among is None or at in among):
                last = at
        return last

    def passed(self, bound: float) -> bool:
        """Has the drift been over ``bound``?"""
        return any(_finite(point.drift) and point.drift > bound for point in self.points.values())

    def worth_keeping(self, bound: float | None) -> set[int]:
        """The steps whose checkpoints stay, so far. bound: of the drift; None for none."""
        found = {self.lowest(), self.within(bound) if bound is not None else None}
        return {step for step in found if step is not None}

    def since_lowest(self, every: int = 1) -> int:
        """How many measurements on held-out images came after the one with the lowest loss; 0 without any.

        every: only steps that are multiples of it are looked at.
        """
        lowest = self.lowest(every=every)
        return 0 if lowest is None else sum(point.step > lowest for point in self._held_out(every))

    def _held_out(self, every: int) -> list[Validated]:
        return [point for at, point in self.points.items() if point.held_out and at > 0 and at % every == 0]


def curve_of(events: Iterable[Event]) -> Curve:
    """The curve of a run to which all this has happened."""
    curve = Curve()
    for event in events:
        curve.take(event)
    return curve


def _finite(number: object) -> bool:
    """Is it a number that can be compared? Events are read from a file, which may hold anything."""
    return isinstance(number, (int, float)) and math.isfinite(number)

"""When the validation loss is measured between the first step and the last."""

from collections.abc import Iterable
from dataclasses import dataclass

from sdlora.events import Event, StepDone, Validated

SHARE = 0.1  # of the time of the steps, for all that is measured
ALONG = 0.06  # the part of it for the measurements along the way; the rest is for the look at the end
GRID = 10  # steps: measurements come at multiples of it


@dataclass
class Rhythm:
    """Every so many steps, or, where ``every`` is None, as often as its share of the time of the steps allows.

    That holds for all of a run's measurements together, the one before step 1 and the one at the end among them: a
    measurement that leaves no room for the last one is not made. Those two are made in any case, so that a run of very
    few steps spends more. training, measuring: seconds so far, of steps and of measurements. latest: seconds of
    the newest measurement. at: the step that was measured last; -1 for none.
    """

    every: int | None = None
    training: float = 0.0
    measuring: float = 0.0
    latest: float = 0.0
    at: int = -1

    def take(self, event: Event) -> None:
        """Count a step, or a measurement; other events count for nothing."""
        if isinstance(event, StepDone):
            self.training += event.seconds
        elif isinstance(event, Validated):
            self.charge(event.step, event.seconds)

    def charge(self, step: int, seconds: float) -> None:
        """Count the seconds of a measurement, one that came to nothing for want of memory too."""
        self.measuring += seconds
        self.latest, self.at = seconds, step

    def due(self, step: int) -> bool:
        """Is it to be measured after this step, which is not the last one?"""
        if self.every is not None:
            return self.every > 0 and step % self.every == 0
        return step % GRID == 0 and self.measuring + 2 * self.latest <= ALONG * self.training

    @property
    def room(self) -> float:
        """Seconds for the look at the end: what of the share is not for the measurements along the way."""
        return (SHARE - ALONG) * self.training


def rhythm_of(every: int | None, past: Iterable[Event]) -> Rhythm:
    """The rhythm of a run to which ``past`` has happened: a resumed one goes on with what it has spent."""
    rhythm = Rhythm(every)
    for event in past:
        rhythm.take(event)
    return rhythm

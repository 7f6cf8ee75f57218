"""Which checkpoint of a run to take: two offers, each with its figures, none of them called the best. No torch.

Validation loss finds the step from which on a LoRA learns its images by heart. For a style that is about where it
serves best; for a subject the likeness still grows, and what else the model can draw is lost for it. So there is one
offer that keeps more of the rest, and one that shows more of what was taught; the pictures decide.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from sdlora.errors import UserError, explain
from sdlora.events import Finished, Validated
from sdlora.messages import say
from sdlora.runs.curve import Curve, curve_of
from sdlora.runs.run import Run
from sdlora.settings import Settings

UNKNOWN = "–"


@dataclass(frozen=True)
class Offers:
    """What a run offers. keeps, shows: steps whose checkpoints are there; keeps is None where nothing was held out.

    last: the newest checkpoint's step. bound: of the drift, as the person set it. lost: a step with a still lower
    validation loss, of which no checkpoint is left. file: the LoRA file that the run ended with, "" before.
    """

    keeps: int | None
    shows: int
    last: int
    curve: Curve
    bound: float | None = None
    lost: int | None = None
    file: str = ""
    from_base: bool = True  # did the run begin with nothing learnt, so that step 0 is the base model?

    @property
    def steps(self) -> list[int]:
        """The steps that are offered, without repetition, the one that keeps more first."""
        return list(dict.fromkeys(step for step in (self.keeps, self.shows) if step is not None))

    @property
    def short(self) -> str:
        """Both steps in a few words; "" where there is one offer."""
        several = self.keeps is not None and self.keeps != self.shows
        return say("runs.offers_short", keeps=self.keeps, shows=self.shows) if several else ""

    def figures(self, step: int) -> str:
        """Validation loss and drift of a step, each beside the base model's."""
        point, base = self.curve.points.get(step), self.curve.points.get(0) if self.from_base else None
        loss, drift = _shown(point, "loss"), _shown(point, "drift")
        return say("runs.offer_figures", loss=loss, base=_shown(base, "loss"), drift=drift)

    def sentences(self) -> list[str]:
        """One sentence for each offer, what else there is to know of them, and which one the run's file is."""
        if not self.curve.points:
            return []
        if self.keeps == self.shows == self.last:
            count = self.curve.measured
            said: list[str] = [say("runs.offer_one", step=self.last, count=count, figures=self.figures(self.last))]
        elif self.keeps is None and self.shows == self.last:
            said = [say("runs.offer_one_unmeasured", step=self.last, figures=self.figures(self.last))]
        elif self.keeps == self.shows:
            count, figures, bound = self.curve.measured, self.figures(self.shows), f"{self.bound:g}"
            said = [say("runs.offer_both", step=self.shows, count=count, bound=bound, figures=figures)]
        else:
            said = [*self._of_keeps(), self._of_shows()]
        if self.lost is not None:
            said.append(say("runs.offer_lost", step=self.lost, loss=_shown(self.curve.points[self.lost], "loss")))
        if self._below_base() is False:
            said.append(say("runs.offer_not_below_base"))
        if self.file and self.steps != [self.last]:
            said.append(say("runs.offer_file", file=self.file, step=self.last))
        return said

    def _of_keeps(self) -> list[str]:
        if self.keeps is None:
            return []
        figures, count = self.figures(self.keeps), self.curve.measured
        return [say("runs.offer_keeps", step=self.keeps, count=count, figures=figures)]

    def _of_shows(self) -> str:
        step, figures = self.shows, self.figures(self.shows)
        if self.bound is None or not self.curve.passed(self.bound):
            return say("runs.offer_shows", step=step, figures=figures)
        bound = f"{self.bound:g}"
        if self.curve.within(self.bound, {step}) is None:
            return say("runs.offer_shows_nearest", step=step, figures=figures, bound=bound)
        return say("runs.offer_shows_within", step=step, figures=figures, bound=bound)

    def _below_base(self) -> bool | None:
        """Is the lowest validation loss below the base model's? None where that is not known."""
        lowest, base = self.curve.lowest(), self.curve.points.get(0)
        if lowest is None or base is None or not self.from_base or not base.held_out:
            return None
        return self.curve.points[lowest].loss < base.loss


def offers_of(run: Run, settings: Settings, curve: Curve | None = None) -> Offers | None:
    """What the run offers now; None before there is a checkpoint of a step.

    curve: of the run, where it is at hand; read from its events by default.
    """
    steps = [step for step, _ in run.checkpoints() if step > 0]
    if not steps:
        return None
    file = ""
    if curve is None:
        events = [event for _, event in run.events()]
        curve, ends = curve_of(events), [event for event in events if isinstance(event, Finished)]
        file = ends[-1].file if ends else ""
    bound, last = settings.validation.drift_bound, steps[-1]
    shows = last
    if bound is not None and curve.passed(bound):
        within = curve.within(bound, steps)
        shows = within if within is not None else _least_drift(curve, steps) or last
    keeps, lowest = curve.lowest(steps), curve.lowest()
    lost = None
    if keeps is not None and lowest is not None and curve.points[lowest].loss < curve.points[keeps].loss:
        lost = lowest
    return Offers(keeps, shows, last, curve, bound, lost, file, from_base=not settings.adapter.start_from)


def what_it_offers(run: Run) -> list[str]:
    """The sentences on a run's offers; why there are none where its settings can't be read."""
    try:
        offers = offers_of(run, run.settings())
    except UserError as error:
        return [explain(error).message]
    return offers.sentences() if offers else []


def in_short(run: Run) -> str:
    """A run's two offers in a few words; "" where there is one, or none, or where its settings can't be read."""
    try:
        offers = offers_of(run, run.settings())
    except UserError:
        return ""
    return offers.short if offers else ""


def offered_file(run: Run, name: str, step: int) -> Path:
    """Where the LoRA file of an offered step that is not the last one lies. name: the run's own name, as a file's."""
    return run.folder / "exports" / f"{name}-{step:06d}.safetensors"


def _least_drift(curve: Curve, steps: list[int]) -> int | None:
    told = [p for p in (curve.points.get(step) for step in steps) if p is not None and math.isfinite(p.drift)]
    return min(told, key=lambda point: point.drift).step if told else None


def _shown(point: Validated | None, name: str) -> str:
    value = getattr(point, name, math.nan)
    return f"{value:.4f}" if isinstance(value, (int, float)) and math.isfinite(value) else UNKNOWN

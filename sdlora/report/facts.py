"""What a report tells of a run: read from its folder, whatever state that is in. Nothing is computed anew."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sdlora.errors import UserError, explain
from sdlora.events import ByHeart, Event, Finished, Sampled, Started, StepDone, Warned
from sdlora.lorafiles.read import read_lora
from sdlora.messages import say
from sdlora.runs.heart import heart_words
from sdlora.runs.offers import Offers, offers_of
from sdlora.runs.origin import origin_of
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings, without_paths
from sdlora.toolbox.inspect import spectra_by_part

POINTS = 300  # of the training loss: more can't be seen
COLUMNS = 6  # steps in the grid of test pictures

Points = list[tuple[int, float]]


@dataclass
class RunFacts:
    """One run. settings: its own, paths by their last part; None where they can't be read, ``problems`` say why.

    losses: mean training loss by stretch of steps; the other curves as they were measured. pictures: step -> files, one
    for each prompt. parts: "unet", … -> what its spectrum says, as ``inspect`` has it. heart: sentences.
    """

    name: str
    state: str
    origin: str = ""
    settings: Settings | None = None
    toml: str = ""
    started: Started | None = None
    finished: Finished | None = None
    losses: Points = field(default_factory=list)
    validation: Points = field(default_factory=list)
    training: Points = field(default_factory=list)
    drift: Points = field(default_factory=list)
    offers: Offers | None = None
    pictures: dict[int, list[Path]] = field(default_factory=dict)
    parts: dict[str, dict] = field(default_factory=dict)
    heart: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def facts_of_run(run: Run) -> RunFacts:
    """All of them."""
    facts = RunFacts(run.name, run.state(), str(origin_of(run.folder) or ""))
    losses: dict[int, float] = {}
    sampled: dict[int, list[str]] = {}
    for _, event in run.events():
        if not is_sound(event):
            continue
        match event:
            case Started():
                facts.started = event
                losses = {step: loss for step, loss in losses.items() if step <= event.step}
                sampled = {step: files for step, files in sampled.items() if step <= event.step}
            case StepDone() if math.isfinite(event.loss):
                losses[event.step] = event.loss
            case Sampled():
                sampled[event.step] = event.files
            case ByHeart():
                facts.heart = heart_words(event)
            case Warned():
                facts.notes.append(event.text)
            case Finished():
                facts.finished = event
    facts.losses = in_stretches(losses)
    facts.pictures = _pictures(run, sampled)
    _read_settings(run, facts)
    _read_file(run, facts)
    return facts


def is_sound(event: Event) -> bool:
    """Has every field the type that it is declared with? The file may hold anything."""
    kinds: dict[str, Any] = {"float": (int, float), "int": int, "str": str, "bool": bool, "list": list}
    told = {f.name: kinds[getattr(f.type, "__name__", "")] for f in fields(event)}
    return all(isinstance(getattr(event, name), kind) for name, kind in told.items())


def _read_settings(run: Run, facts: RunFacts) -> None:
    try:
        own = run.settings()
    except UserError as error:
        facts.problems.append(explain(error).message)
        own = Settings()
    else:
        facts.settings = without_paths(own)
        facts.toml = dump_settings(facts.settings)
    facts.offers = offers_of(run, own)
    curve = facts.offers.curve.points if facts.offers else {}
    told = sorted(curve.items())
    facts.validation = [(step, point.loss) for step, point in told]
    facts.training = [(step, point.training) for step, point in told if math.isfinite(point.training)]
    facts.drift = [(step, point.drift) for step, point in told if math.isfinite(point.drift)]


def _read_file(run: Run, facts: RunFacts) -> None:
    """The spectrum of the run's own file, if it is there."""
    name = facts.finished.file if facts.finished else ""
    path = run.folder / Path(name).name  # whatever the events say, a file of this folder
    if not name or not path.is_file():
        facts.problems.append(say("report.no_file"))
        return
    try:
        facts.parts = spectra_by_part(read_lora(path, leave_out=True))
    except UserError as error:
        facts.problems.append(explain(error).message)


def in_stretches(losses: dict[int, float]) -> Points:
    """Means of equally long stretches, at most POINTS of them, each at its last step."""
    steps = sorted(losses)
    wide = -(-len(steps) // POINTS) or 1
    stretches = [steps[at : at + wide] for at in range(0, len(steps), wide)]
    return [(stretch[-1], sum(losses[step] for step in stretch) / len(stretch)) for stretch in stretches]


def _pictures(run: Run, sampled: dict[int, list[str]]) -> dict[int, list[Path]]:
    """Of at most COLUMNS steps, the first and the last among them, the files that are there."""
    there = {step: _inside(run, files) for step, files in sorted(sampled.items())}
    steps = [step for step, files in there.items() if files]
    if len(steps) > COLUMNS:
        last = len(steps) - 1
        steps = [steps[round(i * last / (COLUMNS - 1))] for i in range(COLUMNS)]
    return {step: there[step] for step in steps}


def _inside(run: Run, files: Iterable[object]) -> list[Path]:
    """Pictures of the run's folder "samples" alone, whatever the events say."""
    paths = [run.folder / "samples" / Path(str(file)).name for file in files]
    return [path for path in paths if path.is_file()]

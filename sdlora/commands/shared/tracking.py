"""Trackers (TensorBoard, trackio, Weights & Biases, MLflow): one more reader of a run's events, by accelerate.

A tracker that fails is told of once and left alone: a training of hours does not end for it.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdlora import events as ev
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.settings import Settings, without_paths

PROJECT = "sdlora"
Report = Callable[[ev.Event], None]


class Tracking:
    """Hands events to the tracker that the settings name; with "none" it does nothing at all."""

    def __init__(self, run: Run, settings: Settings, report: Report):
        """report: where to say, as an event, that the tracker failed."""
        self._run, self._settings, self._report = run, settings, report
        self._tracker: Any = None
        self._off = settings.run.tracker == "none"

    def show(self, event: ev.Event) -> None:
        """One event of the run. It never raises."""
        if not self._off:
            self._safely(lambda: self._show(event))

    def close(self) -> None:
        """Let the tracker write what it still holds. It never raises."""
        if self._tracker is not None and not self._off:
            self._safely(self._tracker.finish)
        self._off = True

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whatever a tracker's library throws: no network, a login, a full disk
            self._off = True
            why = f"{type(error).__name__}: {error}"[:300]
            self._report(ev.Warned(say("training.tracker_failed", tracker=self._settings.run.tracker, why=why)))

    def _show(self, event: ev.Event) -> None:
        if isinstance(event, ev.Started) and self._tracker is None:
            self._tracker = started_tracker(self._settings.run.tracker, self._run.folder)
            self._tracker.store_init_configuration(configuration(self._settings))
        elif self._tracker is not None:
            if numbers := numbers_of(event):
                self._tracker.log(numbers, step=event.step)  # type: ignore[union-attr]  # those with numbers have one
            if isinstance(event, ev.Sampled) and hasattr(self._tracker, "log_images"):
                layout = {"dataformats": "NHWC"} if self._settings.run.tracker == "tensorboard" else {}
                self._tracker.log_images(pictures_of(event, self._run.folder), step=event.step, **layout)


def started_tracker(name: str, folder: Path) -> Any:
    """accelerate's tracker of that name for a run folder. A resumed run goes on in the same place where it can."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    same = {"name": folder.name, "resume": "allow"}
    arguments: dict[str, dict[str, Any]] = {
        "tensorboard": {"run_name": "tensorboard", "logging_dir": str(folder)},
        "wandb": {"run_name": PROJECT, "id": folder.name, "dir": str(folder), **same},
        "trackio": {"run_name": PROJECT, **same},
        "mlflow": {"experiment_name": PROJECT, "run_name": folder.name},
    }
    tracker = LOGGER_TYPE_TO_CLASS[name](**arguments[name])
    tracker.start()
    return tracker


def configuration(settings: Settings) -> dict[str, Any]:
    """The settings by key, as trackers take them: of paths the last part alone, for some of them lie with others."""
    sections = without_paths(settings).model_dump(mode="python")
    flat = {f"{section}.{name}": value for section, part in sections.items() for name, value in part.items()}
    return {key: value if isinstance(value, (bool, int, float, str)) else str(value) for key, value in flat.items()}


def numbers_of(event: ev.Event) -> Mapping[str, float]:
    """What of an event is drawn as curves; what is not finite is left out."""
    match event:
        case ev.StepDone():
            found = {
                "train/loss": event.loss,
                "train/lr": event.lr,
                "train/seconds": event.seconds,
                "train/memory_gb": event.memory / 1e9,
            }
        case ev.Validated():
            found = {
                "validation/loss": event.loss,
                "validation/training_loss": event.training,
                "validation/drift": event.drift,
            }
        case _:
            found = {}
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def pictures_of(event: ev.Sampled, folder: Path) -> dict[str, Any]:
    """Name -> [1, height, width, 3] uint8, of the test pictures that are there."""
    import numpy as np
    from PIL import Image

    found = {}
    for place, file in enumerate(event.files):
        if (folder / file).is_file():
            with Image.open(folder / file) as picture:
                found[f"samples/{place:02d}"] = np.asarray(picture.convert("RGB"))[None]
    return found

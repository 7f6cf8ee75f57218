"""What ``from sdlora import …`` offers that is not in a room of its own: a whole training as one call."""

from collections.abc import Callable
from pathlib import Path

from sdlora.errors import UserError, explain
from sdlora.events import Event, Finished, StepDone
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings


def train(what: Settings | Run, watch: Callable[[Event], None] | None = None) -> Path:
    """Train one LoRA to its end and return its file, which lies in the run's folder.

    what: settings for a new run, checked and completed first as ``sdlora train`` does; or a run to go on with, at its
    newest checkpoint. watch: called with each event of ``sdlora.events``, in order; what it raises ends the training,
    with the last step saved. Another process stops the training as it stops any other (``Run.request("stop")``).
    Raises UserError, with all problems at once, for what a person can mend.
    """
    run = what if isinstance(what, Run) else _begin(what)
    run.open_lock()
    try:
        run.request("stop", on=False)  # one from before this start is not for us
        run.sweep()
        return _drive(run, watch or (lambda event: None))
    finally:
        run.close_lock()


def _begin(settings: Settings) -> Run:
    from sdlora.check import prepare

    resolved = prepare(settings).resolved()
    return Run.create(settings.run.folder, settings.run.name, dump_settings(resolved))


def _drive(run: Run, watch: Callable[[Event], None]) -> Path:
    """Every event into the run's folder, then to ``watch``; the end, whatever it is, is written down as well."""
    from sdlora.train.loop import train as steps

    step, file = 0, ""
    loop = steps(run.settings(), run)
    try:
        for event in loop:
            run.write(event)
            step = event.step if isinstance(event, StepDone) else step
            file = event.file if isinstance(event, Finished) else file
            watch(event)
    except BaseException as error:
        loop.close()  # where it was not the loop that failed: it saves its last step then
        stopped = isinstance(error, KeyboardInterrupt)
        told = "Stopped at once." if stopped else str(explain(error)) if isinstance(error, Exception) else repr(error)
        run.write(Finished(step, "stopped" if stopped else "failed", told))
        raise
    if not file:
        raise UserError(f"{run.name} was stopped before its first step: there is no LoRA.")
    return run.folder / file

"""What ``from sdlora import …`` offers that is not in a room of its own: a whole training as one call."""

from collections.abc import Callable
from pathlib import Path

from sdlora.errors import UserError, explain
from sdlora.events import Event, Finished, StepDone
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.settings import Settings


def train(what: Settings | Run, watch: Callable[[Event], None] | None = None) -> Path:
    """Train one LoRA to its end and return its file, which lies in the run's folder.

    what: settings for a new run, checked and completed first as ``sdlora train`` does; or a run to go on with, at its
    newest checkpoint. watch: called with each event of ``sdlora.events``, in order; what it raises ends the training,
    with the last step saved. Another process stops the training as it stops any other (``Run.request("stop")``).
    Raises UserError, with all problems at once, for what a person can mend.
    """
    from sdlora.check import prepare

    run = what if isinstance(what, Run) else Run.begin(prepare(what).resolved())
    run.open_lock()
    try:
        run.request("stop", on=False)  # one from before this start is not for us
        run.sweep()
        return _drive(run, watch or (lambda event: None))
    finally:
        run.close_lock()


def _drive(run: Run, watch: Callable[[Event], None]) -> Path:
    """Every event into the run's folder, then to ``watch``; the end, whatever it is, is written down as well."""
    from sdlora.train.loop import training as steps

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
        told = (
            say("training.stopped_at_once")
            if stopped
            else explain(error).message
            if isinstance(error, Exception)
            else repr(error)
        )
        run.write(Finished(step, "stopped" if stopped else "failed", told))
        raise
    if not file:
        raise UserError(say("terminal.stopped_before_first_step", name=run.name))
    return run.folder / file

"""The end before train.steps where the validation loss has not fallen for long enough."""

from sdlora.messages import Message, say
from sdlora.train.prepare import Job
from sdlora.train.requests import agreed
from sdlora.train.rhythm import GRID


def ends_early(job: Job) -> Message | None:
    """Why the run ends after the step that is done; None where it goes on.

    Measurements at steps that are due count, and no others: a run that was stopped in between, and measured there, ends
    where one without a stop does. Only the main process has measured; all agree.
    """
    patience = job.settings.validation.patience
    if not patience:
        return None
    every = job.settings.validation.every or GRID
    since = job.curve.since_lowest(every)
    if not agreed(job, ["enough"] if since >= patience else []):
        return None
    return say("training.ended_early", step=job.done, lowest=job.curve.lowest(every=every), count=since)

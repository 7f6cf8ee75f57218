"""Checkpoints while it trains: when asked, when due, and of the last whole step whatever ended the run."""

import time
from collections.abc import Iterator

from sdlora.errors import Unstable, UserError, explain
from sdlora.events import Event, Saved, Started, Warned
from sdlora.files.intact import Damaged
from sdlora.messages import say
from sdlora.runs.checkpoints import mark_measured, settle, verified
from sdlora.train.checkpoint import save_checkpoint
from sdlora.train.prepare import Job
from sdlora.train.restore import scaler_state


def save(job: Job, step: int) -> Event:
    """Write a checkpoint and drop the oldest ones beyond save.keep."""
    if job.accelerator.is_main_process:
        if _is_kept(job, step):
            settle(job.run.folder / f"checkpoints/{step:06d}")
        else:
            write_checkpoint(job, step)
    job.accelerator.wait_for_everyone()
    return saved(step)


def save_notable(job: Job, step: int) -> Iterator[Event]:
    """Write a checkpoint if an offer would be of this step, as measured so far; the one that it replaces goes.

    Its time counts among that of measuring. Only the main process has measured, and knows.
    """
    if step not in job.notable or (step, job.run.folder / f"checkpoints/{step:06d}") in job.run.checkpoints():
        return
    began = time.perf_counter()
    write_checkpoint(job, step, measured=True)
    job.rhythm.measuring += time.perf_counter() - began
    yield saved(step)


def write_checkpoint(job: Job, step: int, measured: bool = False) -> None:
    """The adapter's and the optimizer's state after a step (main process only). UserError if the run folder is gone.

    measured: for what was measured there, and only as long as no other step measures better.
    """
    job.run.stay()
    extra = {"epoch": job.plan.epoch_of(step), "precision": job.accelerator.mixed_precision}
    extra |= {"batches": job.plan.devices * job.plan.accumulate}
    extra |= {"started": started(job), **scaler_state(job.accelerator)}
    written = save_checkpoint(
        job.run.folder / "checkpoints", step, job.trainee.adapter, job.optimizer, extra, job.exported()
    )
    if measured:
        mark_measured(written)
    job.run.drop_old_checkpoints(job.settings.save.keep, job.notable)


def _is_kept(job: Job, step: int) -> bool:
    """Is the whole checkpoint of this step there? Another would be the same, and for a moment there would be none."""
    folder = job.run.folder / f"checkpoints/{step:06d}"
    try:
        return folder.is_dir() and bool(verified(folder))
    except Damaged:
        return False


def rescue(job: Job, error: BaseException | None = None) -> Iterator[Event]:
    """Save the step that is done, whatever ended the run after it; but not what has become unstable."""
    folder = job.run.folder / f"checkpoints/{job.done:06d}"
    if job.done == 0 or job.torn or isinstance(error, Unstable) or not job.accelerator.is_main_process:
        return
    if (job.done, folder) in job.run.checkpoints():
        return
    try:
        write_checkpoint(job, job.done)
    except (OSError, UserError) as second:  # the first error is the one to tell; this one is why steps are lost
        yield Warned(say("training.state_not_saved", step=job.done, error=explain(second)))
    else:
        yield saved(job.done)


def saved(step: int) -> Event:
    """The event of a checkpoint."""
    return Saved(step, f"checkpoints/{step:06d}")


def started(job: Job) -> float | None:
    """Unix time of the run's first start; None before its event is written."""
    return next((at for at, event in job.run.events() if isinstance(event, Started)), None)

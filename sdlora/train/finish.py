"""The end of a run: its last checkpoint, validation, test pictures, and the LoRA file."""

from collections.abc import Iterator
from pathlib import Path

from sdlora.errors import UserError, explain
from sdlora.events import Event, Finished, Progress, Saved, Warned
from sdlora.families.shared.device import give_back
from sdlora.lorafiles.sidecar import write_sidecars
from sdlora.messages import say
from sdlora.runs.checkpoints import settle
from sdlora.runs.offers import offered_file, offers_of
from sdlora.runs.origin import origin_of
from sdlora.runs.run import safe_name
from sdlora.train.average import holding
from sdlora.train.between import by_heart, sample, validate
from sdlora.train.checkpoint import load_weights
from sdlora.train.export import facts_of, write_trained
from sdlora.train.prepare import Job
from sdlora.train.save import save, started


def finish(job: Job, step: int, why: str, told: str = "") -> Iterator[Event]:
    """What a run leaves after its last step, whether it is done or was stopped (why). told: why it is done so early."""
    if step == 0:
        yield Finished(0, why, say("training.stopped_before_start"))
        return
    last = job.run.folder / f"checkpoints/{step:06d}"
    if (step, last) not in job.run.checkpoints():
        yield Progress("save", 0, 1)
        yield save(job, step)
    elif job.accelerator.is_main_process:
        settle(last)
    if job.rhythm.at != step:  # else it has been measured just now
        yield from validate(job, step)
    yield from by_heart(job, step)
    yield from sample(job, step)
    file = f"{safe_name(job.settings.run.name)}.safetensors"
    if job.accelerator.is_main_process:
        yield Progress("export", 0, 1)
        with holding(job.trainee.adapter, job.exported()):
            export_lora(job, job.run.folder / file, step, cover(job))
        if job.settings.save.side_files:
            side_files(job, job.run.folder / file)
    yield Saved(step, file, final=True)
    yield from export_offers(job, step)
    yield Finished(step, why, told, file=file)


def export_offers(job: Job, step: int) -> Iterator[Event]:
    """The LoRA files of the offers that are not of the last step, which the run's own file is of.

    At the very end: the adapter holds another step's weights afterwards.
    """
    offers = offers_of(job.run, job.settings, job.curve) if job.accelerator.is_main_process else None
    for offered in offers.steps if offers else ():
        path = offered_file(job.run, safe_name(job.settings.run.name), offered)
        if offered == step:
            continue
        try:
            load_weights(job.run.folder / f"checkpoints/{offered:06d}", job.trainee.adapter)
        except UserError as error:
            yield Warned(explain(error).message)
            continue
        path.parent.mkdir(exist_ok=True)
        export_lora(job, path, offered)
        yield Saved(offered, f"exports/{path.name}")


def try_export(job: Job) -> None:
    """Write and re-read a file after step 1: a LoRA that can't be saved is better known now than after hours."""
    if job.accelerator.is_main_process:
        trial = job.run.folder / ".trial.safetensors"
        try:
            with holding(job.trainee.adapter, job.exported()):
                export_lora(job, trial, job.done)
        finally:
            trial.unlink(missing_ok=True)
            give_back()


def export_lora(job: Job, path: Path, step: int, cover: bytes | None = None) -> None:
    """Write the LoRA file, read it back through diffusers and compare its effect with the adapter's own."""
    epoch, precision = job.plan.epoch_of(step), job.accelerator.mixed_precision
    origin = origin_of(job.run.folder)
    facts = facts_of(job.settings, job.items, step, epoch, precision, started(job), origin, job.regular)
    wish = job.settings.save
    write_trained(path, job.settings, job.trainee, facts, container=wish.container, dtype=wish.dtype, cover=cover)


def cover(job: Job) -> bytes | None:
    """The newest picture of the first prompt."""
    pictures = sorted((job.run.folder / "samples").glob("*_00.png"))
    return pictures[-1].read_bytes() if pictures else None


def side_files(job: Job, path: Path) -> None:
    """What tools read beside the LoRA file: trigger word and picture."""
    data, private = job.settings.data, job.settings.save.metadata == "minimum"
    write_sidecars(
        path,
        family=job.trainee.base.family,
        trigger="" if private else data.trigger,
        negative="" if private else job.settings.sample.negative,
        cover=None if private else cover(job),
    )

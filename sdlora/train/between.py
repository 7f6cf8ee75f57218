"""What happens between steps: the validation loss, test pictures, notes."""

from collections.abc import Iterator

from sdlora.check import stack_of
from sdlora.events import Event, Progress, Sampled, Validated, Warned
from sdlora.pictures.grid import save_png
from sdlora.pictures.pipeline import Look, draw
from sdlora.train.measure import contradiction
from sdlora.train.prepare import Job


def validate(job: Job, step: int) -> Iterator[Event]:
    """Measure the validation loss of this step (main process only)."""
    if job.settings.validation.every and job.accelerator.is_main_process:
        yield Progress("validation", 0, 1)
        with job.accelerator.autocast():
            loss = job.validation.loss(job.device, job.settings.train.batch_size)
        yield Validated(step, loss, len(job.held_out))


def sample(job: Job, step: int) -> Iterator[Event]:
    """Draw the test pictures of this step (main process only)."""
    wish = job.settings.sample
    if not wish.prompts or not job.accelerator.is_main_process:
        return
    look = Look.of(job.settings)
    files = []
    if job.run.folder.is_dir():
        (job.run.folder / "samples").mkdir(exist_ok=True)  # somebody may have tidied up
    yield Progress("samples", 0, len(look.prompts))
    with job.accelerator.autocast():
        trainee = job.trainee
        pictures = draw(trainee.base, look, trainee.unet, trainee.text_encoders, stack_of(job.settings.adapter.stack))
        for number, picture in enumerate(pictures):
            files.append(f"samples/{step:06d}_{number:02d}.png")
            save_png(picture, job.run.folder / files[-1])
            yield Progress("samples", number + 1, len(look.prompts))
    yield Sampled(step, files)


def measure(job: Job) -> Iterator[Event]:
    """A note if the base model's own answer speaks for another prediction than the one trained."""
    with job.accelerator.autocast():
        captioning, seed = job.captioning, job.settings.train.seed
        problem = contradiction(job.trainee, job.items[0], job.latents, captioning, seed)
    if problem:
        yield Warned(str(problem))


def cache_notes(job: Job) -> Iterator[Event]:
    """What the caches found damaged, and made again, while this step read them."""
    text = job.trainee.text_cache
    for notes in (job.latents.notes, text.notes if text else []):
        while notes:
            yield Warned(notes.pop(0))


def due(step: int, every: int) -> bool:
    """Is something that comes every so many steps due after this one? 0 for never."""
    return every > 0 and step % every == 0

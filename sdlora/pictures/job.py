"""`sdlora draw FOLDER`: pictures for comparing: checkpoints, strengths, prompts, several LoRAs at once.

FOLDER/job.json says what is wanted::

    {"variants": [[{"path": "runs/…/checkpoints/000500", "strength": 1.0}, …], …],   # [] is the base model alone
     "prompts": ["a cat", …], "base": "", "vae": "", "negative": "", "seed": 42, "steps": 20, "guidance": 7.5,
     "size": 0, "sampler": "ddim", "clip_skip": 0}

path: a LoRA file, a checkpoint of a run, or a run folder (then its newest LoRA file). Everything but variants and
prompts may be left out; it is then as in the run that the first LoRA comes from. Every variant draws every prompt, the
same seed for the same prompt: 0000.png, 0001.png …, and index.json after each of them:

    {"of": 12, "cells": [{"variant": 0, "prompt": 0, "file": "0000.png"}, …]}
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from PIL import Image

from sdlora.errors import UserError
from sdlora.families.base import BaseInfo
from sdlora.files.intact import write_atomically
from sdlora.files.regular import read_regular
from sdlora.messages import reason_of, say
from sdlora.pictures.grid import save_png
from sdlora.pictures.model import Source, models_of, source_of
from sdlora.pictures.pipeline import Look, draw
from sdlora.settings import Settings

LIMIT = 1000  # pictures of one job
SAMPLERS = ("ddim", "euler", "dpm++ 2m")


@dataclass(frozen=True)
class VariantLora:
    """One LoRA of a variant."""

    path: str
    strength: float = 1.0


@dataclass(frozen=True)
class DrawJob:
    """job.json, checked."""

    variants: tuple[tuple[VariantLora, ...], ...]
    prompts: tuple[str, ...]
    base: str = ""
    vae: str = ""
    negative: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    size: int = 0
    sampler: str | None = None
    clip_skip: int = 0


def draw_job(folder: Path) -> int:
    """Draw what FOLDER/job.json asks for into FOLDER; returns the number of pictures. UserError before the first."""
    job = read_job(folder / "job.json")
    cells: list[dict[str, Any]] = []
    of = len(job.variants) * len(job.prompts)
    write_atomically(folder / "index.json", json.dumps({"of": of, "cells": cells}))
    for variant, prompt, image in pictures(job):
        name = f"{variant * len(job.prompts) + prompt:04d}.png"
        save_png(image, folder / name)
        cells.append({"variant": variant, "prompt": prompt, "file": name})
        write_atomically(folder / "index.json", json.dumps({"of": of, "cells": cells}))
        print(f"{len(cells)} / {of}", flush=True)
    return of


def pictures(job: DrawJob) -> Iterator[tuple[int, int, Image.Image]]:
    """(number of the variant, number of the prompt, its picture) of every cell, the variants of one model together."""
    sources = {part.path: source_of(Path(part.path)) for variant in job.variants for part in variant}
    anyone = next((source.settings for source in sources.values() if source.settings), None)
    known = [_first_settings(variant, sources) or anyone for variant in job.variants]
    for model, numbers in models_of(known, job.base, job.vae):
        for number in numbers:
            strengths: dict[str, float] = {}
            for part in job.variants[number]:  # the same one twice counts twice
                strengths[part.path] = strengths.get(part.path, 0.0) + part.strength
            model.set(strengths, sources)
            look = _look(job, model.base, known[number])
            with model.autocast():
                for prompt, image in enumerate(draw(model.base, look, model.unet, model.text_encoders)):
                    yield number, prompt, image


def read_job(path: Path) -> DrawJob:
    """A job.json as a DrawJob; UserError with everything that is wrong in it."""
    try:
        told = json.loads(read_regular(path))
        known = {f.name for f in fields(DrawJob)} - {"variants", "prompts"}
        variants = tuple(
            tuple(VariantLora(str(part["path"]), float(part.get("strength", 1))) for part in variant)
            for variant in told["variants"]
        )
        prompts = tuple(str(prompt) for prompt in told["prompts"])
        job = DrawJob(variants, prompts, **{key: value for key, value in told.items() if key in known})
        wrong = list(faults(job))
    except OSError as error:
        raise UserError(say("files.unreadable", file=path, reason=reason_of(error))) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            say("pictures.not_a_request", path=path, reason=repr(error)), fix=say("pictures.see_layout")
        ) from None
    if wrong:
        raise UserError(*wrong)
    return job


def faults(job: DrawJob) -> Iterator[str]:
    """A sentence for each thing that is wrong with a job."""
    strengths = [part.strength for variant in job.variants for part in variant]
    if not all(math.isfinite(s) and abs(s) <= 100 for s in strengths):
        yield say("pictures.strength_invalid")
    if not 1 <= len(job.variants) * len(job.prompts) <= LIMIT:
        yield say("pictures.too_many", count=len(job.variants) * len(job.prompts), most=LIMIT)
    if job.steps is not None and not 1 <= job.steps <= 1000:
        yield say("pictures.steps_invalid", given=job.steps)
    if job.guidance is not None and not 1 <= job.guidance <= 100:
        yield say("pictures.guidance_invalid", given=job.guidance)
    if job.size and (job.size % 8 or not 16 <= job.size <= 4096):
        yield say("pictures.size_invalid", given=job.size)
    if job.sampler is not None and job.sampler not in SAMPLERS:
        yield say("pictures.sampler_unknown", given=job.sampler, names=", ".join(SAMPLERS))
    if job.seed is not None and not 0 <= job.seed < 2**63:
        yield say("pictures.seed_invalid", given=job.seed)
    if not 0 <= job.clip_skip <= 12:
        yield say("pictures.clip_skip_invalid", given=job.clip_skip)


def _first_settings(variant: tuple[VariantLora, ...], sources: dict[str, Source]) -> Settings | None:
    return next((sources[part.path].settings for part in variant if sources[part.path].settings), None)


def _look(job: DrawJob, base: BaseInfo, settings: Settings | None) -> Look:
    """What the job leaves open is as the run drew its test pictures."""
    own, clip_skip = (settings or Settings()).sample, (settings or Settings()).model.clip_skip

    def wanted(name: str) -> Any:
        value = getattr(job, name)
        return getattr(own, name) if value is None else value

    return Look(
        job.prompts, wanted("negative"), job.size or own.size or base.resolution, wanted("steps"), wanted("guidance"),
        wanted("seed"), wanted("sampler"), job.clip_skip or clip_skip,
    )  # fmt: skip

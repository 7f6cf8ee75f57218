"""`sdlora draw FOLDER`: pictures for comparing: checkpoints, strengths, prompts, several LoRAs at once.

FOLDER/job.json says what is wanted::

    {"variants": [[{"path": "runs/…/checkpoints/000500", "strength": 1.0}, …], …],   # [] is the base model alone
     "prompts": ["a cat", …], "base": "", "negative": "", "seed": 42, "steps": 20, "guidance": 7.5, "size": 0,
     "sampler": "ddim", "clip_skip": 0}

path: a LoRA file, a checkpoint of a run, or a run folder (then its newest LoRA file). Everything but variants and
prompts may be left out; it is then as in the run that the first LoRA comes from. Every variant draws every prompt, the
same seed for the same prompt: 0000.png, 0001.png …, and index.json after each of them:

    {"of": 12, "cells": [{"variant": 0, "prompt": 0, "file": "0000.png"}, …]}
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sdlora.config import Model, Settings, load_settings
from sdlora.errors import UserError
from sdlora.intact import write_atomically
from sdlora.lora.adapter import Adapter
from sdlora.lora.read import load_lora, merge_into_modules
from sdlora.models.families import BaseInfo
from sdlora.models.load import load_text_encoders, load_unet
from sdlora.preflight import stack_of
from sdlora.sample import Look, draw, save_png
from sdlora.train.checkpoint import WEIGHTS, read_weights
from sdlora.train.setup import attach_adapter, base_of

LIMIT = 1000  # pictures of one job
SAMPLERS = ("ddim", "euler", "dpm++ 2m")


@dataclass(frozen=True)
class Part:
    """One LoRA of a variant."""

    path: str
    strength: float = 1.0


@dataclass(frozen=True)
class Job:
    """job.json, checked."""

    variants: tuple[tuple[Part, ...], ...]
    prompts: tuple[str, ...]
    base: str = ""
    negative: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    size: int = 0
    sampler: str | None = None
    clip_skip: int = 0


@dataclass
class Source:
    """Where a LoRA comes from. checkpoint: its folder is a run's checkpoint, in the trainer's own layout."""

    path: Path
    settings: Settings | None
    checkpoint: bool = False


@dataclass
class Loaded:
    """A base model in memory with the LoRAs that have been attached to it, all silent (scale 0)."""

    base: BaseInfo
    modules: dict[str, nn.Module]
    adapters: dict[str, Adapter] = field(default_factory=dict)


def draw_job(folder: Path) -> int:
    """Draw what FOLDER/job.json asks for into FOLDER; returns the number of pictures. UserError before the first."""
    job = read_job(folder / "job.json")
    sources = {part.path: _source(Path(part.path)) for variant in job.variants for part in variant}
    cells: list[dict[str, Any]] = []
    of = len(job.variants) * len(job.prompts)
    write_atomically(folder / "index.json", json.dumps({"of": of, "cells": cells}))
    for model, numbers in _by_model(job, sources):
        for number in numbers:
            variant = job.variants[number]
            _set(model, variant, sources)
            look = _look(job, model.base, _first_settings(variant, sources) or _any_settings(sources))
            unet = model.modules["unet"]
            encoders = {root: module for root, module in model.modules.items() if root != "unet"}
            for prompt, image in enumerate(draw(model.base, look, unet, encoders)):
                name = f"{number * len(job.prompts) + prompt:04d}.png"
                save_png(image, folder / name)
                cells.append({"variant": number, "prompt": prompt, "file": name})
                write_atomically(folder / "index.json", json.dumps({"of": of, "cells": cells}))
                print(f"{len(cells)} / {of}", flush=True)
    return of


def read_job(path: Path) -> Job:
    """UserError with everything that is wrong in it."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        known = {f.name for f in fields(Job)} - {"variants", "prompts"}
        variants = tuple(
            tuple(Part(str(part["path"]), float(part.get("strength", 1))) for part in variant)
            for variant in told["variants"]
        )
        prompts = tuple(str(prompt) for prompt in told["prompts"])
        job = Job(variants, prompts, **{key: value for key, value in told.items() if key in known})
        wrong = list(_wrong(job))
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a drawing job ({error!r}).", fix="See sdlora/draw.py for its layout.") from None
    if wrong:
        raise UserError(*wrong)
    return job


def _wrong(job: Job) -> Iterator[str]:
    strengths = [part.strength for variant in job.variants for part in variant]
    if not all(math.isfinite(s) and abs(s) <= 100 for s in strengths):
        yield "A strength must be a number between -100 and 100."
    if not 1 <= len(job.variants) * len(job.prompts) <= LIMIT:
        yield f"{len(job.variants) * len(job.prompts)} pictures were asked for; 1 to {LIMIT} can be drawn at once."
    if job.steps is not None and not 1 <= job.steps <= 1000:
        yield f"steps is {job.steps}; it must be 1 to 1000."
    if job.guidance is not None and not 1 <= job.guidance <= 100:
        yield f"guidance is {job.guidance}; it must be 1 to 100."
    if job.size and (job.size % 8 or not 16 <= job.size <= 4096):
        yield f"size is {job.size}; it must be a multiple of 8 from 16 to 4096."
    if job.sampler is not None and job.sampler not in SAMPLERS:
        yield f"sampler is {job.sampler}; it must be one of {', '.join(SAMPLERS)}."
    if job.seed is not None and not 0 <= job.seed < 2**63:
        yield f"seed is {job.seed}; it must be 0 or more."
    if not 0 <= job.clip_skip <= 12:
        yield f"clip_skip is {job.clip_skip}; it must be 0 to 12."


def _source(path: Path) -> Source:
    """The LoRA at ``path`` and the settings it was trained with, where they are known."""
    from sdlora.commands import lora_of

    if (path / WEIGHTS).is_file():
        return Source(path, load_settings(path.parent.parent / "settings.toml"), checkpoint=True)
    return Source(*lora_of(path))


def _first_settings(variant: tuple[Part, ...], sources: dict[str, Source]) -> Settings | None:
    return next((sources[part.path].settings for part in variant if sources[part.path].settings), None)


def _any_settings(sources: dict[str, Source]) -> Settings | None:
    return next((source.settings for source in sources.values() if source.settings), None)


def _by_model(job: Job, sources: dict[str, Source]) -> Iterator[tuple[Loaded, list[int]]]:
    """(model, numbers of the variants to draw with it): each base is loaded once, and one at a time."""
    groups: dict[str, tuple[Settings, list[int]]] = {}
    for number, variant in enumerate(job.variants):
        settings = _first_settings(variant, sources) or _any_settings(sources) or Settings()
        if job.base:
            chosen = Model(base=job.base) if job.base != settings.model.base else settings.model
            settings = settings.model_copy(update={"model": chosen})
        key = f"{settings.model!r} {settings.adapter.stack}"
        groups.setdefault(key, (settings, []))[1].append(number)
    for settings, numbers in groups.values():
        yield _load(settings), numbers


def _load(settings: Settings) -> Loaded:
    base = base_of(settings)
    device, dtype = ("cuda", torch.float16) if torch.cuda.is_available() else ("cpu", torch.float32)
    unet = load_unet(base, dtype).to(device)
    modules = {"unet": unet, **{root: m.to(device) for root, m in load_text_encoders(base, dtype).items()}}
    for path, strength in stack_of(settings.adapter.stack):
        merge_into_modules(modules, path, strength)
    return Loaded(base, modules)


def _set(model: Loaded, variant: tuple[Part, ...], sources: dict[str, Source]) -> None:
    """Let exactly the variant's LoRAs act, each with its strength; the same one twice counts twice."""
    for part in variant:
        if part.path not in model.adapters:
            model.adapters[part.path] = _attach(sources[part.path], model.modules)
    for path, adapter in model.adapters.items():
        adapter.scale = sum(part.strength for part in variant if part.path == path)


def _attach(source: Source, modules: dict[str, nn.Module]) -> Adapter:
    if not source.checkpoint:
        adapter = load_lora(modules, source.path)
    else:
        settings = source.settings
        learning = modules if settings.adapter.text_encoder else {"unet": modules["unet"]}
        adapter = attach_adapter(settings, learning)
        adapter.load_state_dict(read_weights(source.path / WEIGHTS))
    adapter.requires_grad_(False)
    return adapter.to(modules["unet"].device)


def _look(job: Job, base: BaseInfo, settings: Settings | None) -> Look:
    """What the job leaves open is as the run drew its test pictures."""
    own, clip_skip = (settings or Settings()).sample, (settings or Settings()).model.clip_skip

    def wanted(name: str) -> Any:
        value = getattr(job, name)
        return getattr(own, name) if value is None else value

    return Look(
        job.prompts, wanted("negative"), job.size or own.size or base.resolution, wanted("steps"), wanted("guidance"),
        wanted("seed"), wanted("sampler"), job.clip_skip or clip_skip,
    )  # fmt: skip

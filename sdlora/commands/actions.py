"""The work behind `sdlora download`, `sample`, `probe`, `export` and `settings`."""

import argparse
import json
from pathlib import Path

import tomlkit

from sdlora.errors import Problem, UserError
from sdlora.families.base import inspect_base
from sdlora.families.shared.hub import follow
from sdlora.runs.run import Run
from sdlora.settings import Settings, all_settings


def download_base(base: str, revision: str = "", as_json: bool = False) -> str:
    """Download a hub id with a bar, or with a JSON line for each look; returns what to say at the end."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    if base.count("/") != 1:
        raise UserError(f"{base!r} is no hub id.", fix='Write it as "organisation/model".')
    with Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), disable=as_json) as bar:
        task = bar.add_task("")
        for done, of in follow(base, revision):
            bar.update(task, completed=done, total=of)
            if as_json:
                print(json.dumps({"done": done, "of": of}), flush=True)
    info = inspect_base(base, revision)
    return json.dumps({"described": info.described}) if as_json else f"{base}: {info.described}, ready to train on."


def sample_lora(args: argparse.Namespace) -> Path:
    """Draw every prompt at every strength as one grid; same seeds in every row. Returns the PNG's path."""
    from sdlora.pictures.grid import grid, save_png
    from sdlora.pictures.job import Job, Part, faults, pictures
    from sdlora.pictures.model import source_of

    settings = source_of(args.lora).settings
    prompts = tuple(args.prompt) or tuple(settings.sample.prompts if settings else ()) or ("",)
    job = Job(
        tuple((Part(str(args.lora), strength),) for strength in args.strength), prompts, args.base, args.vae,
        args.negative, args.seed, args.steps, args.guidance, args.size, args.sampler, args.clip_skip,
    )  # fmt: skip
    wrong = [
        *(f"--{fault}" if fault[0].islower() else fault for fault in faults(job)),
        *([f"--out is {args.out}; it must end in .png."] if args.out.suffix.lower() != ".png" else []),
    ]
    if wrong:
        raise UserError(*wrong)
    drawn = {(variant, prompt): image for variant, prompt, image in pictures(job)}
    rows = [(f"{s:g}", [drawn[row, n] for n in range(len(prompts))]) for row, s in enumerate(args.strength)]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_png(grid(rows, prompts), args.out)
    return args.out


def measure(settings: Settings, problems: list[Problem], as_json: bool) -> str:
    """What one step costs, in words or as JSON; UserError with all problems if the run could not start."""
    from sdlora.check import check, resolve
    from sdlora.train.probe import fits, probe

    fatal = [problem for problem in (*problems, *check(settings)) if problem.fatal]
    if fatal:
        raise UserError(*fatal)
    model = settings.model
    settings = resolve(settings, inspect_base(model.base, model.revision, model.vae))
    measured = probe(settings)
    tight = fits(measured)
    if as_json:
        return json.dumps({**measured.as_dict(), "problem": str(tight.problems[0]) if tight else ""})
    minutes = (measured.start_seconds + measured.step_seconds * settings.train.steps) / 60
    lines = [
        f"{measured.step_seconds:.2f} s per step on {measured.device}, first step after {measured.start_seconds:.0f} s",
        f"{settings.train.steps} steps: about {minutes:.0f} min, test pictures not counted",
        f"memory: {measured.peak_bytes / 1e9:.1f} GB of {measured.free_bytes / 1e9:.1f} GB free",
        f"LoRA: {measured.trainable:,} parameters, {measured.file_bytes / 1e6:.1f} MB",
        *([str(tight.problems[0])] if tight else []),
    ]
    return "\n".join(lines)


def export_run(run: Run, args: argparse.Namespace) -> tuple[Path, float]:
    """Write the LoRA of one of the run's checkpoints; returns its path and the relative error of the check."""
    import torch

    from sdlora.check import scan_for
    from sdlora.runs.checkpoints import newest_intact
    from sdlora.runs.origin import origin_of
    from sdlora.runs.run import safe_name
    from sdlora.train.checkpoint import load_weights
    from sdlora.train.finish import facts_of, make_plain, write_lora
    from sdlora.train.prepare import base_of, load_trainee

    settings = run.settings()
    if args.metadata:
        settings.save.metadata = args.metadata
    there = dict(run.checkpoints())
    if not there:
        raise UserError(f"{run.name} has no checkpoint.", fix="Train it for at least one step first.")
    whole, _ = newest_intact(run.folder / "checkpoints")
    step = args.step or (whole[0] if whole else max(there))
    if step not in there:
        raise UserError(
            f"{run.name} has no checkpoint of step {step}.", fix=f"There are: {', '.join(map(str, sorted(there)))}."
        )
    base = base_of(settings)
    trainee = load_trainee(settings, base, None, torch.device("cpu"), torch.float32)
    state = load_weights(there[step], trainee.adapter)
    if args.plain and trainee.adapter.dora:
        lost = make_plain(trainee, args.rank or settings.adapter.rank)
        print(f"As a plain LoRA of rank {args.rank or settings.adapter.rank}: {lost:.1%} of the change is lost.")
    items = scan_for(settings, base).items
    epoch, precision = state.get("epoch", 0.0), state.get("precision", "no")
    facts = facts_of(settings, items, step, epoch, precision, state.get("started"), origin_of(run.folder))
    path = args.out or run.folder / f"{safe_name(settings.run.name)}-{step:06d}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    container, dtype = args.container or settings.save.container, args.dtype or settings.save.dtype
    return path, write_lora(path, settings, trainee, facts, container=container, dtype=dtype)


def settings_text(settings: Settings) -> str:
    """All settings as TOML with their help as comments, to edit and train from."""
    helps = {info.key: info for info in all_settings()}
    document = tomlkit.document()
    for section, values in settings.model_dump(mode="python").items():
        table = tomlkit.table()
        for name, value in values.items():
            info = helps[f"{section}.{name}"]
            choices = f" One of: {', '.join(info.choices)}." if info.choices else ""
            table.add(tomlkit.comment(info.help + choices))
            if value is None:  # left open: TOML has no word for that
                table.add(tomlkit.comment(f"{name} ="))
                continue
            if info.type is dict:
                pairs = tomlkit.inline_table()
                pairs.update(value)
                value = pairs
            table.add(name, value)
        document.add(section, table)
    return tomlkit.dumps(document)

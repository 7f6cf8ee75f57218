"""The work behind `sdlora download`, `sample`, `probe`, `export` and `settings`."""

import argparse
import json
import math
from pathlib import Path

import tomlkit
from safetensors import safe_open

from sdlora.config import Model, Settings, all_settings, load_settings
from sdlora.errors import Problem, UserError
from sdlora.models.families import inspect_base
from sdlora.models.hub import follow
from sdlora.run import Run


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
    from sdlora.lora.export import load_lora
    from sdlora.models.load import load_text_encoders, load_unet
    from sdlora.sample import Look, draw, grid, save_png

    _check_sample(args)
    lora, settings = lora_of(args.lora)
    model = settings.model if settings else Model()
    base = inspect_base(args.base or model.base, vae=args.vae)
    unet, encoders = load_unet(base), load_text_encoders(base)
    adapter = load_lora({"unet": unet, **encoders}, lora)
    prompts = tuple(args.prompt) or tuple(settings.sample.prompts if settings else ()) or ("",)
    look = Look(
        prompts, args.negative, args.size or base.resolution, args.steps, args.guidance, args.seed, args.sampler,
        args.clip_skip or model.clip_skip,
    )  # fmt: skip
    rows = []
    for strength in args.strength:
        adapter.scale = strength
        rows.append((f"{strength:g}", list(draw(base, look, unet, encoders))))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_png(grid(rows, prompts), args.out)
    return args.out


def _check_sample(args: argparse.Namespace) -> None:
    wrong = []
    if not all(math.isfinite(s) and abs(s) <= 100 for s in args.strength):
        wrong.append("--strength must be numbers between -100 and 100.")
    if args.steps < 1 or args.steps > 1000:
        wrong.append(f"--steps is {args.steps}; it must be 1 to 1000.")
    if not 1 <= args.guidance <= 100:
        wrong.append(f"--guidance is {args.guidance}; it must be 1 to 100.")
    if args.size and (args.size % 8 or not 16 <= args.size <= 4096):
        wrong.append(f"--size is {args.size}; it must be a multiple of 8 from 16 to 4096.")
    if args.out.suffix.lower() != ".png":
        wrong.append(f"--out is {args.out}; it must end in .png.")
    if wrong:
        raise UserError(*wrong)


def lora_of(path: Path) -> tuple[Path, Settings | None]:
    """The LoRA file and, where known, the settings it was trained with."""
    if not path.is_dir():
        return path, _settings_in(path)
    if not (path / "settings.toml").is_file():
        raise UserError(f"{path} is not a run folder (no settings.toml in it).", fix="Give a LoRA file or a run.")
    files = sorted(path.glob("*.safetensors"), key=lambda p: p.stat().st_mtime)
    if not files:
        raise UserError(f"{path.name} has no LoRA file yet.", fix=f"Write one with: sdlora export {path}")
    return files[-1], load_settings(path / "settings.toml")


def _settings_in(path: Path) -> Settings | None:
    """The settings in a LoRA file's metadata; None for files of other trainers or versions."""
    from sdlora.config import make_settings

    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get("sdlora_settings", "")
        return make_settings(tomlkit.parse(text).unwrap()) if text else None
    except Exception as error:  # unreadable: the loader names the fault; foreign: nothing to use
        if isinstance(error, (UserError, OSError)) or type(error).__module__.startswith(("safetensors", "tomlkit")):
            return None
        raise


def measure(settings: Settings, problems: list[Problem], as_json: bool) -> str:
    """What one step costs, in words or as JSON; UserError with all problems if the run could not start."""
    from sdlora.preflight import check, resolve
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

    from sdlora.preflight import scan_for
    from sdlora.run import safe_name
    from sdlora.train.checkpoint import STATE, WEIGHTS, read_weights
    from sdlora.train.finish import facts_of, make_plain, write_lora
    from sdlora.train.setup import base_of, load_trainee

    settings = load_settings(run.folder / "settings.toml")
    if args.metadata:
        settings.save.metadata = args.metadata
    there = dict(run.checkpoints())
    if not there:
        raise UserError(f"{run.name} has no checkpoint.", fix="Train it for at least one step first.")
    step = args.step or max(there)
    if step not in there:
        raise UserError(
            f"{run.name} has no checkpoint of step {step}.", fix=f"There are: {', '.join(map(str, sorted(there)))}."
        )
    base = base_of(settings)
    trainee = load_trainee(settings, base, None, torch.device("cpu"), torch.float32)
    trainee.adapter.load_state_dict(read_weights(there[step] / WEIGHTS))
    if args.plain and trainee.adapter.dora:
        lost = make_plain(trainee, args.rank or settings.adapter.rank)
        print(f"As a plain LoRA of rank {args.rank or settings.adapter.rank}: {lost:.1%} of the change is lost.")
    state = json.loads((there[step] / STATE).read_text())
    items = scan_for(settings, base).items
    facts = facts_of(settings, items, step, state.get("epoch", 0.0), state.get("precision", "no"), state.get("started"))
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
            if info.type is dict:
                pairs = tomlkit.inline_table()
                pairs.update(value)
                value = pairs
            table.add(name, value)
        document.add(section, table)
    return tomlkit.dumps(document)

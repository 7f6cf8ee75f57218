"""`sdlora export`: a run's LoRA file again, from any checkpoint or from all of them."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from sdlora.errors import UserError
from sdlora.messages import say
from sdlora.runs.checkpoints import is_whole, newest_intact
from sdlora.runs.offers import offers_of
from sdlora.runs.origin import origin_of
from sdlora.runs.run import Run, safe_name
from sdlora.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")
    steps = parser.add_mutually_exclusive_group()
    steps.add_argument("--step", type=int, default=0, help="checkpoint to take; the newest by default")
    steps.add_argument("--offer", choices=["keeps", "shows"], help="the checkpoint that keeps or shows more")
    steps.add_argument("--all", action="store_true", help="one of each checkpoint, into exports/; what is there stays")
    parser.add_argument("--container", choices=["kohya", "diffusers"], default="")
    parser.add_argument("--dtype", choices=["fp16", "bf16", "fp32"], default="")
    parser.add_argument("--metadata", choices=["full", "minimum"], default="")
    parser.add_argument("--plain", action="store_true", help="write a DoRA or the like as the nearest plain LoRA")
    parser.add_argument("--rank", type=int, default=0, help="rank of the plain LoRA; the run's own by default")
    parser.add_argument("--out", type=Path, help="file to write")


def run(args: argparse.Namespace) -> int:
    """Write the files, and say how exactly each was read back."""
    for path, error in export_run(Run.open(args.run_folder), args):
        print(say("terminal.wrote_checked", path=path, error=f"{error:.1e}"), flush=True)
    return 0


def export_run(run: Run, args: argparse.Namespace) -> Iterator[tuple[Path, float]]:
    """Write the LoRA of one of the run's checkpoints, or of each; gives path and relative error of each check."""
    settings = run.settings()
    if args.metadata:
        settings.save.metadata = args.metadata
    run.check_parts()
    targets = _targets(run, settings, args)
    if targets:
        yield from _exported(run, settings, targets, args)


def _targets(run: Run, settings: Settings, args: argparse.Namespace) -> dict[int, Path]:
    """The file to write by step. UserError if there is no such checkpoint, or for what can't be of several."""
    there = dict(run.checkpoints())
    if not there:
        raise UserError(say("runs.no_checkpoint", name=run.name), fix=say("runs.train_first"))
    name = safe_name(settings.run.name)
    if args.all:
        if args.out or args.plain:
            raise UserError(say("terminal.all_of_them_alone"))
        kind = "".join(f"-{word}" for word in (args.container, args.dtype) if word)
        named = {step: run.folder / "exports" / f"{name}-{step:06d}{kind}.safetensors" for step in there}
        whole = {step for step, folder in there.items() if is_whole(folder)}
        for step in sorted(set(there) - whole):
            print(say("runs.checkpoint_skipped", name=there[step].name, fault=say("runs.fault_torn")), flush=True)
        return {step: path for step, path in named.items() if step in whole and not path.exists()}
    newest, _ = newest_intact(run.folder / "checkpoints")
    step = args.step or offered(run, settings, args.offer) or (newest[0] if newest else max(there))
    if step not in there:
        raise UserError(
            say("runs.no_checkpoint_of_step", name=run.name, step=step),
            fix=say("runs.steps_there", steps=", ".join(map(str, sorted(there)))),
        )
    return {step: args.out or run.folder / f"{name}-{step:06d}.safetensors"}


def _exported(
    run: Run, settings: Settings, targets: dict[int, Path], args: argparse.Namespace
) -> Iterator[tuple[Path, float]]:
    """(file, relative error) of each target; the base model is loaded once."""
    import torch

    from sdlora.adapters.table import PLAIN
    from sdlora.check import regular_for, scan_for
    from sdlora.data.regularization import beside
    from sdlora.train.checkpoint import load_weights
    from sdlora.train.export import facts_of, make_plain, write_trained
    from sdlora.train.prepare import regular_folder
    from sdlora.train.trainee import base_of, load_trainee

    base, there, origin = base_of(settings), dict(run.checkpoints()), origin_of(run.folder)
    trainee = load_trainee(settings, base, None, torch.device("cpu"), torch.float32)
    items = scan_for(settings, base).items
    found = regular_for(settings, base, regular_folder(settings, base) or "")
    regular = beside(items, found.items) if found else ()
    container, dtype = args.container or settings.save.container, args.dtype or settings.save.dtype
    for step, path in targets.items():
        state = load_weights(there[step], trainee.adapter)
        if args.plain and trainee.adapter.kind is not PLAIN:
            lost = make_plain(trainee, args.rank or settings.adapter.rank)
            print(say("terminal.as_plain_lora", rank=args.rank or settings.adapter.rank, share=f"{lost:.1%}"))
        epoch, precision = state.get("epoch", 0.0), state.get("precision", "no")
        facts = facts_of(settings, items, step, epoch, precision, state.get("started"), origin, regular)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path, write_trained(path, settings, trainee, facts, container=container, dtype=dtype)


def offered(run: Run, settings: Settings, which: str | None) -> int | None:
    """The step that an offer is of; None if none was asked for. UserError where the run has no such offer."""
    offers = offers_of(run, settings) if which else None
    step = getattr(offers, which) if which and offers else None
    if which and step is None:
        raise UserError(say("runs.no_offer", name=run.name), fix=say("runs.choose_step"))
    return step

"""`sdlora export`: a run's LoRA file again, from any checkpoint."""

import argparse
from pathlib import Path

from sdlora.errors import UserError
from sdlora.messages import say
from sdlora.runs.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")
    parser.add_argument("--step", type=int, default=0, help="checkpoint to take; the newest by default")
    parser.add_argument("--container", choices=["kohya", "diffusers"], default="")
    parser.add_argument("--dtype", choices=["fp16", "bf16", "fp32"], default="")
    parser.add_argument("--metadata", choices=["full", "minimum"], default="")
    parser.add_argument("--plain", action="store_true", help="write a DoRA or the like as the nearest plain LoRA")
    parser.add_argument("--rank", type=int, default=0, help="rank of the plain LoRA; the run's own by default")
    parser.add_argument("--out", type=Path, help="file to write")


def run(args: argparse.Namespace) -> int:
    """Write the file, and say how exactly it was read back."""
    path, error = export_run(Run.open(args.run_folder), args)
    print(say("terminal.wrote_checked", path=path, error=f"{error:.1e}"))
    return 0


def export_run(run: Run, args: argparse.Namespace) -> tuple[Path, float]:
    """Write the LoRA of one of the run's checkpoints; returns its path and the relative error of the check."""
    import torch

    from sdlora.adapters.table import PLAIN
    from sdlora.check import regular_for, scan_for
    from sdlora.data.regularization import beside
    from sdlora.runs.checkpoints import newest_intact
    from sdlora.runs.origin import origin_of
    from sdlora.runs.run import safe_name
    from sdlora.train.checkpoint import load_weights
    from sdlora.train.export import facts_of, make_plain, write_trained
    from sdlora.train.prepare import regular_folder
    from sdlora.train.trainee import base_of, load_trainee

    settings = run.settings()
    if args.metadata:
        settings.save.metadata = args.metadata
    run.check_parts()
    there = dict(run.checkpoints())
    if not there:
        raise UserError(say("runs.no_checkpoint", name=run.name), fix=say("runs.train_first"))
    whole, _ = newest_intact(run.folder / "checkpoints")
    step = args.step or (whole[0] if whole else max(there))
    if step not in there:
        raise UserError(
            say("runs.no_checkpoint_of_step", name=run.name, step=step),
            fix=say("runs.steps_there", steps=", ".join(map(str, sorted(there)))),
        )
    base = base_of(settings)
    trainee = load_trainee(settings, base, None, torch.device("cpu"), torch.float32)
    state = load_weights(there[step], trainee.adapter)
    if args.plain and trainee.adapter.kind is not PLAIN:
        lost = make_plain(trainee, args.rank or settings.adapter.rank)
        print(say("terminal.as_plain_lora", rank=args.rank or settings.adapter.rank, share=f"{lost:.1%}"))
    items = scan_for(settings, base).items
    found = regular_for(settings, base, regular_folder(settings, base) or "")
    regular = beside(items, found.items) if found else ()
    epoch, precision = state.get("epoch", 0.0), state.get("precision", "no")
    origin = origin_of(run.folder)
    facts = facts_of(settings, items, step, epoch, precision, state.get("started"), origin, regular)
    path = args.out or run.folder / f"{safe_name(settings.run.name)}-{step:06d}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    container, dtype = args.container or settings.save.container, args.dtype or settings.save.dtype
    return path, write_trained(path, settings, trainee, facts, container=container, dtype=dtype)

"""`sdlora launch`: the files that run the same settings on another engine."""

import argparse
from pathlib import Path

from sdlora.commands.shared.flags import add_settings, prepared
from sdlora.launch.table import ENGINES
from sdlora.launch.write import IMAGE, INSTALL
from sdlora.messages import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--on", required=True, choices=list(ENGINES), help="the engine to write files for")
    parser.add_argument("--nodes", type=_count, default=1, help="machines (%(default)s)")
    parser.add_argument("--gpus", type=_count, default=1, help="GPUs of each machine; 0 for none (%(default)s)")
    parser.add_argument("--time", default="12:00:00", metavar="H:MM:SS", help="longest run time (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("launch"), help="folder to write (%(default)s); not for slurm")
    parser.add_argument("--install", help=f"how sdlora gets there ({INSTALL!r}); not for slurm")
    parser.add_argument("--image", help=f"container image ({IMAGE}); kubernetes, hf-jobs")
    parser.add_argument("--bucket", help="where the runs lie: s3://…, gs://… (skypilot), hf://buckets/… (hf-jobs)")
    parser.add_argument("--partition", help="slurm")
    parser.add_argument("--account", help="slurm")
    parser.add_argument("--gpu", help="kind of GPU, such as L4, A100, H100 (skypilot)")
    parser.add_argument("--queue", help="Kueue's local queue (kubernetes)")
    parser.add_argument("--claim", help="persistent volume claim with images, models and runs (kubernetes)")
    parser.add_argument("--runtime", help="training runtime (torch-distributed; kubernetes)")
    parser.add_argument("--flavor", help="hardware, such as a10g-small (hf-jobs)")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Check the settings as a training does, write the files, say what to call; nothing is started."""
    from sdlora.launch.write import write_job

    settings = prepared(args).resolved()
    names = ("install", "image", "bucket", "partition", "account", "gpu", "queue", "claim", "runtime", "flavor")
    options = {name: getattr(args, name) for name in names if getattr(args, name)}
    file, command = write_job(args.on, settings, max(1, args.nodes), args.gpus, args.time, options, args.out)
    print(say("terminal.wrote", path=file))
    print(say("launching.hand_in", command=command))
    return 0


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 10000")
    return int(text)

"""`sdlora probe`: the time and memory of one step, measured."""

import argparse
import json

from sdlora.commands.shared.flags import add_settings, prepared
from sdlora.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Print what one step costs."""
    print(measure(prepared(args).resolved(), as_json=args.json))
    return 0


def measure(settings: Settings, as_json: bool) -> str:
    """What one step of resolved settings costs, in words or as JSON."""
    from sdlora.train.probe import fits, probe

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

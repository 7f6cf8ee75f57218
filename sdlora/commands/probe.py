"""`sdlora probe`: the time and memory of one step, measured."""

import argparse
import json

from sdlora.commands.shared.flags import add_settings, prepared
from sdlora.messages import packed, say
from sdlora.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Print what one step costs."""
    print(measured_text(prepared(args).resolved(), as_json=args.json))
    return 0


def measured_text(settings: Settings, as_json: bool) -> str:
    """What one step of resolved settings costs, in words or as JSON."""
    from sdlora.train.probe import memory_problem, probe

    measured = probe(settings)
    tight = memory_problem(measured)
    if as_json:
        problem = tight.problems[0].message if tight else ""
        return json.dumps({**measured.as_dict(), "problem": str(problem), "said": packed(problem)})
    minutes = (measured.start_seconds + measured.step_seconds * settings.train.steps) / 60
    lines = [
        say(
            "terminal.probe_seconds",
            seconds=f"{measured.step_seconds:.2f}",
            device=measured.device,
            arithmetic=measured.arithmetic,
            start=f"{measured.start_seconds:.0f}",
        ),
        say("terminal.probe_minutes", steps=settings.train.steps, minutes=f"{minutes:.0f}"),
        say("terminal.probe_memory", peak=f"{measured.peak_bytes / 1e9:.1f}", free=f"{measured.free_bytes / 1e9:.1f}"),
        say("terminal.probe_size", parameters=f"{measured.trainable:,}", size=f"{measured.file_bytes / 1e6:.1f}"),
        *([str(tight.problems[0])] if tight else []),
    ]
    return "\n".join(lines)

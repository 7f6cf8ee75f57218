"""`sdlora stop`, `pause`, `continue`, `save`, `pictures`: ask a run that trains for something."""

import argparse
from pathlib import Path

from sdlora.errors import UserError
from sdlora.messages import say
from sdlora.runs.run import Run

REQUESTED = {"continue": ("pause", False), "pictures": ("sample", True)}  # the others are requests by their own name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the commands take."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")


def run(args: argparse.Namespace) -> int:
    """Leave the request in the run folder; UserError if nobody trains the run."""
    asked = Run.open(args.run_folder)
    if not asked.alive():
        raise UserError(
            say("terminal.not_training", name=asked.name), fix=say("terminal.resume_with", path=asked.folder)
        )
    request, on = REQUESTED.get(args.command, (args.command, True))
    asked.request(request, on=on)
    print(say("terminal.asked", name=asked.name, what=args.command))
    return 0

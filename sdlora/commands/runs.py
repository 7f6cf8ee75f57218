"""`sdlora runs`: every run and how it stands."""

import argparse
from pathlib import Path

from sdlora.errors import UserError, explain
from sdlora.events import Finished, StepDone
from sdlora.runs.origin import origin_of
from sdlora.runs.run import list_runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs"))


def run(args: argparse.Namespace) -> int:
    """Print a line for each run, newest first; one that can't be read says why."""
    runs = list_runs(args.folder)
    for each in runs:
        step, file = 0, ""
        try:
            state, origin = each.state(), origin_of(each.folder)
            for _, event in each.events():
                step = event.step if isinstance(event, StepDone) else step
                file = event.file if isinstance(event, Finished) else file
        except (OSError, UserError) as error:  # the others are listed all the same
            print(f"{each.name:40} unreadable   {explain(error)}")
            continue
        print(f"{each.name:40} {state:12} step {step:<7} {file}{f'  (from {origin})' if origin else ''}")
    if not runs:
        print(f"No runs in {args.folder}.")
    return 0

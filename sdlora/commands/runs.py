"""`sdlora runs`: every run and how it stands."""

import argparse
from pathlib import Path

from sdlora.errors import UserError, explain
from sdlora.events import Finished, StepDone
from sdlora.messages import say
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
            print(say("terminal.run_unreadable", name=f"{each.name:40}", why=explain(error).message))
            continue
        print(
            say(
                "terminal.run_line",
                name=f"{each.name:40}",
                state=f"{state:12}",
                step=f"{step:<7}",
                file=file,
                origin=say("terminal.run_from", origin=origin) if origin else "",
            )
        )
    if not runs:
        print(say("terminal.no_runs", folder=args.folder))
    return 0

"""`sdlora draw`: the pictures of a job file, for the page."""

import argparse
from pathlib import Path

from sdlora.messages import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folder", type=Path, metavar="FOLDER")


def run(args: argparse.Namespace) -> int:
    """Draw, and say how many pictures there are."""
    from sdlora.pictures.job import draw_job

    print(say("terminal.drew_pictures", count=draw_job(args.folder), folder=args.folder))
    return 0

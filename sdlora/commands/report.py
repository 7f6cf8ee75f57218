"""`sdlora report`: a run as one HTML file."""

import argparse
from pathlib import Path

from sdlora.messages import say
from sdlora.runs.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("run_folder", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, help="file to write; report.html in the run's folder by default")


def run(args: argparse.Namespace) -> int:
    """Write the report, whatever state the run is in."""
    from sdlora.files.intact import write_atomically
    from sdlora.report.facts import facts_of_run
    from sdlora.report.page import page
    from sdlora.toolbox.files import output_path

    run = Run.open(args.run_folder)
    path = output_path(args.out or run.folder / "report.html", [], suffix=".html")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page(facts_of_run(run)).encode("utf-8", "replace"))
    print(say("terminal.wrote", path=path))
    return 0

"""`sdlora train`: begin a run, go on with one, or begin one at another's checkpoint."""

import argparse
import os

from sdlora.commands.shared.flags import add_settings, given_values, overrides_of
from sdlora.errors import UserError
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.settings import Settings, read_toml, salvage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--resume", metavar="RUN", help="go on with this run folder")
    parser.add_argument(
        "--from",
        dest="origin",
        metavar="RUN[@STEP]",
        help="begin a new run at a checkpoint of another one (its newest by default), with other settings",
    )
    parser.add_argument("--run", dest="run_folder", metavar="RUN", help=argparse.SUPPRESS)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Train to the end; 1 if the training failed, 130 if it was stopped at once."""
    from sdlora.check import prepare
    from sdlora.commands.shared.begin import begin
    from sdlora.commands.shared.terminal import follow

    for flag, given in (("--resume", args.resume), ("--from", args.origin), ("--run", args.run_folder)):
        if given is not None and not given.strip():  # an empty variable of a shell must not begin another run
            raise UserError(say("runs.flag_empty", flag=flag), fix=say("runs.list_runs"))
    if args.run_folder or args.resume:
        opened = Run.open(args.run_folder or args.resume)
        if args.resume and (args.origin or args.settings or overrides_of(args)):
            fix = say("runs.begin_from", path=opened.folder)
            raise UserError(say("runs.settings_kept"), fix=fix)
        return follow(opened, opened.settings(), plain=bool(args.run_folder))
    if args.origin:
        device = vars(args).get("train.device", "auto")
        made = lambda: begin_at_origin(args)  # noqa: E731
    else:
        values, source = given_values(args)
        device = salvage(values)[0].train.device
        made = lambda: begin(prepare(values, source))  # noqa: E731
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return follow(*made())
    from sdlora.train.processes import made_by_main

    # Opened, for it may not be there on another machine: the run's folder has to be on a disk that all share.
    opened = Run.open(made_by_main(lambda: str(made()[0].folder), device))
    return follow(opened, opened.settings())


def begin_at_origin(args: argparse.Namespace) -> tuple[Run, Settings]:
    """(run, settings) of ``--from``: another run's settings, those of the file and the flags over them."""
    from sdlora.runs.origin import begin_from, parse_origin

    values = read_toml(args.settings) if args.settings else {}
    sections = {name: part if isinstance(part, dict) else {"": part} for name, part in values.items()}
    changes = {f"{section}.{name}": value for section, part in sections.items() for name, value in part.items()}
    begun, settings, notes = begin_from(
        *parse_origin(args.origin), changes | overrides_of(args), say("settings.source_command_line")
    )
    for note in notes:
        print(say("terminal.note", what=note))
    return begun, settings

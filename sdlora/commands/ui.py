"""`sdlora ui`: the page, from wherever sdlora is installed."""

import argparse
from importlib import import_module

from sdlora.errors import UserError
from sdlora.messages import say

PAGE = "ui.shell.app"  # by name: nothing in this package imports the page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--port", type=int, default=7878, help="port of the page (%(default)s)")
    parser.add_argument("--listen", action="store_true", help="open the page to the network; needs SDLORA_PASSWORD")
    parser.add_argument("--runs", default="runs", help="folder that the runs are written to (%(default)s)")
    parser.add_argument("--data", help="the page reads inside this folder only (with --listen: datasets)")
    parser.add_argument("--models", help="with --data or --listen: base models may lie here too")
    parser.add_argument("--api", action="store_true", help="let scripts use the page (docs/api.md)")
    parser.add_argument("--no-browser", action="store_true", help="don't open the browser")


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; 2 if it can't be served as asked."""
    try:
        page = import_module(PAGE)
    except ModuleNotFoundError as error:
        fix = say("terminal.install_again")
        raise UserError(say("terminal.page_not_installed", name=error.name), fix=fix) from error
    return page.main(page_arguments(args))


def page_arguments(args: argparse.Namespace) -> list[str]:
    """What the page's own command line takes, of what was given here."""
    named = {"--port": args.port, "--runs": args.runs, "--data": args.data, "--models": args.models}
    given = [text for flag, value in named.items() if value is not None for text in (flag, str(value))]
    flags = {"--listen": args.listen, "--api": args.api, "--browser": not args.no_browser}
    return given + [flag for flag, on in flags.items() if on]

"""The command line: its parser, and the sentence for whatever goes wrong. The commands are in sdlora/commands."""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from sdlora import __version__, inuse
from sdlora.commands.table import COMMANDS
from sdlora.errors import UserError, explain, explains_itself
from sdlora.messages import packed, say

# The libraries' notices at import are about their own internals (a missing torchvision and the like).
for _library in ("TRANSFORMERS", "DIFFUSERS"):
    os.environ.setdefault(f"{_library}_VERBOSITY", "error")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 good, 1 something to mend, 2 wrong usage, 130 stopped by Ctrl-C."""
    args = build_parser().parse_args(argv)
    inuse.hold()
    try:
        return _module(args.command).run(args)
    except UserError as error:
        _print_problems(error, args)
    except KeyboardInterrupt:
        print(say("terminal.stopped"), file=sys.stderr)
        return 130
    except Exception as error:  # the top: whatever it was, people get a sentence
        path = "" if explains_itself(error) else _note_traceback(args)
        told = explain(error, path)
        _print_problems(told, args)
        if path and str(path) not in str(told):
            print(say("terminal.details", path=path), file=sys.stderr)
    return 1


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; ``args.command`` is the name of the one that was called."""
    parser = argparse.ArgumentParser(prog="sdlora", description="Train Stable Diffusion LoRAs.")
    parser.add_argument("--version", action="version", version=f"sdlora {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_CommandParser)
    for name, command in COMMANDS.items():
        if command.needs is None or command.needs.is_dir():
            text = command.text
            added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
            added.set_defaults(command=name)
    return parser


class _CommandParser(argparse.ArgumentParser):
    """A command's parser, which gets its arguments from the command's file when the command is called."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        _module(self.get_default("command")).add_arguments(self)
        return super().parse_known_args(args, namespace)


def _module(command: str) -> Any:
    return import_module(f"sdlora.commands.{COMMANDS[command].module or command}")


def _print_problems(error: UserError, args: argparse.Namespace) -> None:
    """A line each; for a program that reads JSON, in one object that it can say in another language as well."""
    for problem in error.problems:
        print(str(problem), file=sys.stderr)
    if getattr(args, "json", False):
        print(json.dumps({"problem": str(error), "said": packed(error.message)}), flush=True)


def _note_traceback(args: argparse.Namespace) -> str:
    """The details go to a file, not to the screen: its path; "" if the disk takes none.

    In the folder that the command is about, else in the current one, else among the temporary files.
    """
    about = [getattr(args, name, None) for name in ("run_folder", "resume", "folder")]
    for folder in [*(path for path in about if path and os.path.isdir(path)), Path(".")]:
        path = Path(folder).absolute() / "sdlora-error.txt"
        with contextlib.suppress(OSError):
            path.write_text(traceback.format_exc(), encoding="utf-8")
            return str(path)
    with contextlib.suppress(OSError):
        number, name = tempfile.mkstemp(prefix="sdlora-error-", suffix=".txt")
        with open(number, "w", encoding="utf-8") as file:
            file.write(traceback.format_exc())
        return name
    return ""

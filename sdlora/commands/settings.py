"""`sdlora settings`: every setting as TOML, or another trainer's settings made into ours."""

import argparse
import sys
from pathlib import Path

import tomlkit

from sdlora.commands.shared.flags import add_settings, overrides_of
from sdlora.foreign import import_file
from sdlora.messages import say
from sdlora.settings import Settings, all_settings, make_settings, merge


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--import", dest="foreign", type=Path, metavar="FILE", help="settings file of kohya, kohya_ss or OneTrainer"
    )
    add_settings(parser, file=False)


def run(args: argparse.Namespace) -> int:
    """Print the settings; what an import took and did not take goes to the error output."""
    values = {}
    if args.foreign:
        imported, report = import_file(args.foreign)
        values = imported.model_dump(exclude_none=True)
    settings = make_settings(merge(values, overrides_of(args)), say("settings.source_command_line"))
    if args.foreign:
        print("\n".join(report.lines()), file=sys.stderr)
    print(settings_text(settings), end="")
    return 0


def settings_text(settings: Settings) -> str:
    """All settings as TOML with their help as comments, to edit and train from."""
    helps = {info.key: info for info in all_settings()}
    document = tomlkit.document()
    for section, values in settings.model_dump(mode="python").items():
        table = tomlkit.table()
        for name, value in values.items():
            info = helps[f"{section}.{name}"]
            choices = say("terminal.one_of", choices=", ".join(info.choices)) if info.choices else ""
            table.add(tomlkit.comment(f"{info.help} {choices}".strip()))
            if value is None:  # left open: TOML has no word for that
                table.add(tomlkit.comment(f"{name} ="))
                continue
            if info.type is dict:
                pairs = tomlkit.inline_table()
                pairs.update(value)
                value = pairs
            table.add(name, value)
        document.add(section, table)
    return tomlkit.dumps(document)

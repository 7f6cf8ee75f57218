"""Settings as flags: ``--adapter.rank 8``, made from their declarations."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlora.errors import UserError
from sdlora.foreign import tool_of
from sdlora.messages import say
from sdlora.settings import SettingInfo, all_settings, merge, read_toml
from sdlora.settings.numbers import plain_number
from sdlora.settings.renamed import RENAMED, named_as_today

if TYPE_CHECKING:
    from sdlora.check import Ready


def add_settings(parser: argparse.ArgumentParser, file: bool = True) -> None:
    """Add a flag for every setting, and before them (``file``) the settings file that they are put over."""
    if file:
        parser.add_argument("settings", nargs="?", type=Path, help="settings file (TOML)")
    groups: dict[str, Any] = {}
    for info in all_settings():
        section = info.key.split(".")[0]
        group = groups[section] = groups.get(section) or parser.add_argument_group(section)
        value: dict[str, Any] = {
            "dest": info.key,
            "default": argparse.SUPPRESS,
            "help": (info.help if info.optional else f"{info.help} (default: {info.default!r})").replace("%", "%%"),
        }
        if info.choices:
            group.add_argument(f"--{info.key}", choices=info.choices, **value)
        elif info.type is bool:
            group.add_argument(f"--{info.key}", action=argparse.BooleanOptionalAction, **value)
        elif info.type is list:
            group.add_argument(f"--{info.key}", nargs="*", metavar="TEXT", **value)
        elif info.type is dict:
            group.add_argument(f"--{info.key}", nargs="*", type=_pair, metavar="PATTERN=NUMBER", **value)
        else:
            group.add_argument(f"--{info.key}", metavar=info.type.__name__.upper(), **value)
    for key in RENAMED:
        action = argparse.BooleanOptionalAction
        parser.add_argument(f"--{key}", action=action, dest=key, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _pair(text: str) -> tuple[str, str]:
    pattern, sign, number = text.rpartition("=")
    if not sign or not pattern:
        raise argparse.ArgumentTypeError(f"{text!r} is not PATTERN=NUMBER")
    return pattern, plain_number(number)


def overrides_of(args: argparse.Namespace) -> dict[str, Any]:
    """{"adapter.rank": "8"} of the flags that were given; numbers stay text, pydantic reads them."""

    def plain(info: SettingInfo) -> Any:
        value = vars(args)[info.key]
        if info.type in (int, float):
            return plain_number(value, whole=info.type is int)
        return dict(value) if info.type is dict else value

    old = {key: vars(args)[key] for key in RENAMED if key in vars(args)}
    return named_as_today({info.key: plain(info) for info in all_settings() if info.key in vars(args)} | old)


def given_values(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """(nested values of the settings file with the flags over them, where they come from)."""
    if args.settings and (tool := tool_of(args.settings)):
        fix = say("terminal.import_first", file=args.settings)
        raise UserError(say("terminal.foreign_settings", file=args.settings.name, tool=tool), fix=fix)
    values = read_toml(args.settings) if args.settings else {}
    return merge(values, overrides_of(args)), args.settings.name if args.settings else say(
        "settings.source_command_line"
    )


def prepared(args: argparse.Namespace) -> "Ready":
    """The settings of file and flags, checked."""
    from sdlora.check import prepare

    return prepare(*given_values(args))

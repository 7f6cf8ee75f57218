"""`sdlora rename`: a LoRA's name, trigger word and metadata."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("lora", type=Path)
    parser.add_argument("--name", default="", help="what the tools call it")
    parser.add_argument("--trigger", help='trigger word; "" removes it')
    parser.add_argument("--description", help='"" removes it')
    parser.add_argument("--set", nargs="*", type=_entry, default=[], metavar="KEY=TEXT", help="other metadata")
    parser.add_argument("--remove", nargs="*", default=[], metavar="KEY", help="metadata to take out")
    parser.add_argument("--out", type=Path, required=True, help="file to write")


def _entry(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=TEXT")
    return key, value


def run(args: argparse.Namespace) -> int:
    """Write the file with its new name or metadata."""
    from sdlora.toolbox.rename import rename_lora

    print(
        rename_lora(
            args.lora,
            args.out,
            name=args.name,
            trigger=args.trigger,
            description=args.description,
            values=dict(args.set),
            remove=args.remove,
        )
    )
    return 0

"""`sdlora inspect`: what a LoRA file is, and what is wrong with it."""

import argparse
from pathlib import Path

from sdlora.commands.shared.lora_arguments import add_leave_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("lora", type=Path)
    parser.add_argument("--against", "--reference", type=Path, help="another LoRA to compare the strength with")
    parser.add_argument("--base", type=Path, help="base model that the tools load it on (the published one)")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    add_leave_out(parser)


def run(args: argparse.Namespace) -> int:
    """Print what the file is; 1 if something is wrong with it."""
    from sdlora.toolbox.inspect import inspect_lora, report_text

    report = inspect_lora(args.lora, against=args.against, base=args.base, leave_out=args.leave_out)
    print(report.as_json() if args.json else report_text(report))
    return 0 if report.is_sound else 1

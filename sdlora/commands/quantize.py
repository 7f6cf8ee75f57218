"""`sdlora quantize`: fp8 of a LoRA or a checkpoint."""

import argparse
from pathlib import Path

from sdlora.commands.shared.lora_arguments import add_leave_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("model", type=Path, help="LoRA or single-file checkpoint")
    parser.add_argument("--plain", action="store_true", help="a checkpoint without a scale for each layer")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    add_leave_out(parser)


def run(args: argparse.Namespace) -> int:
    """Quantize, and print what was written and what it lost."""
    from sdlora.toolbox.quantize import quantize

    print(quantize(args.model, args.out, scaled=not args.plain, leave_out=args.leave_out))
    return 0

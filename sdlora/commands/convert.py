"""`sdlora convert`: a LoRA in another container or dtype."""

import argparse
from pathlib import Path

from sdlora.commands.shared.lora_arguments import add_leave_out, add_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("lora", type=Path, help="a safetensors file, or an old pickled one (.bin, .pt, .ckpt)")
    add_output(parser, container=True)
    add_leave_out(parser)


def run(args: argparse.Namespace) -> int:
    """Convert, and print what was written and what it lost."""
    from sdlora.toolbox.convert import convert_lora

    print(convert_lora(args.lora, args.out, container=args.container, dtype=args.dtype, leave_out=args.leave_out))
    return 0

"""`sdlora resize`: a LoRA with another rank."""

import argparse
from pathlib import Path

from sdlora.commands.shared.lora_arguments import add_leave_out, add_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("lora", type=Path)
    parser.add_argument("--rank", type=int, help="highest rank")
    parser.add_argument("--conv-rank", type=int, help="highest rank of 3x3 convolutions")
    parser.add_argument("--energy", type=float, help="share of the squared norm to keep, such as 0.99")
    parser.add_argument("--ratio", type=float, help="keep singular values larger than the largest / RATIO")
    parser.add_argument("--base", type=Path, help="a DoRA's base model")
    add_output(parser, container=True)
    add_leave_out(parser)


def run(args: argparse.Namespace) -> int:
    """Resize, and print what was written and what it lost."""
    from sdlora.toolbox.resize import resize_lora

    keys = ("rank", "conv_rank", "energy", "ratio", "base", "dtype", "container", "leave_out")
    print(resize_lora(args.lora, args.out, **{key: vars(args)[key] for key in keys}))
    return 0

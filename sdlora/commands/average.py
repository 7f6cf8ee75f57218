"""`sdlora average`: the mean of LoRAs, such as checkpoints of one run."""

import argparse

from sdlora.commands.shared.lora_arguments import add_leave_out, add_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("sources", nargs="+", metavar="FILE|RUN@STEP", help="a LoRA file, or a checkpoint of a run")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--rank", type=int, help="rank of the mean; the highest of the inputs by default")
    size.add_argument("--exact", action="store_true", help="lose nothing: the ranks add up")
    add_output(parser, container=True)
    add_leave_out(parser)


def run(args: argparse.Namespace) -> int:
    """Average, and print what was written and what it lost."""
    from sdlora.toolbox.average import average_loras

    keys = ("rank", "exact", "dtype", "container", "leave_out")
    print(average_loras(args.sources, args.out, **{key: vars(args)[key] for key in keys}))
    return 0

"""`sdlora extract`: a LoRA of the difference of two models."""

import argparse
from pathlib import Path

from sdlora.commands.shared.lora_arguments import add_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("tuned", type=Path, help="the trained model: folder or .safetensors")
    parser.add_argument("base", type=Path, help="the model it came from")
    parser.add_argument("--rank", type=int, help="highest rank")
    parser.add_argument("--energy", type=float, help="share of the squared norm to keep, such as 0.99")
    parser.add_argument("--convolutions", action="store_true", help="those of the resnets too")
    add_output(parser, dtype="fp16")


def run(args: argparse.Namespace) -> int:
    """Extract, and print what was written and what it lost."""
    from sdlora.toolbox.extract import extract_lora

    chosen = {key: vars(args)[key] for key in ("rank", "energy", "convolutions", "dtype")}
    print(extract_lora(args.tuned, args.base, args.out, **chosen))
    return 0

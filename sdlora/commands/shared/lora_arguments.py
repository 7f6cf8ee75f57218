"""Arguments that several of the toolbox's commands share."""

import argparse
from pathlib import Path


def add_output(parser: argparse.ArgumentParser, container: bool = False, dtype: str = "") -> None:
    """Add --out and --dtype, and ``--container`` where asked for. dtype: the default; "" is the input's own."""
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    shown = dtype or "the input's"
    parser.add_argument("--dtype", choices=["fp16", "bf16", "fp32"], default=dtype, help=f"of the numbers ({shown})")
    if container:
        parser.add_argument("--container", choices=["kohya", "diffusers"], default="kohya", help="spelling of the keys")


def add_leave_out(parser: argparse.ArgumentParser) -> None:
    """Add the switch that passes over what a plain LoRA can't hold, instead of refusing the file."""
    parser.add_argument(
        "--leave-out",
        action="store_true",
        help="pass over what a plain LoRA can't hold: norms, biases, embeddings, keys of other kinds",
    )

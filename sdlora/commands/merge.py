"""`sdlora merge`: several LoRAs into one, or into a base model."""

import argparse
from pathlib import Path

from sdlora.commands.shared.lora_arguments import add_leave_out, add_output
from sdlora.errors import UserError
from sdlora.messages import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("loras", nargs="+", type=_weighted, metavar="FILE[=WEIGHT]", help="such as a.safetensors=0.7")
    parser.add_argument("--into", type=Path, metavar="BASE", help="base model to merge into: folder or .safetensors")
    parser.add_argument("--rank", type=int, help="rank of the result; without it the merge is exact and ranks add up")
    parser.add_argument(
        "--blocks",
        action="append",
        default=[],
        metavar="WEIGHTS",
        help='weights by block: "IN04=0.5 IN05-OUT05=0 *attn1*=1", or 12 or 20 (SDXL), 17 or 26 (SD 1, 2) numbers; '
        "once, or once for each file",
    )
    parser.add_argument("--method", choices=["linear", "ties", "dare"], default="linear")
    parser.add_argument("--density", type=float, default=0.5, help="ties, dare: share of the numbers that stay")
    parser.add_argument("--seed", type=int, default=0, help="dare: of its random choice")
    add_output(parser, container=True)
    add_leave_out(parser)


def _weighted(text: str) -> tuple[Path, float]:
    """ "a.safetensors=0.7" -> (path, weight); 1 without a weight. A name may itself hold "="."""
    path, sign, weight = text.rpartition("=")
    if sign and path:
        try:
            return Path(path), float(weight)
        except ValueError:
            if weight and not weight.endswith(".safetensors"):
                raise argparse.ArgumentTypeError(f"{weight!r} in {text!r} is no number") from None
    return Path(text), 1.0


def run(args: argparse.Namespace) -> int:
    """Merge, and print what was written and what it lost."""
    if args.into:
        from sdlora.toolbox.bake import merge_into_base

        if args.rank is not None or args.method != "linear" or args.dtype:
            raise UserError(say("terminal.merge_is_exact"), fix=say("terminal.leave_out_options"))
        print(merge_into_base(args.into, args.loras, args.out, blocks=args.blocks, leave_out=args.leave_out))
        return 0
    from sdlora.toolbox.merge import merge_loras

    keys = ("rank", "blocks", "method", "density", "seed", "dtype", "container", "leave_out")
    print(merge_loras(args.loras, args.out, **{key: vars(args)[key] for key in keys}))
    return 0

"""The toolbox as commands: `sdlora merge`, `extract`, `resize`, `convert`, `inspect`, `rename`, `quantize`.

torch is imported inside the commands only.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

MakeCommand = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_commands(commands: Any, make_command: MakeCommand) -> None:
    """Add all. commands: of ``add_subparsers``; make_command(commands, name, function, text) -> parser."""
    merge = make_command(commands, "merge", merge_command, "merge LoRAs into one, or into a base model")
    merge.add_argument("loras", nargs="+", type=_weighted, metavar="FILE[=WEIGHT]", help="such as a.safetensors=0.7")
    merge.add_argument("--into", type=Path, metavar="BASE", help="base model to merge into: folder or .safetensors")
    merge.add_argument("--rank", type=int, help="rank of the result; without it the merge is exact and ranks add up")
    merge.add_argument(
        "--blocks",
        action="append",
        default=[],
        metavar="WEIGHTS",
        help='weights by block: "IN04=0.5 IN05-OUT05=0 *attn1*=1", or 12 or 20 (SDXL), 17 or 26 (SD 1, 2) numbers; '
        "once, or once for each file",
    )
    merge.add_argument("--method", choices=["linear", "ties", "dare"], default="linear")
    merge.add_argument("--density", type=float, default=0.5, help="ties, dare: share of the numbers that stay")
    merge.add_argument("--seed", type=int, default=0, help="dare: of its random choice")
    _add_output(merge, container=True)

    extract = make_command(commands, "extract", extract_command, "make a LoRA of the difference of two models")
    extract.add_argument("tuned", type=Path, help="the trained model: folder or .safetensors")
    extract.add_argument("base", type=Path, help="the model it came from")
    extract.add_argument("--rank", type=int, help="highest rank")
    extract.add_argument("--energy", type=float, help="share of the squared norm to keep, such as 0.99")
    extract.add_argument("--convolutions", action="store_true", help="those of the resnets too")
    _add_output(extract, dtype="fp16")

    resize = make_command(commands, "resize", resize_command, "give a LoRA another rank")
    resize.add_argument("lora", type=Path)
    resize.add_argument("--rank", type=int, help="highest rank")
    resize.add_argument("--conv-rank", type=int, help="highest rank of 3x3 convolutions")
    resize.add_argument("--energy", type=float, help="share of the squared norm to keep, such as 0.99")
    resize.add_argument("--ratio", type=float, help="keep singular values larger than the largest / RATIO")
    resize.add_argument("--base", type=Path, help="a DoRA's base model")
    _add_output(resize, container=True)

    convert = make_command(commands, "convert", convert_command, "write a LoRA in another container or dtype")
    convert.add_argument("lora", type=Path, help="a safetensors file, or an old pickled one (.bin, .pt, .ckpt)")
    _add_output(convert, container=True)

    inspect = make_command(commands, "inspect", inspect_command, "say what a LoRA file is, and what is wrong with it")
    inspect.add_argument("lora", type=Path)
    inspect.add_argument("--against", "--reference", type=Path, help="another LoRA to compare the strength with")
    inspect.add_argument("--base", type=Path, help="base model that the tools load it on (the published one)")
    inspect.add_argument("--json", action="store_true", help="everything, as JSON")

    rename = make_command(commands, "rename", rename_command, "change a LoRA's name, trigger word or metadata")
    rename.add_argument("lora", type=Path)
    rename.add_argument("--name", default="", help="what the tools call it")
    rename.add_argument("--trigger", help='trigger word; "" removes it')
    rename.add_argument("--description", help='"" removes it')
    rename.add_argument("--set", nargs="*", type=_entry, default=[], metavar="KEY=TEXT", help="other metadata")
    rename.add_argument("--remove", nargs="*", default=[], metavar="KEY", help="metadata to take out")
    rename.add_argument("--out", type=Path, required=True, help="file to write")

    quantize = make_command(commands, "quantize", quantize_command, "make fp8 of a LoRA or a checkpoint")
    quantize.add_argument("model", type=Path, help="LoRA or single-file checkpoint")
    quantize.add_argument("--plain", action="store_true", help="a checkpoint without a scale for each layer")
    quantize.add_argument("--out", type=Path, required=True, help="file to write")
    for reader in (merge, resize, convert, inspect, quantize):
        reader.add_argument(
            "--leave-out",
            action="store_true",
            help="pass over what a plain LoRA can't hold: norms, biases, embeddings, keys of other kinds",
        )


def _add_output(parser: argparse.ArgumentParser, container: bool = False, dtype: str = "") -> None:
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    shown = dtype or "the input's"
    parser.add_argument("--dtype", choices=["fp16", "bf16", "fp32"], default=dtype, help=f"of the numbers ({shown})")
    if container:
        parser.add_argument("--container", choices=["kohya", "diffusers"], default="kohya", help="spelling of the keys")


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


def _entry(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=TEXT")
    return key, value


# ---- commands


def merge_command(args: argparse.Namespace) -> int:
    if args.into:
        from sdlora.errors import UserError
        from sdlora.toolbox.bake import merge_into_base

        if args.rank is not None or args.method != "linear" or args.dtype:
            raise UserError(
                "A merge into a base is exact and keeps its dtypes.", fix="Leave out --rank, --method, --dtype."
            )
        print(merge_into_base(args.into, args.loras, args.out, blocks=args.blocks, leave_out=args.leave_out))
        return 0
    from sdlora.toolbox.merge import merge_loras

    keys = ("rank", "blocks", "method", "density", "seed", "dtype", "container", "leave_out")
    print(merge_loras(args.loras, args.out, **{key: vars(args)[key] for key in keys}))
    return 0


def extract_command(args: argparse.Namespace) -> int:
    from sdlora.toolbox.extract import extract_lora

    chosen = {key: vars(args)[key] for key in ("rank", "energy", "convolutions", "dtype")}
    print(extract_lora(args.tuned, args.base, args.out, **chosen))
    return 0


def resize_command(args: argparse.Namespace) -> int:
    from sdlora.toolbox.resize import resize_lora

    keys = ("rank", "conv_rank", "energy", "ratio", "base", "dtype", "container", "leave_out")
    print(resize_lora(args.lora, args.out, **{key: vars(args)[key] for key in keys}))
    return 0


def convert_command(args: argparse.Namespace) -> int:
    from sdlora.toolbox.convert import convert_lora

    print(convert_lora(args.lora, args.out, container=args.container, dtype=args.dtype, leave_out=args.leave_out))
    return 0


def inspect_command(args: argparse.Namespace) -> int:
    from sdlora.toolbox.inspect import inspect_lora, report_text

    report = inspect_lora(args.lora, against=args.against, base=args.base, leave_out=args.leave_out)
    print(report.as_json() if args.json else report_text(report))
    return 0 if report.is_sound else 1


def rename_command(args: argparse.Namespace) -> int:
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


def quantize_command(args: argparse.Namespace) -> int:
    from sdlora.toolbox.quantize import quantize

    print(quantize(args.model, args.out, scaled=not args.plain, leave_out=args.leave_out))
    return 0

"""`sdlora sample`: one grid of test pictures, prompts by strengths."""

import argparse
from pathlib import Path

from sdlora.errors import UserError
from sdlora.messages import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    as_trained = "the run's own by default"
    parser.add_argument("lora", type=Path, help="LoRA file or run folder")
    parser.add_argument("--prompt", action="append", default=[], help="prompt (can be given several times)")
    parser.add_argument("--base", default="", help="base model; the run's own by default")
    parser.add_argument("--strength", type=float, nargs="+", default=[0.0, 1.0], help="strengths of the LoRA")
    parser.add_argument("--negative", help=f"negative prompt; {as_trained}")
    parser.add_argument("--steps", type=int, help=as_trained)
    parser.add_argument("--guidance", type=float, help=as_trained)
    parser.add_argument("--size", type=int, default=0, help=f"side in pixels; {as_trained}")
    parser.add_argument("--seed", type=int, help=as_trained)
    parser.add_argument("--sampler", choices=["ddim", "euler", "dpm++ 2m"], help=as_trained)
    parser.add_argument("--vae", default="", help="another VAE: a folder or a .safetensors file")
    parser.add_argument(
        "--clip-skip",
        type=int,
        default=0,
        choices=range(1, 13),
        metavar="N",
        help="text encoder layer from the end; the LoRA's own by default",
    )
    parser.add_argument("--out", type=Path, default=Path("samples.png"), help="PNG to write (default: samples.png)")


def run(args: argparse.Namespace) -> int:
    """Draw, and say where the grid is."""
    print(say("terminal.wrote", path=sample_lora(args)))
    return 0


def sample_lora(args: argparse.Namespace) -> Path:
    """Draw every prompt at every strength as one grid; same seeds in every row. Returns the PNG's path."""
    from sdlora.pictures.grid import grid, save_png
    from sdlora.pictures.job import DrawJob, VariantLora, faults, pictures
    from sdlora.pictures.model import source_of

    settings = source_of(args.lora).settings
    prompts = tuple(args.prompt) or tuple(settings.sample.prompts if settings else ()) or ("",)
    job = DrawJob(
        tuple((VariantLora(str(args.lora), strength),) for strength in args.strength), prompts, args.base, args.vae,
        args.negative, args.seed, args.steps, args.guidance, args.size, args.sampler, args.clip_skip,
    )  # fmt: skip
    wrong = [
        *(say("terminal.option_fault", fault=fault) if fault[0].islower() else fault for fault in faults(job)),
        *([say("terminal.out_not_png", path=args.out)] if args.out.suffix.lower() != ".png" else []),
    ]
    if wrong:
        raise UserError(*wrong)
    drawn = {(variant, prompt): image for variant, prompt, image in pictures(job)}
    rows = [(f"{s:g}", [drawn[row, n] for n in range(len(prompts))]) for row, s in enumerate(args.strength)]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_png(grid(rows, prompts), args.out)
    return args.out

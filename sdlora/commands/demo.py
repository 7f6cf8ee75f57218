"""`sdlora demo`, all without a page: teach the embedded base a style from 24 pictures, and show what changed."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from sdlora.commands.table import EXAMPLE
from sdlora.errors import UserError
from sdlora.messages import say

# Subjects that are not among the 24 pictures: what is learnt is the style, not the things.
PROMPTS = ["red apple", "cat face", "bus", "mushroom", "turtle", "soccer ball"]
SETTINGS: dict[str, dict[str, Any]] = {
    "model": {"base": "tiny"},
    "data": {"folder": str(EXAMPLE), "trigger": "chalk"},
    "adapter": {"rank": 16, "alpha": 16.0, "targets": "attn-mlp"},
    "train": {"steps": 240, "batch_size": 4, "lr": 3e-3, "scheduler": "cosine", "seed": 1},
    "sample": {"prompts": [f"chalk emoji of {name}" for name in PROMPTS], "every": 0, "guidance": 4.0, "steps": 20},
    "validation": {"held_out": 0},  # all 24 pictures are learnt from, as in what was measured of it
    "save": {"every": 0},
    "run": {"name": "chalk-demo"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--steps", type=int, default=0, help="other number of steps")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="where the run goes (default: runs)")


def run(args: argparse.Namespace) -> int:
    """Train the example and show what changed."""
    return demo(args.folder, args.steps)


def demo(folder: Path, steps: int = 0) -> int:
    """Train, export, re-read in diffusers, and draw before and after side by side. Returns the exit status."""
    from PIL import Image

    from sdlora.check import prepare
    from sdlora.commands.shared.begin import begin
    from sdlora.commands.shared.terminal import follow
    from sdlora.pictures.grid import grid, save_png

    if not EXAMPLE.is_dir():
        raise UserError(say("terminal.demo_needs_clone", path=EXAMPLE), fix=say("terminal.run_from_clone"))
    values = {**SETTINGS, "run": {**SETTINGS["run"], "folder": str(folder)}}
    values["train"] = {**SETTINGS["train"], **({"steps": steps} if steps else {})}
    began = time.time()
    made, settings = begin(prepare(values))
    status = follow(made, settings)
    if status:
        return status

    samples = sorted((made.folder / "samples").glob("*.png"))
    before = [p for p in samples if p.name.startswith("000000")]
    after = [p for p in samples if p.name[:6] == samples[-1].name[:6]]
    rows = [(label, [Image.open(p) for p in paths]) for label, paths in (("before", before), ("after", after))]
    target = made.folder / "before-after.png"
    save_png(grid(rows, PROMPTS), target)
    lora = made.folder / "chalk-demo.safetensors"
    error = read_back(lora, [p.name for p in after], made.folder / "samples", settings)
    print(say("terminal.demo_same_pictures", error=f"{error:.2f}"))
    print()
    print(say("terminal.demo_in_seconds", seconds=f"{time.time() - began:.0f}"))
    for label, path in (
        (say("terminal.demo_file"), lora),
        (say("terminal.demo_before_after"), target),
        (say("terminal.demo_run_folder"), made.folder),
    ):
        print(f"  {label:13} {path}")
    print(say("terminal.demo_next"))
    return 0


def read_back(lora: Path, names: list[str], samples: Path, settings) -> float:
    """Load the file with diffusers alone, draw the same prompts, and return the mean difference in grey levels."""
    import numpy as np
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.utils.logging import disable_progress_bar
    from PIL import Image
    from transformers.utils.logging import disable_progress_bar as disable_loading_bar

    from sdlora.families.base import inspect_base

    base = inspect_base(settings.model.base)
    disable_progress_bar()
    disable_loading_bar()  # "Loading weights" of the text encoder
    pipeline = StableDiffusionPipeline.from_pretrained(base.folder, dtype=torch.float32)
    pipeline.load_lora_weights(lora)
    pipeline.set_progress_bar_config(disable=True)
    differences = []
    for number, name in enumerate(names):
        image = pipeline(
            settings.sample.prompts[number],
            negative_prompt=settings.sample.negative,
            num_inference_steps=settings.sample.steps,
            guidance_scale=settings.sample.guidance,
            generator=torch.Generator().manual_seed(settings.sample.seed + number),
        ).images[0]
        ours = np.asarray(Image.open(samples / name), dtype=np.float32)
        differences.append(np.abs(np.asarray(image, dtype=np.float32) - ours).mean())
    if max(differences) > 8:
        print(say("terminal.demo_other_pictures"), file=sys.stderr)
    return float(np.mean(differences))

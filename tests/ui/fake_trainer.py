"""A trainer that only writes what a real one writes: for tests of the page, fast and without torch.

python fake_trainer.py FOLDER [--resume | --export --step STEP --out TARGET … | --draw]
"""

import json
import math
import os
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

from sdlora.events import Finished, Paused, Progress, Sampled, Saved, Started, StepDone, Stopping, Validated
from sdlora.files.intact import write_atomically
from sdlora.runs.run import Run, safe_name
from sdlora.settings import load_settings

SECONDS = float(os.environ.get("FAKE_SECONDS", "0.1"))


def draw(run: Run, step: int, prompts: list[str], steps: int) -> Sampled:
    files = []
    for index, _ in enumerate(prompts):
        share = step / steps
        picture = Image.new("RGB", (128, 128), (235, 238, 245))
        pen = ImageDraw.Draw(picture)
        colour = (int(120 + 110 * share), int(140 - 60 * index % 120), int(160 - 90 * share))
        radius = 20 + 30 * share
        pen.ellipse((64 - radius, 64 - radius, 64 + radius, 64 + radius), fill=colour)
        pen.ellipse((64 - radius / 2, 64 - radius * 0.8, 64, 64 - radius * 0.3), fill=(255, 255, 255))
        name = f"samples/{step:06d}_{index}.png"
        picture.save(run.folder / name)
        files.append(name)
    return Sampled(step, files)


def save(run: Run, step: int, name: str, final: bool) -> Saved:
    path = Path(f"{name}.safetensors") if final else Path("checkpoints") / f"{step:06d}"
    target = run.folder / path
    if not final:
        target.mkdir(parents=True, exist_ok=True)
        target = target / "lora.safetensors"
    target.write_bytes((8).to_bytes(8, "little") + b"{}      " + b"\0" * 3_000_000)
    return Saved(step, str(path), final)


def train(folder: Path, resume: bool) -> None:
    settings, run = load_settings(folder / "settings.toml"), Run(folder)
    run.open_lock()
    run.write(Progress("start", 0, 1))
    time.sleep(SECONDS)
    run.write(Progress("model", 0, 1))
    time.sleep(float(os.environ.get("FAKE_LOADING", SECONDS)))
    run.write(Progress("model", 1, 1))
    steps, name = settings.train.steps, safe_name(settings.run.name)
    done = max((s for s, _ in run.checkpoints()), default=0) if resume else 0
    run.write(Started(done, steps, 24, 812_000, 20_000_000, 3_000_016, "cpu"))
    print("fake trainer: ready", flush=True)
    for image in range(1, 4):
        run.write(Progress("latents", image, 3))
        time.sleep(SECONDS / 4)
    if not resume:
        run.write(draw(run, 0, settings.sample.prompts, steps))
    why, step = "done", done
    for step in range(done + 1, steps + 1):
        time.sleep(SECONDS)
        loss = 0.12 + 0.1 * math.exp(-step / 30) + 0.05 * math.sin(step * 12.9898) ** 2
        run.write(StepDone(step, loss, settings.train.lr, SECONDS, 512_000_000))
        print(f"\rstep {step}/{steps} loss {loss:.4f}", end="", flush=True)
        if settings.validation.every and step % settings.validation.every == 0:
            run.write(Validated(step, 0.13 + 0.06 * math.exp(-step / 60) + step * 1e-5, 0))
        if run.requested("pause"):
            run.write(Paused(step, True))
            while run.requested("pause") and not run.requested("stop"):
                time.sleep(0.05)
            run.write(Paused(step, False))
        if step % settings.sample.every == 0 or run.requested("sample"):
            run.write(draw(run, step, settings.sample.prompts, steps))
            run.answered("sample")
        if step % settings.save.every == 0 or run.requested("save"):
            run.write(save(run, step, name, final=False))
            run.answered("save")
        if run.requested("stop"):
            run.answered("stop")
            why = "stopped"
            run.write(Stopping(step))
            run.write(Progress("save", 0, 1))
            time.sleep(float(os.environ.get("FAKE_ENDING", "0")))
            break
    run.write(Progress("samples", 0, len(settings.sample.prompts)))
    run.write(draw(run, step, settings.sample.prompts, steps))
    run.write(Progress("export", 0, 1))
    time.sleep(float(os.environ.get("FAKE_ENDING", "0")))
    run.write(save(run, step, name, final=True))
    run.write(Finished(step, why, "", f"{name}.safetensors"))
    print("\nfake trainer: the end", flush=True)


def export(folder: Path, options: list[str]) -> None:
    told = dict(zip(options[::2], options[1::2], strict=True))
    source = folder / "checkpoints" / f"{int(told['--step']):06d}" / "lora.safetensors"
    Path(told["--out"]).write_bytes(source.read_bytes())


def draw_cells(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    cells, of = [], len(job["variants"]) * len(job["prompts"])
    for number, (variant, prompt) in enumerate((v, p) for v in range(len(job["variants"])) for p in range(of)):
        if prompt >= len(job["prompts"]):
            continue
        strength = sum(lora["strength"] for lora in job["variants"][variant])
        picture = Image.new("RGB", (128, 128), (235, 238, 245))
        radius = 16 + 30 * min(abs(strength), 1.4)
        colour = (90 + 60 * prompt % 160, 120, min(250, int(100 + 100 * abs(strength))))
        ImageDraw.Draw(picture).ellipse((64 - radius, 64 - radius, 64 + radius, 64 + radius), fill=colour)
        picture.save(folder / f"{number:04d}.png")
        cells.append({"variant": variant, "prompt": prompt, "file": f"{number:04d}.png"})
        write_atomically(folder / "index.json", json.dumps({"of": of, "cells": cells}))
        time.sleep(SECONDS)


if __name__ == "__main__":
    if "--export" in sys.argv:
        export(Path(sys.argv[1]), sys.argv[3:])
    elif "--draw" in sys.argv:
        draw_cells(Path(sys.argv[1]))
    else:
        train(Path(sys.argv[1]), "--resume" in sys.argv)

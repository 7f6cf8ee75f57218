"""Step 4: measure the embedded base: its autoencoder, and whether it draws what the caption says.

    python tools/tiny_base/evaluate.py DATA [--model DATA/tiny] [--count 200] [--guidance 4]

Pictures are drawn by a stock StableDiffusionPipeline from fixed seeds, and judged by judge.py:

* **known**: captions of (subject, style) pairs it was trained on;
* **held out**: pairs of a subject and a style that it never saw together;
* **two**: two subjects side by side, each half found among all subjects;
* **colour**: coloured subjects, half of them in colours they never had in training;
* **ground**: dark grounds, the first of what a schedule that never reaches pure noise can't draw.

The autoencoder's PSNR is that of pictures of names it never saw, thin strokes and dark grounds among them,
and of the judged styles. Every measure has its controls. Writes evaluation.json and evaluation-*.png (above:
drawn, below: the true picture; red frame: wrong subject, orange: wrong style) to DATA.
"""

import argparse
import contextlib
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from captions import OWN_COLOUR, Spec, World, left_out
from judge import (
    COLOUR_STYLES,
    DARK,
    GROUND_STYLES,
    PAIR_STYLES,
    References,
    colour_of,
    controls,
    ground_gap,
    pair,
    subject_and_style,
)
from PIL import Image
from styles import COLOURS
from train_vae import copies, held_out_psnr, split_names, unseen_pictures

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/quality"))
from generate import draw, load_base  # noqa: E402

SEED = 20240


def asked_for(world: World, kind: str, count: int) -> list[Spec]:
    """Captions of one kind, drawn with a seed of its own."""
    rng = random.Random(f"{SEED} {kind}")
    rows = range(len(world.names))
    if kind in ("known", "held out"):
        return rng.sample(world.plain() if kind == "known" else world.held_out(), count)
    if kind == "two":
        return [Spec(PAIR_STYLES[i % len(PAIR_STYLES)], *rng.sample(rows, 2)) for i in range(count)]
    if kind == "ground":
        return [Spec(GROUND_STYLES[i % 3], rng.choice(rows), ground=DARK[i % 4]) for i in range(count)]
    out = []
    while len(out) < count:
        spec = Spec(COLOUR_STYLES[len(out) % 5], rng.choice(rows), colour=list(COLOURS)[len(out) % 7])
        name = world.names[spec.subject]
        if not OWN_COLOUR.search(name) and left_out(name, spec.colour) == bool(len(out) % 2):
            out.append(spec)
    return out


def judge(kind: str, references: References, specs: list[Spec], pictures: np.ndarray) -> tuple[dict, list[str | None]]:
    """Shares of right answers, and the colour of each picture's frame on the sheet."""
    if kind in ("known", "held out"):
        subjects, styles = subject_and_style(references, specs, pictures)
        good = [(a == s.subject, b == s.style) for a, b, s in zip(subjects, styles, specs, strict=True)]
        result = {"subject": mean(a for a, _ in good), "style": mean(b for _, b in good), "both": mean(map(all, good))}
        return result, ["red" if not a else None if b else "orange" for a, b in good]
    if kind == "two":
        good = []
        for spec, picture in zip(specs, pictures, strict=True):
            left, right = pair(references, spec, picture)
            good.append((left == spec.subject, right == spec.second))
        result = {"both": mean(map(all, good)), "left": mean(a for a, _ in good), "right": mean(b for _, b in good)}
        return result, [None if all(g) else "orange" if any(g) else "red" for g in good]
    if kind == "colour":
        right = [colour_of(p) == s.colour for p, s in zip(pictures, specs, strict=True)]
        result = {"right": mean(right), "right, never seen so": mean(right[1::2]), "right, seen so": mean(right[::2])}
        return result, [None if r else "red" for r in right]
    gaps = [ground_gap(p, s.ground) for p, s in zip(pictures, specs, strict=True)]
    result = {"within 10": mean(g < 10 for g in gaps), "median gap": round(float(np.median(gaps)), 2)}
    return result, [None if g < 10 else "red" for g in gaps]


def mean(values) -> float:
    return round(float(np.mean(list(values))), 4)


def controls_of(kind: str, references: References, specs: list[Spec], true: np.ndarray, copy) -> dict:
    """The same judgement of true pictures through the autoencoder, and of wrong ones."""
    if kind in ("known", "held out"):
        return controls(references, specs, copy)
    wrong = {"two": "the two swapped", "colour": "without the colour", "ground": "on white"}[kind]
    if kind == "two":
        other = [Spec(s.style, s.second, s.subject) for s in specs]
    else:
        other = [Spec(s.style, s.subject) for s in specs]
    pictures = np.stack([references.world.picture(s) for s in other])
    return {
        "true, through the autoencoder": judge(kind, references, specs, copy(true))[0],
        wrong: judge(kind, references, specs, pictures)[0],
    }


def sheet(drawn: np.ndarray, true: np.ndarray, frames: list[str | None], path: Path, columns: int = 20) -> None:
    """Drawn pictures above the true ones."""
    canvas = Image.new("RGB", (columns * 136, -(-len(drawn) // columns) * 272), "white")
    for k, frame in enumerate(frames):
        x, y = k % columns * 136, k // columns * 272
        if frame:
            canvas.paste(Image.new("RGB", (136, 268), frame), (x, y))
        canvas.paste(Image.fromarray(drawn[k]), (x + 4, y + 4))
        canvas.paste(Image.fromarray(true[k]), (x + 4, y + 136))
    canvas.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, help="diffusers folder (default: DATA/tiny)")
    parser.add_argument("--count", type=int, default=200, help="captions known and held out each; half as many others")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--bf16", action="store_true", help="draw in bf16, faster where the processor has it")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw the true pictures")
    parser.add_argument("--no-controls", action="store_true")
    parser.add_argument("--out", type=Path, help="where to write (default: DATA)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    out = args.out or args.data
    out.mkdir(parents=True, exist_ok=True)
    pipeline = load_base(args.model or args.data / "tiny", args.device)
    cast = torch.autocast(args.device, torch.bfloat16) if args.bf16 else contextlib.nullcontext()

    listing = json.loads((args.data / "names.json").read_text(encoding="utf-8"))
    unseen = unseen_pictures(World.open(args.data, subjects_only=False), split_names(listing)[1])
    values = {style: held_out_psnr(pipeline.vae, p.to(args.device)) for style, p in unseen.items()}
    result = {"psnr_unseen": mean(values.values()), "psnr_by_style": {s: round(v, 2) for s, v in values.items()}}
    print(f"autoencoder: {result['psnr_unseen']:.2f} dB on names it never saw {result['psnr_by_style']}", flush=True)

    world = World.open(args.data)
    references = References(world, args.data / "references", args.workers)
    result |= {"steps": args.steps, "guidance": args.guidance, "seed": SEED, "measures": {}, "controls": {}}
    for kind in ("known", "held out", "two", "colour", "ground"):
        specs = asked_for(world, kind, args.count if kind in ("known", "held out") else args.count // 2)
        true = np.stack([world.picture(s) for s in specs])
        rng, began = random.Random(SEED), time.time()
        texts = [world.caption(s, rng if kind == "known" else None) for s in specs]
        seeds = [SEED + i for i in range(len(specs))]
        with cast:
            drawn = draw(pipeline, texts, seeds, steps=args.steps, guidance=args.guidance, batch=args.batch)
        seconds = (time.time() - began) / len(specs)
        measured, frames = judge(kind, references, specs, drawn)
        result["measures"][kind] = {"count": len(specs), "seconds_per_picture": round(seconds, 3), **measured}
        print(f"{kind}: {result['measures'][kind]}", flush=True)
        sheet(drawn, true, frames, out / f"evaluation-{kind.replace(' ', '-')}.png")
        if not args.no_controls:
            result["controls"][kind] = controls_of(
                kind, references, specs, true, lambda pictures: copies(pipeline.vae, pictures)
            )
            for label, row in result["controls"][kind].items():
                print(f"  {label}: {row}", flush=True)
        (out / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

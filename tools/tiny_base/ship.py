"""Step 5: make a measured base the one that the project ships.

    python tools/tiny_base/ship.py DATA [--model DATA/tiny] [--evaluation DATA/evaluation.json]
    python tools/tiny_base/ship.py                      # the card and its sheet anew, of what is shipped

Copies the diffusers folder and its evaluation to sdlora/families/tiny, draws the card's sheet, and writes the card's
figures between its marks. What the words around them say stays as it is: read it through. Then make anew what depends
on the base; README.md has the commands.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "sdlora/families/tiny"
FOLDERS = ("scheduler", "text_encoder", "tokenizer", "unet", "vae")
MOST = 60_000_000  # bytes in the repository
MARKS = "<!-- figures: ship.py -->\n", "<!-- end of figures -->\n"
SHEET = [f"{style} emoji of {{}}" for style in ("noto", "flat", "neon", "watercolor", "pixel", "stamp")]
SUBJECTS = [
    "red apple",
    "octopus",
    "dog face",
    "house",
    "guitar",
    "sunflower",
    "blue bus",
    "pizza, on a dark blue ground",
]


def copy(model: Path, evaluation: Path) -> None:
    """The folder and its evaluation; nothing is copied where the weights are not fp16 or too large."""
    from safetensors import safe_open

    files = [model / "model_index.json", *(f for name in FOLDERS for f in sorted((model / name).iterdir()))]
    size = sum(f.stat().st_size for f in files)
    if size > MOST:
        raise SystemExit(f"{model} has {size / 1e6:.1f} MB; at most {MOST / 1e6:.0f} MB are to be shipped.")
    for file in files:
        if file.suffix == ".safetensors":
            with safe_open(file, "np") as f:
                types = {f.get_slice(key).get_dtype() for key in f.keys()}  # noqa: SIM118
            if not types <= {"F16", "I64"}:
                raise SystemExit(f"{file} holds {sorted(types)}; what is shipped is fp16.")
    json.loads(evaluation.read_text(encoding="utf-8"))
    for file in files:
        target = SHIPPED / file.relative_to(model)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)
    shutil.copyfile(evaluation, SHIPPED / "evaluation.json")


def figures(found: dict) -> str:
    """The card's table, from evaluation.json."""
    got, controls = found["measures"], found["controls"]
    known, held, two, colour, ground = (got[kind] for kind in ("known", "held out", "two", "colour", "ground"))
    rows = [
        (f"autoencoder, PSNR on names it has never seen, nine styles ({_styles(found)})", "32 dB",
         f"{found['psnr_unseen']:.1f} dB", ""),
        (f"{known['count']} captions it was trained on: right subject, right style", "",
         f"{known['subject']:.0%}, {known['style']:.0%}", _copies(controls, "known", "subject", "style")),
        (f"{held['count']} pairs of subject and style never shown together: right subject, right style", "90 %, 90 %",
         f"{held['subject']:.0%}, {held['style']:.0%}", _copies(controls, "held out", "subject", "style")),
        (f"{two['count']} captions of two subjects side by side: both right (left, right)", "60 %",
         f"{two['both']:.0%} ({two['left']:.0%}, {two['right']:.0%})", _copies(controls, "two", "both")),
        (f"{colour['count']} coloured subjects, half in colours never shown on them: right colour", "80 %",
         f"{colour['right']:.0%}", _copies(controls, "colour", "right")),
        (f"{ground['count']} dark grounds: within 10 of CIEDE2000", "",
         f"{ground['within 10']:.0%}", _copies(controls, "ground", "within 10")),
    ]  # fmt: skip
    lines = ["| what | wanted | measured | true pictures through the autoencoder |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |".replace("%", " %").replace("  %", " %") for row in rows]
    return "\n".join(lines) + "\n"


def _styles(found: dict) -> str:
    return ", ".join(f"{style} {value:.1f}" for style, value in found["psnr_by_style"].items())


def _copies(controls: dict, kind: str, *keys: str) -> str:
    row = controls.get(kind, {}).get("true, through the autoencoder", {})
    return ", ".join(f"{row[key]:.0%}" for key in keys) if row else ""


def with_figures(card: str, found: dict) -> str:
    """The card with its table between the marks written anew."""
    before, rest = card.split(MARKS[0])
    return before + MARKS[0] + figures(found) + MARKS[1] + rest.split(MARKS[1])[1]


def draw_sheet(path: Path) -> None:
    """Fixed prompts, a style a row, from the shipped weights with fixed seeds."""
    sys.path.insert(0, str(ROOT / "benchmarks/quality"))
    from generate import draw, load_base
    from PIL import Image

    prompts = [form.format(subject) for form in SHEET for subject in SUBJECTS]
    drawn = draw(load_base(SHIPPED), prompts, [i % len(SUBJECTS) for i in range(len(prompts))])
    sheet = Image.new("RGB", (132 * len(SUBJECTS), 132 * len(SHEET)), "white")
    for i, picture in enumerate(drawn):
        sheet.paste(Image.fromarray(picture), (i % len(SUBJECTS) * 132, i // len(SUBJECTS) * 132))
    sheet.save(path, quality=88, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--model", type=Path, help="diffusers folder (default: DATA/tiny)")
    parser.add_argument(
        "--evaluation", type=Path, help="of evaluate.py, of these weights (default: DATA/evaluation.json)"
    )
    args = parser.parse_args()
    if args.data:
        copy(args.model or args.data / "tiny", args.evaluation or args.data / "evaluation.json")
    found = json.loads((SHIPPED / "evaluation.json").read_text(encoding="utf-8"))
    card = SHIPPED / "README.md"
    card.write_text(with_figures(card.read_text(encoding="utf-8"), found), encoding="utf-8")
    draw_sheet(SHIPPED / "samples.webp")
    print(f"-> {SHIPPED}")


if __name__ == "__main__":
    main()

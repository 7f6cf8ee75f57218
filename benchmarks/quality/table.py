"""LoRAs of every judged style and of the mascot: trained, drawn, judged with their controls; goes on where it stopped.

    python benchmarks/quality/table.py --out FOLDER [--styles glossy chalk] [--seeds 5] [--subject-seeds 5]

Each style is taught with 24 pictures of its own, the mascot with datasets_example/subject, all with the one setting
below, once a seed. Whatever is trained or drawn is kept in FOLDER by the base's weights and the
settings, so that a second start, or one with more seeds, makes only what is missing; table.json and table.md there
hold what is done so far. The controls: the base asked for the style's name; the base asked for every style it knows
(the nearest to the truth is compared on all subjects); LoRAs of the other judged styles, which are not to be called so;
and prompts without the trigger word, beside two seeds of the base. Settings to try: --set train.lr=1e-3 adapter.rank=8.
"""

import argparse
import contextlib
import hashlib
import json
import os
import sys
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from features import contact_sheet, features
from generate import add_lora, draw, load_base
from reference import EXAMPLES, HERE, JUDGED, held_out, held_out_pictures
from style import called, compare, measures
from subject import CAPTIONED, NEW, TRIGGER, presence, right_subject

from sdlora import make_settings, train
from sdlora.commands.demo import SETTINGS as DEMO

sys.path.insert(0, str(HERE.parents[1] / "tools/tiny_base"))
from styles import STYLES  # noqa: E402

LIKE = {
    "adapter": dict(DEMO["adapter"]),
    "train": {**DEMO["train"], "steps": 360, "batch_size": 6},
    "sample": {"guidance": 4.0, "steps": 20},
}
KEPT = 72  # pictures of what the base knows, beside those that are taught
# What the base could be asked for instead of a style it does not know.
PROMPTS = [f"{style} emoji of {{}}" for style in STYLES]
PROMPTS += [f"{style} emoji of {{}}, on a {ground} ground" for style, ground in
            (("outline", "black"), ("comic", "light blue"), ("flat", "light green"))]  # fmt: skip
SCAN = 8  # subjects that every prompt is tried on
OTHERS = 32  # prompts without a trigger word


class Kept:
    """What was trained and drawn, in a folder of this base."""

    def __init__(self, base: Path, out: Path, bf16: bool):
        digest = hashlib.sha256()
        for part in ("unet", "vae", "text_encoder"):
            for file in sorted((base / part).glob("*.safetensors")):
                digest.update(file.read_bytes())
        self.base, self.folder, self.bf16 = base, out / f"base-{digest.hexdigest()[:8]}", bf16

    @cached_property
    def pipeline(self):
        return load_base(self.base)

    def lora(self, name: str, values: dict) -> Path:
        """The file of a training with these settings."""
        how = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
        file = self.folder / f"{name}-{how}.safetensors"
        if not file.is_file():
            print(f"training {file.stem}", flush=True)
            run = {"name": name, "folder": str(self.folder / "runs")}
            made = train(make_settings({**values, "model": {"base": str(self.base)}, "run": run}))
            os.replace(made, file)
        return file

    def pictures(self, label: str, prompts: list[str], seeds: list[int], lora: Path | None = None) -> np.ndarray:
        """uint8 (n, 128, 128, 3), drawn by the base, or by it with a LoRA."""
        asked = hashlib.sha256(json.dumps([prompts, seeds, self.bf16]).encode()).hexdigest()[:8]
        file = self.folder / f"{lora.stem if lora else 'base'}-{label.replace(' ', '_')}-{asked}.npz"
        if not file.is_file():
            print(f"drawing {file.stem}: {len(prompts)} pictures", flush=True)
            pipeline = self.pipeline
            if lora:
                add_lora(pipeline, lora)
            with torch.autocast("cpu", torch.bfloat16) if self.bf16 else contextlib.nullcontext():
                drawn = draw(pipeline, prompts, seeds)
            if lora:
                pipeline.unload_lora_weights()
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(f"part-{file.name}")
            np.savez_compressed(partial, drawn)
            os.replace(partial, file)
        with np.load(file) as f:
            return f["arr_0"]


def style_values(style: str, folder: Path, seed: int, changed: dict) -> dict:
    """The demo's settings for a judged style; its pictures are written to the folder."""
    pictures = folder / f"taught-{style.replace(' ', '_')}"
    if not pictures.is_dir():
        from make_reference import write_folder

        write_folder(pictures, style)
    return settings(pictures, style, folder, seed, changed)


def known(count: int) -> list[str]:
    """Prompts of what the base knows: its styles in turn, subjects that nothing here is judged on."""
    lines = (HERE.parents[1] / "tools/tiny_base/subjects.txt").read_text(encoding="utf-8").splitlines()
    judged = {name.lower() for name in held_out()}
    names = [name for name in lines if name and not name.startswith("#") and name.lower() not in judged]
    styles = list(STYLES)
    return [f"{styles[n % len(styles)]} emoji of {names[n * 7 % len(names)].lower()}" for n in range(count)]


def settings(pictures: Path, trigger: str, folder: Path, seed: int, changed: dict) -> dict:
    """One setting for styles and subjects: the demo's, with regularization images and steps for those."""
    images = len(list(pictures.glob("*.png")))
    values: dict = {
        "data": {"folder": str(pictures), "trigger": trigger, "cache": str(folder / "cache"),
                 "class_prompts": known(KEPT), "repeats": round(KEPT / images)},
        "adapter": dict(LIKE["adapter"]),
        "train": {**LIKE["train"], "seed": seed},
        "sample": {**LIKE["sample"], "prompts": [], "every": 0},
        "validation": {"every": 0},
        "save": {"every": 0},
    }  # fmt: skip
    for key, value in changed.items():
        section, name = key.split(".")
        values[section][name] = value
    return values


def other_prompts() -> tuple[list[str], list[int]]:
    """Prompts of what the base knows, and the held-out subject of each."""
    names = held_out()
    rows = [i % len(names) for i in range(OTHERS)]
    return [f"{('noto', 'flat')[i % 2]} emoji of {names[row].lower()}" for i, row in enumerate(rows)], rows


def on_others(kept: Kept, loras: list[Path]) -> dict:
    """What becomes of prompts without the trigger word."""
    prompts, rows = other_prompts()
    base = kept.pictures("others", prompts, list(range(OTHERS)))
    again = kept.pictures("others", prompts, [5000 + i for i in range(OTHERS)])
    drawn = [kept.pictures("others", prompts, list(range(OTHERS)), lora) for lora in loras]
    here = features(base)

    def drift(pictures: np.ndarray) -> float:
        return float(np.linalg.norm(features(pictures) - here, axis=1).mean())

    return {
        "drift": mean(drift(pictures) for pictures in drawn),
        "distance_between_seeds": mean([drift(again)]),
        "right_subject_base": right_subject(base, rows),
        "right_subject_lora": mean(right_subject(pictures, rows) for pictures in drawn),
    }


def mean(values) -> float:
    return round(float(np.mean(list(values))), 4)


def nearest_prompt(kept: Kept, style: str, names: list[str]) -> str:
    """Of what the base knows, what comes nearest to the style's true pictures, on some of the subjects."""
    rows = list(range(0, len(names), max(1, len(names) // SCAN)))[:SCAN]
    truth = held_out_pictures(style)[: len(names)][rows]

    def distance(prompt: str) -> float:
        asked = [prompt.format(names[row].lower()) for row in rows]
        return measures(kept.pictures(prompt.format("").strip(" ,"), asked, rows), truth, style)[0]["distance_to_truth"]

    return min(PROMPTS, key=distance)


def judge_style(
    kept: Kept, style: str, drawn: dict[str, list[np.ndarray]], loras: list[Path], names: list[str]
) -> dict:
    """drawn: by judged style, one set of pictures a LoRA, each asked for its own style."""
    truth = held_out_pictures(style)[: len(names)]
    base = kept.pictures(style, *asked(style, names, 1))
    prompt = nearest_prompt(kept, style, names)
    nearest = kept.pictures(
        prompt.format("").strip(" ,"), [prompt.format(n.lower()) for n in names], list(range(len(names)))
    )
    own = np.concatenate(drawn[style])
    rows = {"true pictures": truth, "base": base, f"base, asked for “{prompt.format('…')}”": nearest, "LoRA": own}
    result = {"seeds": len(loras), "pictures": {}, "lora_minus": {}}
    per_subject = {}
    for label, pictures in rows.items():
        result["pictures"][label], per_subject[label] = measures(pictures, truth, style)
    for label in list(rows)[1:3]:
        result["lora_minus"][label] = compare(per_subject["LoRA"], per_subject[label])
    result["called_by_loras_of_other_styles"] = {
        other: mean(np.concatenate([called(p) == style for p in sets]))
        for other, sets in drawn.items()
        if other != style
    }
    result["each_seed"] = [measures(p, truth, style)[0] for p in drawn[style]]
    result["other_prompts"] = on_others(kept, loras)
    return result


def asked(style: str, names: list[str], seed: int) -> tuple[list[str], list[int]]:
    return [f"{style} emoji of {n.lower()}" for n in names], [1000 * seed + i for i in range(len(names))]


def judge_subject(kept: Kept, loras: list[Path], noises: int) -> dict:
    """The mascot, when called and when not."""
    result: dict = {"seeds": len(loras), "pictures": {}}
    for label, poses in (("captions", CAPTIONED), ("new poses", NEW)):
        prompts = [f"{TRIGGER} {pose}" for pose in poses] * noises
        seeds = [1000 * s + i for s in range(noises) for i in range(len(poses))]
        result["pictures"][f"base, {label}"] = presence(kept.pictures(label, prompts, seeds))
        drawn = np.concatenate([kept.pictures(label, prompts, seeds, lora) for lora in loras])
        result["pictures"][f"LoRA, {label}"] = presence(drawn)
    prompts, _ = other_prompts()
    others = [kept.pictures("others", prompts, list(range(OTHERS)), lora) for lora in loras]
    result["pictures"]["base, others"] = presence(kept.pictures("others", prompts, list(range(OTHERS))))
    result["pictures"]["LoRA, others"] = presence(np.concatenate(others))
    result["other_prompts"] = on_others(kept, loras)
    return result


def markdown(result: dict) -> str:
    lines = [
        "| style | pictures | distance to truth | right subject | called so | LoRA minus these |",
        "|---|---|---|---|---|---|",
    ]
    for style, found in result["styles"].items():
        for label, row in found["pictures"].items():
            minus = found["lora_minus"].get(label)
            low, high = minus["interval_95"] if minus else (0, 0)
            told = f"{minus['mean']:+.3f} ({low:+.3f} to {high:+.3f})" if minus else ""
            lines.append(
                f"| {style} | {label} | {row['distance_to_truth']:.3f} | {row['right_subject']:.0%} "
                f"| {row['called']:.0%} | {told} |"
            )
        for other, share in found["called_by_loras_of_other_styles"].items():
            lines.append(f"| {style} | LoRAs of {other} | | | {share:.0%} | |")
    lines += ["", "| LoRAs of | seeds | drift of other prompts | two seeds of the base | right subject, LoRA | base |"]
    lines += ["|---|---|---|---|---|---|"]
    for label, found in [
        *result["styles"].items(),
        *([("the mascot", result["subject"])] if result["subject"] else []),
    ]:
        o = found["other_prompts"]
        lines.append(
            f"| {label} | {found['seeds']} | {o['drift']:.2f} | {o['distance_between_seeds']:.2f} "
            f"| {o['right_subject_lora']:.0%} | {o['right_subject_base']:.0%} |"
        )
    if result["subject"]:
        lines += ["", "| mascot in | by the probe | by the nearest neighbour |", "|---|---|---|"]
        for label, row in result["subject"]["pictures"].items():
            lines.append(f"| {label} | {row['probe_says_mascot']:.0%} | {row['nearest_is_mascot']:.0%} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=HERE.parents[1] / "sdlora/families/tiny")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--styles", nargs="*", default=list(JUDGED), choices=JUDGED)
    parser.add_argument("--seeds", type=int, default=5, help="LoRAs of each style")
    parser.add_argument("--subject-seeds", type=int, default=5, help="LoRAs of the mascot; 0 leaves it out")
    parser.add_argument("--subjects", type=int, default=0, help="only the first so many held-out ones (a quick look)")
    parser.add_argument("--noises", type=int, default=2, help="pictures of each of the mascot's prompts")
    parser.add_argument("--bf16", action="store_true", help="draw in bf16, faster where the processor has it")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="other settings of the trainings")
    args = parser.parse_args()
    names = held_out()[: args.subjects or None]
    changed = {key: _value(text) for key, text in (item.split("=", 1) for item in args.set)}
    kept = Kept(args.base.resolve(), args.out.resolve(), args.bf16)
    result: dict = {"base": kept.folder.name, "subjects": len(names), "settings": changed, "styles": {}, "subject": {}}

    loras: dict[str, list[Path]] = {style: [] for style in args.styles}
    drawn: dict[str, list[np.ndarray]] = {style: [] for style in args.styles}
    mascots: list[Path] = []

    def report() -> None:
        done = {style: sets for style, sets in drawn.items() if sets}
        result["styles"] = {style: judge_style(kept, style, done, loras[style], names) for style in done}
        result["subject"] = judge_subject(kept, mascots, args.noises) if mascots else {}
        (args.out / "table.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        (args.out / "table.md").write_text(markdown(result), encoding="utf-8")

    def style_of(seed: int) -> None:
        for style in args.styles:
            name = f"{style.replace(' ', '_')}-{seed}"
            loras[style].append(kept.lora(name, style_values(style, kept.folder, seed, changed)))
            drawn[style].append(kept.pictures(style, *asked(style, names, seed), loras[style][-1]))

    for seed in range(1, max(args.seeds, args.subject_seeds) + 1):
        if seed <= args.seeds:
            style_of(seed)
        if seed <= args.subject_seeds:
            values = settings(EXAMPLES / "subject", TRIGGER, kept.folder, seed, changed)
            values["data"]["fit"] = "crop"
            mascots.append(kept.lora(f"mascot-{seed}", values))
        report()
    rows = []
    for style in args.styles:
        rows += [list(held_out_pictures(style)[:16]), list(kept.pictures(style, *asked(style, names, 1))[:16])]
        rows += [list(drawn[style][0][:16])]
    if rows:
        contact_sheet(rows, args.out / "table.png")
    print(markdown(result))


def _value(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()

"""Does a style LoRA work? Measured on subjects it was never shown.

    python benchmarks/quality/style.py BASE LORA [--seeds 3] [--out FOLDER]

BASE is the diffusers folder of the embedded model, LORA a file trained on
datasets_example/style. For every subject of held_out.txt the base and the LoRA
draw "glossy emoji of SUBJECT" from the same noise; both are compared with the
true glossy picture. Because the glossy set is close kin to the flat one, the
base is also asked for "flat emoji of SUBJECT": the hardest honest comparison.
"Right subject": the nearest of the true glossy pictures is the asked one.
"Called glossy": by a linear probe on shading and colour statistics (probes.py);
it knows drawings only, so read it together with the right subject ("both").
Writes style.json and style.png (truth, base, LoRA) to the output folder.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from features import as_pictures, contact_sheet, distances, features, style_statistics
from generate import add_lora, draw, equal_at_strength_zero, interval, load_base
from probes import HERE, Probe
from reference import held_out, held_out_pictures


def judge(drawn: dict[str, np.ndarray], truth: np.ndarray, subjects: int) -> dict:
    """Measures of each set of pictures, (seeds * n, 128, 128, 3) ordered by seed, and LoRA against the rest."""
    probe = Probe.load(HERE / "probe_style.npz")
    target = features(truth)
    owner = np.arange(subjects)
    result, per_subject = {"pictures": {}, "lora_minus": {}}, {}
    for label, pictures in drawn.items():
        seeds = len(pictures) // subjects
        gap = distances(features(pictures), target)
        own = gap[np.arange(len(gap)), np.tile(owner, seeds)]
        per_subject[label] = own.reshape(seeds, subjects).mean(0)
        right = gap.argmin(1) == np.tile(owner, seeds)
        glossy = np.array([c == "glossy" for c in probe(style_statistics(pictures))])
        result["pictures"][label] = {
            "distance_to_truth": round(float(own.mean()), 4),
            "right_subject": round(float(right.mean()), 4),
            "called_glossy": round(float(glossy.mean()), 4),
            "glossy_and_right_subject": round(float((glossy & right).mean()), 4),
        }
    for label, values in per_subject.items():
        if label != "lora":
            difference = per_subject["lora"] - values
            mean, low, high = interval(difference)
            result["lora_minus"][label] = {
                "mean": round(mean, 4),
                "interval_95": [round(low, 4), round(high, 4)],
                "share_of_subjects_closer": round(float((difference < 0).mean()), 4),
            }
    return result


def table(result: dict) -> str:
    lines = [f"{'':14}{'distance to truth':>18}{'right subject':>15}{'called glossy':>15}{'both':>7}"]
    for label, row in result["pictures"].items():
        lines.append(
            f"{label:14}{row['distance_to_truth']:>18.3f}{row['right_subject']:>15.0%}"
            f"{row['called_glossy']:>15.0%}{row['glossy_and_right_subject']:>7.0%}"
        )
    for label, row in result["lora_minus"].items():
        low, high = row["interval_95"]
        lines.append(
            f"LoRA - {label}: {row['mean']:+.3f} (95 % interval {low:+.3f} to {high:+.3f}), "
            f"closer on {row['share_of_subjects_closer']:.0%} of the subjects"
        )
    if "strength_0_equals_base" in result:
        lines.append(f"strength 0 equals the base bit for bit: {'yes' if result['strength_0_equals_base'] else 'NO'}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("lora", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--subjects", type=int, default=0, help="only the first so many (a quick look)")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--trigger", default="glossy")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    args = parser.parse_args()
    names = held_out()[: args.subjects or None]
    truth = held_out_pictures("glossy")[: len(names)]
    base, pipeline = load_base(args.base, args.device), load_base(args.base, args.device)
    add_lora(pipeline, args.lora)

    seeds = [1000 * s + i for s in range(args.seeds) for i in range(len(names))]
    how = {"steps": args.steps, "guidance": args.guidance}
    asked = [f"{args.trigger} emoji of {n.lower()}" for n in names] * args.seeds
    drawn = {
        "base": draw(base, asked, seeds, **how),
        "base, flat": draw(base, [p.replace(args.trigger, "flat", 1) for p in asked], seeds, **how),
        "lora": draw(pipeline, asked, seeds, **how),
    }
    drawn = {label: as_pictures(pictures) for label, pictures in drawn.items()}
    result = judge({**drawn, "noto pictures": held_out_pictures("noto")[: len(names)],
                    "flat pictures": held_out_pictures("flat")[: len(names)]}, truth, len(names))  # fmt: skip
    result["strength_0_equals_base"] = equal_at_strength_zero(pipeline, base, asked[:4])
    result["how"] = {**how, "seeds": args.seeds, "subjects": len(names), "lora": args.lora.name}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "style.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    rows = []
    for start in range(0, min(len(names), 48), 16):
        part = slice(start, start + 16)
        rows += [list(truth[part]), list(drawn["base"][: len(names)][part]), list(drawn["lora"][: len(names)][part])]
    contact_sheet(rows, args.out / "style.png")
    print(table(result))
    print(f"-> {args.out / 'style.json'}, {args.out / 'style.png'} (rows: truth, base, LoRA)")


if __name__ == "__main__":
    main()

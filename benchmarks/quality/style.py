"""Does a style LoRA work? Measured on subjects it was never shown.

    python benchmarks/quality/style.py BASE LORA [--style chalk] [--seeds 3] [--out FOLDER]

BASE is the diffusers folder of the embedded model, LORA a file taught one of the judged styles: chalk by
datasets_example/style. For every subject of held_out.txt the base and the LoRA draw "chalk emoji of SUBJECT" from the
same noise; both are compared with the true picture. Because a taught style may be close kin to a known one, the base is
also asked for the known one that is most like it.
"Right subject": the nearest of the true pictures in the style is the asked one. "Called": by a linear probe on shading
and colour statistics (probes.py); it knows drawings only, so read it together with the right subject ("both").
Writes style.json and style.png (truth, base, LoRA) to the output folder. table.py has this for all styles and seeds,
with controls.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from features import as_pictures, contact_sheet, distances, features, style_statistics
from generate import add_lora, draw, equal_at_strength_zero, interval, load_base
from probes import HERE, Probe
from reference import EXAMPLE_STYLE, JUDGED, held_out, held_out_pictures

KIN = {"glossy": "flat", "chalk": "outline", "stained glass": "comic"}  # the taught style that is most like it


def own_distances(pictures: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of pictures (seeds * n, 128, 128, 3) by seed: distance of each to its own of n true ones; is that nearest?"""
    gap = distances(features(pictures), features(truth))
    owner = np.tile(np.arange(len(truth)), len(pictures) // len(truth))
    return gap[np.arange(len(gap)), owner], gap.argmin(1) == owner


def called(pictures: np.ndarray) -> np.ndarray:
    """The style that the probe sees, judged or taught, per picture."""
    return np.array(Probe.load(HERE / "probe_style.npz")(style_statistics(pictures)))


def measures(pictures: np.ndarray, truth: np.ndarray, style: str) -> tuple[dict, np.ndarray]:
    """Measures of pictures ordered by seed, and the distance to truth per subject, over all seeds."""
    own, right = own_distances(pictures, truth)
    is_style = called(pictures) == style
    found = {
        "distance_to_truth": round(float(own.mean()), 4),
        "right_subject": round(float(right.mean()), 4),
        "called": round(float(is_style.mean()), 4),
        "called_and_right_subject": round(float((is_style & right).mean()), 4),
    }
    return found, own.reshape(-1, len(truth)).mean(0)


def compare(lora: np.ndarray, other: np.ndarray) -> dict:
    """The LoRA's distance per subject minus another's."""
    mean, low, high = interval(lora - other)
    closer = round(float((lora < other).mean()), 4)
    return {"mean": round(mean, 4), "interval_95": [round(low, 4), round(high, 4)], "share_of_subjects_closer": closer}


def judge(drawn: dict[str, np.ndarray], truth: np.ndarray, style: str) -> dict:
    """Measures of each set of pictures, and LoRA ("lora") against the rest."""
    result, per_subject = {"style": style, "pictures": {}, "lora_minus": {}}, {}
    for label, pictures in drawn.items():
        result["pictures"][label], per_subject[label] = measures(pictures, truth, style)
    for label, values in per_subject.items():
        if label != "lora":
            result["lora_minus"][label] = compare(per_subject["lora"], values)
    return result


def table(result: dict) -> str:
    lines = [f"{'':22}{'distance to truth':>18}{'right subject':>15}{'called ' + result['style']:>22}{'both':>7}"]
    for label, row in result["pictures"].items():
        lines.append(
            f"{label:22}{row['distance_to_truth']:>18.3f}{row['right_subject']:>15.0%}"
            f"{row['called']:>22.0%}{row['called_and_right_subject']:>7.0%}"
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
    parser.add_argument("--style", default=EXAMPLE_STYLE, choices=JUDGED, help="what it was taught; its trigger word")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--subjects", type=int, default=0, help="only the first so many (a quick look)")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    args = parser.parse_args()
    names = held_out()[: args.subjects or None]
    truth = held_out_pictures(args.style)[: len(names)]
    base, pipeline = load_base(args.base, args.device), load_base(args.base, args.device)
    add_lora(pipeline, args.lora)

    seeds = [1000 * s + i for s in range(args.seeds) for i in range(len(names))]
    how = {"steps": args.steps, "guidance": args.guidance}
    kin = KIN[args.style]
    asked, asked_kin = ([f"{s} emoji of {n.lower()}" for n in names] * args.seeds for s in (args.style, kin))
    drawn = {
        "base": draw(base, asked, seeds, **how),
        f"base, {kin}": draw(base, asked_kin, seeds, **how),
        "lora": draw(pipeline, asked, seeds, **how),
    }
    drawn = {label: as_pictures(pictures) for label, pictures in drawn.items()}
    true = {f"{style} pictures": held_out_pictures(style)[: len(names)] for style in ("noto", "flat")}
    result = judge(drawn | true, truth, args.style)
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

"""Does a subject LoRA work? The mascot must come when called, and only then.

    python benchmarks/quality/subject.py BASE LORA [--seeds 4] [--out FOLDER]

BASE is the diffusers folder of the embedded model, LORA a file trained on
datasets_example/subject. Whether a picture shows the mascot is decided by a
linear probe on colours (probes.py) and, as a second opinion, by its nearest
neighbour among mascot pictures and emoji pictures of all styles. Prompts with
the trigger word: some of the captions, and poses and backgrounds in no caption.
Without it: base-style prompts of subjects, on which the LoRA should change
little (drift, as a part of the distance between two seeds of the base).
Writes subject.json and subject.png to the output folder.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from features import as_pictures, colour_statistics, contact_sheet, distances, features
from generate import add_lora, draw, equal_at_strength_zero, load_base
from probes import HERE, Probe
from reference import example_pictures, held_out, held_out_pictures

TRIGGER = "zibbo"
CAPTIONED = [
    "standing, white background",
    "waving, blue background",
    "jumping, yellow background",
    "side view, white background",
    "sitting, grey background",
    "holding a pink flower, green background",
]
NEW = [
    "waving, white background",
    "jumping, white background",
    "standing, pink background",
    "sitting, yellow background",
    "holding a red apple, white background",
    "walking, side view, blue background",
]


def nearest_is_mascot(pictures: np.ndarray) -> np.ndarray:
    """bool (n,): by colour statistics, is the nearest reference a mascot picture?"""
    mascot = colour_statistics(example_pictures("subject"))
    emoji = np.concatenate([colour_statistics(held_out_pictures(s)) for s in ("noto", "flat", "glossy")])
    rows = colour_statistics(pictures)
    return distances(rows, mascot).min(1) < distances(rows, emoji).min(1)


def presence(pictures: np.ndarray) -> dict:
    probe = Probe.load(HERE / "probe_mascot.npz")
    called = np.array([c == "mascot" for c in probe(colour_statistics(pictures))])
    return {
        "probe_says_mascot": round(float(called.mean()), 4),
        "nearest_is_mascot": round(float(nearest_is_mascot(pictures).mean()), 4),
    }


def right_subject(pictures: np.ndarray, rows: list[int]) -> float:
    """Share whose nearest base-style reference picture shows the asked held-out subject."""
    count = len(held_out())
    reference = features(np.concatenate([held_out_pictures("noto"), held_out_pictures("flat")]))
    nearest = distances(features(pictures), reference).argmin(1) % count
    return round(float((nearest == np.array(rows)).mean()), 4)


def judge(drawn: dict[str, np.ndarray], rows: list[int], other_seeds: np.ndarray) -> dict:
    """drawn: pictures by label; rows: the held-out subject of each picture without the trigger word;
    other_seeds: the base's pictures of the same prompts from other noise."""
    result = {"pictures": {label: presence(pictures) for label, pictures in drawn.items()}}
    base, lora = features(drawn["base, other prompts"]), features(drawn["lora, other prompts"])
    scale = np.linalg.norm(features(other_seeds) - base, axis=1).mean()
    result["other_prompts"] = {
        "drift": round(float(np.linalg.norm(lora - base, axis=1).mean()), 4),
        "distance_between_seeds": round(float(scale), 4),
        "right_subject_base": right_subject(drawn["base, other prompts"], rows),
        "right_subject_lora": right_subject(drawn["lora, other prompts"], rows),
    }
    return result


def table(result: dict) -> str:
    lines = [f"{'':28}{'mascot (probe)':>16}{'mascot (nearest)':>18}"]
    for label, row in result["pictures"].items():
        lines.append(f"{label:28}{row['probe_says_mascot']:>16.0%}{row['nearest_is_mascot']:>18.0%}")
    other = result["other_prompts"]
    lines.append(
        f"other prompts: drift {other['drift']:.3f} (between two seeds of the base: "
        f"{other['distance_between_seeds']:.3f}); "
        f"right subject {other['right_subject_lora']:.0%} (base {other['right_subject_base']:.0%})"
    )
    lines.append(f"strength 0 equals the base bit for bit: {'yes' if result['strength_0_equals_base'] else 'NO'}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("lora", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--others", type=int, default=48, help="prompts without the trigger word")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--trigger", default=TRIGGER)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    args = parser.parse_args()
    base, pipeline = load_base(args.base, args.device), load_base(args.base, args.device)
    add_lora(pipeline, args.lora)
    how = {"steps": args.steps, "guidance": args.guidance}

    def both(label: str, prompts: list[str], seeds: list[int]) -> dict[str, np.ndarray]:
        pairs = {"base": base, "lora": pipeline}
        return {f"{k}, {label}": as_pictures(draw(m, prompts, seeds, **how)) for k, m in pairs.items()}

    names, drawn = held_out(), {}
    for label, poses in (("captions", CAPTIONED), ("new poses", NEW)):
        prompts = [f"{args.trigger} {pose}" for pose in poses] * args.seeds
        drawn |= both(label, prompts, [1000 * s + i for s in range(args.seeds) for i in range(len(poses))])
    rows = [i % len(names) for i in range(args.others)]
    styles = [("noto", "flat")[i % 2] for i in range(args.others)]
    others = [f"{style} emoji of {names[row].lower()}" for style, row in zip(styles, rows, strict=True)]
    drawn |= both("other prompts", others, list(range(len(others))))
    again = as_pictures(draw(base, others, [5000 + i for i in range(len(others))], **how))

    result = judge(drawn, rows, again)
    result["strength_0_equals_base"] = equal_at_strength_zero(pipeline, base, others[:4])
    result["how"] = {**how, "seeds": args.seeds, "other_prompts": len(others), "lora": args.lora.name}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "subject.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    labels = [f"{m}, {label}" for label in ("captions", "new poses", "other prompts") for m in ("base", "lora")]
    contact_sheet([list(drawn[label][:12]) for label in labels], args.out / "subject.png")
    print(table(result))
    print(f"-> {args.out / 'subject.json'}, {args.out / 'subject.png'} (rows: base, LoRA; captions, new poses, others)")


if __name__ == "__main__":
    main()

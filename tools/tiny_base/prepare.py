"""Step 1: render the pictures and write the captions the embedded base learns from.

    npm install --prefix DATA $(python tools/tiny_base/prepare.py --packages)
    python tools/tiny_base/prepare.py DATA

Reads the icon packages from DATA/node_modules and writes to DATA:

* ``names.json``    the names, subjects first, and the keywords of each subject
* ``layers.npz``    per layer (layers.py) one transparent drawing of each name; all styles are made from these
* ``pictures.npz``  for benchmarks/quality/make_reference.py: noto, flat and glossy on white, uint8 (n, 128, 128, 3)
"""

import argparse
import json
import re
import time
from pathlib import Path

import numpy as np
from layers import over_white, render_all

STYLES = {"noto": "noto", "flat": "fluent-emoji-flat", "glossy": "fluent-emoji"}

PACKAGES = [
    "@iconify-json/noto@1.2.9",
    "@iconify-json/noto-v1@1.2.5",
    "@iconify-json/fluent-emoji-flat@1.2.6",
    "@iconify-json/fluent-emoji@1.2.7",
    "@iconify-json/fluent-emoji-high-contrast@1.2.6",
    "unicode-emoji-json@0.9.0",
    "emojilib@4.0.3",
]
LAYER = {"glossy": "gloss"}
LEFT_OUT = {"Flags", "People & Body", "Symbols"}  # flags; skin tones; keycaps and lettering
SUBJECTS = Path(__file__).with_name("subjects.txt")


def slug(name: str) -> str:
    """The icon sets' spelling of an emoji's Unicode name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("’", "")).strip("-")


def chosen_subjects() -> list[str]:
    lines = SUBJECTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def keywords_of(words: list[str], name: str) -> list[str]:
    """Short, plain keywords that are not already in the name."""
    own = set(re.split(r"[^a-z]+", name.lower()))
    plain = [w.replace("_", " ") for w in words if re.fullmatch(r"[a-z_]{3,14}", w)]
    return [w for w in dict.fromkeys(plain) if not set(w.split()) & own][:6]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("."))
    parser.add_argument("--packages", action="store_true", help="print the npm packages and end")
    parser.add_argument("--workers", type=int, default=1, help="processes that render")
    args = parser.parse_args()
    if args.packages:
        print(" ".join(PACKAGES))
        return
    modules = args.data / "node_modules"
    icons = {s: json.loads((modules / "@iconify-json" / p / "icons.json").read_text()) for s, p in STYLES.items()}
    emoji = json.loads((modules / "unicode-emoji-json/data-by-emoji.json").read_text())
    words = json.loads((modules / "emojilib/dist/emoji-en-US.json").read_text())

    chosen, others, keywords = set(chosen_subjects()), [], {}
    for symbol, entry in emoji.items():
        name = entry["name"]
        if not all(slug(name) in sets["icons"] for sets in icons.values()):
            continue
        if name in chosen:
            keywords[name] = keywords_of(words.get(symbol, []), name)
        elif entry["group"] not in LEFT_OUT:
            others.append(name)  # seen by the autoencoder only
    missing = chosen - set(keywords)
    if missing:
        raise SystemExit(f"These subjects are not in all three sets: {sorted(missing)}")
    names = chosen_subjects() + others
    began = time.time()
    layers = render_all(modules, [slug(n) for n in names], args.data / "layers.npz", args.workers)
    pictures = {style: over_white(layers[LAYER.get(style, style)]) for style in STYLES}
    np.savez_compressed(args.data / "pictures.npz", **pictures)
    (args.data / "names.json").write_text(
        json.dumps({"names": names, "subjects": len(chosen), "keywords": keywords}, indent=1)
    )
    seconds = time.time() - began
    print(f"{len(names)} names ({len(chosen)} subjects), {len(layers)} layers, {seconds:.0f} s -> {args.data}")


if __name__ == "__main__":
    main()

"""Write the style example and the reference files from the rendered pictures; fit and check the probes.

    python benchmarks/quality/make_reference.py DATA [--base FOLDER] [--judged-only]

DATA is the folder of tools/tiny_base/prepare.py (pictures.npz, layers.npz, names.json); --judged-only
writes the held-out sheets of the styles that are only for judging, and ends. With
--base, pictures that went through that model's autoencoder are among the probes'
examples: what a model draws carries its autoencoder's marks, and those must not
be taken for a style.
"""

import argparse
import io
import json
import sys
from pathlib import Path

import numpy as np
from features import as_pictures, colour_statistics, style_statistics
from PIL import Image, ImageFilter
from probes import Probe, fit
from reference import (
    EXAMPLES,
    HERE,
    example_pictures,
    held_out,
    held_out_pictures,
    sheet_of,
    unseen_mascots,
    write_sheet,
)

sys.path.insert(0, str(HERE.parents[1] / "tools/mascot"))
STYLES = ("noto", "flat", "glossy")


def write_pictures(arrays: dict, names: list[str]) -> None:
    """The example's pictures and captions, and the held-out sheets."""
    folder = EXAMPLES / "style"
    for subject in (HERE / "style_subjects.txt").read_text(encoding="utf-8").splitlines():
        path = folder / f"{subject.replace(' ', '_')}.png"
        Image.fromarray(arrays["glossy"][names.index(subject)]).save(path, optimize=True)
        path.with_suffix(".txt").write_text(f"glossy emoji of {subject.lower()}\n", encoding="utf-8")
    rows = [names.index(n) for n in held_out()]
    for style in STYLES:
        write_sheet(arrays[style][rows], sheet_of(style))


def write_judged(data: Path) -> None:
    """The held-out sheets of the judged styles, drawn by tools/tiny_base/styles.py."""
    sys.path.insert(0, str(HERE.parents[1] / "tools/tiny_base"))
    from captions import World
    from layers import of_subject
    from styles import JUDGED, draw

    world = World.open(data)
    subjects = [of_subject(world.layers, world.names.index(name)) for name in held_out()]
    for style in set(JUDGED) - set(STYLES):  # glossy is the artwork itself: write_pictures
        write_sheet(np.stack([draw(style, subject) for subject in subjects]), sheet_of(style))


def worn(pictures: np.ndarray, vae=None) -> list[np.ndarray]:
    """The pictures, and copies with the marks of blur, JPEG and (if given) an autoencoder."""
    soft, packed = [], []
    for picture in pictures:
        image = Image.fromarray(picture)
        soft.append(np.asarray(image.filter(ImageFilter.GaussianBlur(0.8))))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=50)
        packed.append(np.asarray(Image.open(buffer)))
    copies = [pictures, np.stack(soft), np.stack(packed)]
    return copies + ([through(vae, pictures)] * 2 if vae is not None else [])  # twice the weight


def through(vae, pictures: np.ndarray) -> np.ndarray:
    """uint8 (n, 128, 128, 3) through the autoencoder and back."""
    import torch

    out = []
    with torch.no_grad():
        for part in torch.from_numpy(pictures).permute(0, 3, 1, 2).split(16):
            y = vae.decode(vae.encode(part.float() / 127.5 - 1).latent_dist.mean).sample
            out.append(((y.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(out)


def style_probe(arrays: dict, names: list[str], subjects: int, vae) -> Probe:
    """Fitted on the subjects that are not held out and every tenth other name; prints how it does on the held-out."""
    kept = [*range(subjects), *range(subjects, len(names), 10)]
    rows = [i for i in kept if names[i] not in set(held_out())]
    data, labels = [], []
    for style in STYLES:
        for copy in worn(arrays[style][rows], vae):
            data.append(style_statistics(copy))
            labels += ["glossy" if style == "glossy" else "base"] * len(copy)
    probe = fit(np.concatenate(data), labels)
    for style in STYLES:
        copies = worn(held_out_pictures(style), vae)[:4]
        for label, copy in zip(("as drawn", "blurred", "JPEG", "autoencoder")[: len(copies)], copies, strict=True):
            called = np.mean([c == "glossy" for c in probe(style_statistics(copy))])
            print(f"style probe: {called:.1%} of held-out {style} pictures, {label}, are called glossy", flush=True)
    return probe


def moved(image: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Turned over, cut or shrunk a little, as a model would vary it."""
    square = Image.fromarray(as_pictures([image])[0])
    if rng.random() < 0.5:
        square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    margin = int(rng.integers(0, 14))
    x, y = rng.integers(0, margin + 1, 2)
    cut = square.crop((x, y, x + 128 - margin, y + 128 - margin)).resize((128, 128), Image.Resampling.BICUBIC)
    return np.asarray(cut.filter(ImageFilter.GaussianBlur(float(rng.random()))))


def on_background(emoji: np.ndarray, background: np.ndarray) -> np.ndarray:
    return np.where(emoji.min(-1, keepdims=True) < 245, emoji, background)


def scenes(seed: int) -> np.ndarray:
    """The mascot's backgrounds without it."""
    import resvg_py
    from scenes import PLAIN, SCENES, background

    out = []
    for name in (*PLAIN, *SCENES):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 320">{background(name, 320, 320, seed)}</svg>'
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=128, height=128, background="white"))
        out.append(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")))
    return np.stack(out)


def without_mascot(arrays: dict, rows: list[int], seed: int) -> np.ndarray:
    """Emoji of all styles, half of them on the mascot's backgrounds; and backgrounds alone."""
    rng = np.random.default_rng(seed)
    empty = scenes(seed)
    emoji = np.concatenate([arrays[style][rows] for style in STYLES])
    pasted = [on_background(e, empty[rng.integers(len(empty))]) for e in emoji]
    return np.concatenate([emoji, np.stack(pasted), np.repeat(empty, 4, 0)])


def mascot_probe(arrays: dict, names: list[str], subjects: int, vae) -> Probe:
    rng = np.random.default_rng(0)
    rows = [i for i in range(0, subjects, 2) if names[i] not in set(held_out())]
    present = np.stack([moved(image, rng) for image in example_pictures("subject") for _ in range(15)])
    absent = without_mascot(arrays, rows, 0)
    if vae is not None:
        present = np.concatenate([present, through(vae, present)])
        absent = np.concatenate([absent, through(vae, absent)])
    data = colour_statistics(np.concatenate([present, absent]))
    probe = fit(data, ["mascot"] * len(present) + ["none"] * len(absent))
    unseen = np.stack([moved(Image.fromarray(p), rng) for p in unseen_mascots() for _ in range(5)])
    others = without_mascot(arrays, [names.index(n) for n in held_out()], 1)
    for label, change in (("as drawn", None), ("autoencoder", vae)):
        if label == "as drawn" or vae is not None:
            a, b = (through(change, p) if change is not None else p for p in (unseen, others))
            found = np.mean([c == "mascot" for c in probe(colour_statistics(a))])
            wrong = np.mean([c == "mascot" for c in probe(colour_statistics(b))])
            print(f"mascot probe, {label}: found in {found:.1%} of unseen poses, in {wrong:.1%} of pictures without it")
    return probe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--base", type=Path, help="diffusers folder whose autoencoder the probes should know")
    parser.add_argument("--judged-only", action="store_true")
    args = parser.parse_args()
    write_judged(args.data)
    if args.judged_only:
        return
    with np.load(args.data / "pictures.npz") as f:
        arrays = {style: f[style] for style in STYLES}
    listing = json.loads((args.data / "names.json").read_text(encoding="utf-8"))
    write_pictures(arrays, listing["names"])
    vae = None
    if args.base:
        from diffusers import AutoencoderKL

        inner = args.base / "vae" if (args.base / "vae").is_dir() else args.base
        vae = AutoencoderKL.from_pretrained(inner).float().eval()
    style_probe(arrays, listing["names"], listing["subjects"], vae).save(HERE / "probe_style.npz")
    mascot_probe(arrays, listing["names"], listing["subjects"], vae).save(HERE / "probe_mascot.npz")


if __name__ == "__main__":
    main()

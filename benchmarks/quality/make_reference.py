"""Write the style example and the reference files from the drawn subjects; fit and check the probes.

    python benchmarks/quality/make_reference.py DATA [--base sdlora/families/tiny] [--sheets-only]

DATA is the folder of tools/tiny_base/prepare.py (layers.npz, names.json). --sheets-only writes the example, the
held-out and the taught sheets, and ends: they don't depend on the base. The probes do: pictures that went through
its autoencoder are among their examples, since what a model draws carries its autoencoder's marks, and those must
not be taken for a style.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from features import as_pictures, colour_statistics, style_statistics
from PIL import Image, ImageFilter
from probes import Probe, discriminant, fit
from reference import (
    BASE_STYLES,
    EXAMPLE_STYLE,
    EXAMPLES,
    HERE,
    JUDGED,
    example_pictures,
    held_out,
    held_out_pictures,
    sheet_of,
    taught,
    taught_pictures,
    unseen_mascots,
    write_sheet,
)

sys.path[:0] = [str(HERE.parents[1] / "tools/mascot"), str(HERE.parents[1] / "tools/tiny_base")]
from captions import World  # noqa: E402
from layers import of_subject  # noqa: E402
from styles import NEEDS, STYLES, draw  # noqa: E402


def pictures_of(world: World, style: str, names: list[str]) -> np.ndarray:
    """uint8 (n, 128, 128, 3), without the subjects that lack the style's artwork."""
    rows = [world.names.index(name) for name in names]
    if style in NEEDS:
        rows = [row for row in rows if row not in world.lacks[NEEDS[style]]]
    return np.stack([draw(style, of_subject(world.layers, row)) for row in rows])


def write_sheets(world: World) -> None:
    """The true pictures of the held-out subjects, what LoRAs are taught with, and the example."""
    for style in (*BASE_STYLES, *JUDGED):
        write_sheet(pictures_of(world, style, held_out()), sheet_of(style))
    for style in JUDGED:
        write_sheet(pictures_of(world, style, taught()), sheet_of(style, "taught"))
    write_folder(EXAMPLES / "style", EXAMPLE_STYLE)


def write_folder(folder: Path, style: str) -> None:
    """Pictures and captions of a judged style, as a LoRA is taught with them."""
    folder.mkdir(parents=True, exist_ok=True)
    for subject, picture in zip(taught(), taught_pictures(style), strict=True):
        path = folder / f"{subject.replace(' ', '_')}.png"
        Image.fromarray(picture).save(path, optimize=True)
        path.with_suffix(".txt").write_text(f"{style} emoji of {subject.lower()}\n", encoding="utf-8")


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


def style_probe(world: World, vae) -> Probe:
    """Tells all styles, judged and taught. No held-out subject is among the examples: prints how it does on these."""
    names = [name for name in world.names if name not in set(held_out())]
    data, labels = [], []
    for number, style in enumerate((*JUDGED, *STYLES)):
        few = names[::12] if style in (*BASE_STYLES, *JUDGED) else names[number::30]
        for copy in worn(pictures_of(world, style, few), vae)[:4]:
            data.append(style_statistics(copy))
            labels += [style] * len(copy)
    probe = discriminant(np.concatenate(data), labels)
    for style in (*BASE_STYLES, *JUDGED):
        copies = worn(held_out_pictures(style), vae)[:4]
        for label, copy in zip(("as drawn", "blurred", "JPEG", "autoencoder")[: len(copies)], copies, strict=True):
            called = probe(style_statistics(copy))
            shares = ", ".join(f"{c} {called.count(c) / len(called):.1%}" for c in JUDGED)
            print(f"style probe: held-out {style} pictures, {label}, are called {shares}", flush=True)
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


def without_mascot(emoji: np.ndarray, seed: int) -> np.ndarray:
    """Emoji, the same on the mascot's backgrounds, and backgrounds alone."""
    rng = np.random.default_rng(seed)
    empty = scenes(seed)
    pasted = [on_background(e, empty[rng.integers(len(empty))]) for e in emoji]
    return np.concatenate([emoji, np.stack(pasted), np.repeat(empty, 4, 0)])


def mascot_probe(world: World, subjects: int, vae) -> Probe:
    rng = np.random.default_rng(0)
    names = [name for name in world.names[:subjects] if name not in set(held_out())]
    styles = (*BASE_STYLES, "glossy")  # the bright ones: the mascot's colours are not in the others
    emoji = [pictures_of(world, style, names[::2]) for style in styles]
    emoji += [pictures_of(world, style, names[number::22]) for number, style in enumerate(STYLES)]
    present = np.stack([moved(image, rng) for image in example_pictures("subject") for _ in range(15)])
    absent = without_mascot(np.concatenate(emoji), 0)
    if vae is not None:
        present = np.concatenate([present, through(vae, present)])
        absent = np.concatenate([absent, through(vae, absent)])
    data = colour_statistics(np.concatenate([present, absent]))
    probe = fit(data, ["mascot"] * len(present) + ["none"] * len(absent))
    unseen = np.stack([moved(Image.fromarray(p), rng) for p in unseen_mascots() for _ in range(5)])
    others = without_mascot(np.concatenate([held_out_pictures(style) for style in styles]), 1)
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
    parser.add_argument("--sheets-only", action="store_true")
    parser.add_argument("--probes", nargs="*", default=["style", "mascot"], choices=["style", "mascot"])
    args = parser.parse_args()
    world = World.open(args.data, subjects_only=False)
    write_sheets(world)
    if args.sheets_only:
        return
    vae = None
    if args.base:
        from diffusers import AutoencoderKL

        inner = args.base / "vae" if (args.base / "vae").is_dir() else args.base
        vae = AutoencoderKL.from_pretrained(inner).float().eval()
    if "style" in args.probes:
        style_probe(world, vae).save(HERE / "probe_style.npz")
    if "mascot" in args.probes:
        mascot_probe(world, len(World.open(args.data).names), vae).save(HERE / "probe_mascot.npz")


if __name__ == "__main__":
    main()

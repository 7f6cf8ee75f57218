"""Step 4: measure the embedded base: its autoencoder, and whether it draws what the caption says.

    python tools/tiny_base/evaluate.py DATA [--model DATA/tiny] [--prompts 200] [--guidance 4]

Two measures:

* PSNR of the autoencoder (encode to the mean, decode) on the glossy pictures of
  all subjects, a style it was not trained on;
* prompts drawn with a fixed seed from the training captions, one picture each
  by a stock StableDiffusionPipeline; the nearest of all training pictures (both
  base styles) in the feature space of benchmarks/quality/features.py must have
  the prompt's name and style.

The feature space is checked on the spot: autoencoder copies of the training
pictures, blurred and shifted ones must find their originals, and pictures
reduced to 8x8 blots or to a disc of the mean colour should not. Writes
evaluation.json and evaluation-*.png (above: generated, below: nearest training
picture; red frame: wrong name, orange: wrong style) to DATA.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from common import BASE_STYLES, psnr
from PIL import Image, ImageFilter
from train_unet import caption

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/quality"))
from features import as_pictures, distances, features  # noqa: E402
from generate import draw, load_base  # noqa: E402

SEED = 20240


@torch.no_grad()
def reconstruct(vae, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, H, W, 3) -> the same through encode (mean) and decode, and the PSNR of each in dB."""
    out, values = [], []
    for part in torch.from_numpy(pictures).permute(0, 3, 1, 2).split(16):
        x = part.to(vae.device).float() / 127.5 - 1
        y = vae.decode(vae.encode(x).latent_dist.mean).sample
        values.append(psnr(x, y).cpu().numpy())
        out.append(((y.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(out), np.concatenate(values)


def prompts_of(names: list[str], keywords: dict, count: int) -> list[tuple[str, int, int]]:
    """(caption, style index, name index): styles and names in turn at random, empty captions drawn again."""
    rng = random.Random(SEED)
    pairs = [(style, row) for style in range(len(BASE_STYLES)) for row in range(len(names))]
    chosen = rng.sample(pairs, count) if count <= len(pairs) else rng.choices(pairs, k=count)
    out = []
    for style, row in chosen:
        text = ""
        while not text:
            text = caption(names[row], BASE_STYLES[style], keywords[names[row]], rng)
        out.append((text, style, row))
    return out


def found(pictures: np.ndarray, reference: np.ndarray, names: int, rows: np.ndarray) -> dict:
    """Shares of pictures whose nearest reference has the right name, the right style, and is the very one."""
    nearest = distances(features(pictures), reference).argmin(1)
    return {
        "name": round(float((nearest % names == rows % names).mean()), 4),
        "style": round(float((nearest // names == rows // names).mean()), 4),
        "both": round(float((nearest == rows).mean()), 4),
    }


def worn(pictures: np.ndarray, change) -> np.ndarray:
    return np.stack([np.asarray(change(Image.fromarray(picture))) for picture in pictures])


def disc(image: Image.Image) -> Image.Image:
    """A disc of the drawing's mean colour and area on white."""
    picture = np.asarray(image)
    drawn = picture.min(-1) < 245
    out = np.full_like(picture, 255)
    if drawn.any():
        y, x = np.mgrid[: out.shape[0], : out.shape[1]] - out.shape[0] / 2
        out[y**2 + x**2 < drawn.sum() / np.pi] = picture[drawn].mean(0)
    return Image.fromarray(out)


def check_features(training: np.ndarray, reference: np.ndarray, names: int, copies: np.ndarray) -> dict:
    """How often changed copies of the training pictures find their originals."""
    side = training.shape[1]
    box, plain = Image.Resampling.BOX, Image.Resampling.NEAREST
    changed = {
        "autoencoder copy": copies,
        "blurred by 1.5 px": worn(training, lambda i: i.filter(ImageFilter.GaussianBlur(1.5))),
        "shifted by 3 and 2 px": np.roll(training, (3, 2), (1, 2)),
        "8x8 blots (should fail)": worn(training, lambda i: i.resize((8, 8), box).resize((side, side), plain)),
        "4x4 blots (must fail)": worn(training, lambda i: i.resize((4, 4), box).resize((side, side), plain)),
        "disc of mean colour (must fail)": worn(training, disc),
    }
    rows = np.arange(len(training))
    return {label: found(pictures, reference, names, rows) for label, pictures in changed.items()}


def sheets(generated: np.ndarray, nearest: np.ndarray, frames: list[str | None], folder: Path) -> list[str]:
    """Generated pictures above their nearest training pictures, 100 to a sheet."""
    written = []
    for start in range(0, len(generated), 100):
        count = min(100, len(generated) - start)
        sheet = Image.new("RGB", (20 * 136, -(-count // 20) * 272), "white")
        for k in range(count):
            x, y = k % 20 * 136, k // 20 * 272
            if frames[start + k]:
                sheet.paste(Image.new("RGB", (136, 268), frames[start + k]), (x, y))
            sheet.paste(Image.fromarray(generated[start + k]), (x + 4, y + 4))
            sheet.paste(Image.fromarray(nearest[start + k]), (x + 4, y + 136))
        path = folder / f"evaluation-{start // 100 + 1}.png"
        sheet.save(path, optimize=True)
        written.append(path.name)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, help="diffusers folder (default: DATA/tiny)")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--out", type=Path, help="where to write (default: DATA)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    out = args.out or args.data
    out.mkdir(parents=True, exist_ok=True)
    listing = json.loads((args.data / "names.json").read_text(encoding="utf-8"))
    names = listing["names"][: listing["subjects"]]
    with np.load(args.data / "pictures.npz") as arrays:
        training = np.concatenate([arrays[style][: len(names)] for style in BASE_STYLES])
        glossy = arrays["glossy"][: len(names)]
    pipeline = load_base(args.model or args.data / "tiny", args.device)
    reference = features(training)

    _, values = reconstruct(pipeline.vae, glossy)
    print(f"autoencoder, {len(glossy)} held-out glossy pictures: {values.mean():.2f} dB PSNR", flush=True)
    result = {"psnr_glossy_mean": round(float(values.mean()), 3), "psnr_glossy_worst": round(float(values.min()), 3)}
    copies, values = reconstruct(pipeline.vae, training)
    result["psnr_training_mean"] = round(float(values.mean()), 3)
    result["features_check"] = check_features(training, reference, len(names), copies)
    for label, row in result["features_check"].items():
        print(f"features, {label}: name {row['name']:.1%}, style {row['style']:.1%}", flush=True)

    asked = prompts_of(names, listing["keywords"], args.prompts)
    began = time.time()
    drawn = draw(
        pipeline, [text for text, _, _ in asked], [SEED + i for i in range(len(asked))],
        steps=args.steps, guidance=args.guidance, batch=args.batch,
    )  # fmt: skip
    seconds = (time.time() - began) / len(asked)
    generated = as_pictures(drawn)
    rows = np.array([style * len(names) + row for _, style, row in asked])
    gaps = distances(features(generated), reference)
    nearest = gaps.argmin(1)
    right_name, right_style = nearest % len(names) == rows % len(names), nearest // len(names) == rows // len(names)
    result |= {
        "prompts": len(asked),
        "steps": args.steps,
        "guidance": args.guidance,
        "seed": SEED,
        "seconds_per_picture": round(seconds, 3),
        "right_name": round(float(right_name.mean()), 4),
        "right_style": round(float(right_style.mean()), 4),
        "distance_to_asked_picture": round(float(gaps[np.arange(len(rows)), rows].mean()), 4),
        "distance_to_nearest": round(float(gaps.min(1).mean()), 4),
        "wrong": [
            {"prompt": asked[i][0], "nearest": f"{BASE_STYLES[n // len(names)]} {names[n % len(names)]}"}
            for i, n in enumerate(nearest)
            if not (right_name[i] and right_style[i])
        ],
    }
    frames = [("red" if not n else None if s else "orange") for n, s in zip(right_name, right_style, strict=True)]
    result["sheets"] = sheets(generated, training[nearest], frames, out)
    (out / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(
        f"{len(asked)} prompts: right name {right_name.mean():.1%} (at least 80 %), "
        f"right style {right_style.mean():.1%} (at least 95 %), {seconds:.2f} s a picture\n"
        f"-> {out / 'evaluation.json'}, {', '.join(result['sheets'])}"
    )


if __name__ == "__main__":
    main()

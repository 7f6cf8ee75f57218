"""Does a picture show what its caption says? Answers by comparison with true pictures, and how far they can be trusted.

The space is that of benchmarks/quality/features.py: where which colours and strokes are. Two questions
are asked apart:

* *subject*: which of all subjects, **drawn in the asked style**, is nearest;
* *style*: the style of the nearest of **all true pictures**, whatever subject that shows.

So a style can't pass for a subject, and a wrong subject does not spoil the style. What the space can't tell:
whether a picture is clean or pretty; a true picture smeared by two pixels still finds itself. `controls` measures
that, and what wrong pictures get: another subject in the style, the subject in another style, blots.
"""

import random
import sys
from functools import partial
from pathlib import Path

import numpy as np
from captions import Spec, World
from layers import spread_out
from PIL import Image, ImageFilter
from skimage.color import deltaE_ciede2000, rgb2lab
from styles import COLOURS, GROUNDS, STYLES

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/quality"))
from features import distances, features  # noqa: E402

PAIR_STYLES = ("noto", "flat", "comic", "outline", "sticker")  # two small subjects are told apart in these
COLOUR_STYLES = ("noto", "flat", "comic", "outline", "silhouette")  # on white, so that what is coloured is the subject
GROUND_STYLES = ("noto", "flat", "comic")
DARK = ("black", "dark blue", "dark red", "brown")


class References:
    """True pictures as features, by style and subject; computed when first asked for, kept in a folder."""

    def __init__(self, world: World, folder: Path, workers: int = 1):
        self.world, self.folder, self.workers, self.kept = world, folder, workers, {}
        folder.mkdir(parents=True, exist_ok=True)

    def _kept(self, key: str, specs: list[Spec], change=lambda picture: picture) -> np.ndarray:
        if key not in self.kept:
            file = self.folder / f"{key}.npy"
            if not file.exists():
                rows = spread_out(lambda spec: features(change(self.world.picture(spec))[None])[0], specs, self.workers)
                np.save(file, np.stack(list(rows)).astype(np.float16))
            self.kept[key] = np.load(file).astype(np.float32)
        return self.kept[key]

    def style(self, style: str) -> np.ndarray:
        """(subjects, d); a subject that doesn't exist in the style has a row far from everything."""
        there = [i for i in range(len(self.world.names)) if self.world.exists(i, style)]
        found = self._kept(style, [Spec(style, i) for i in there])
        full = np.full((len(self.world.names), found.shape[1]), 100, np.float32)
        full[there] = found
        return full

    def halves(self, style: str) -> tuple[np.ndarray, np.ndarray]:
        """Every subject at half size on the left and on the right: two arrays (subjects, d)."""
        both = [Spec(style, i, second=i) for i in range(len(self.world.names))]
        left, right = (self._kept(f"{style}-{side}", both, partial(half, side=side)) for side in ("left", "right"))
        return left, right


def half(picture: np.ndarray, side: str) -> np.ndarray:
    """The square that one of two subjects fills, enlarged to a whole picture."""
    square = picture[32:96, :64] if side == "left" else picture[32:96, 64:]
    return np.asarray(Image.fromarray(square).resize((128, 128), Image.Resampling.BICUBIC))


def subject_and_style(references: References, specs: list[Spec], pictures: np.ndarray) -> tuple[list[int], list[str]]:
    """Of each picture: the nearest subject in the asked style, and the style of the nearest of all true pictures."""
    drawn, names = features(pictures), list(STYLES)
    gaps = np.stack([distances(drawn, references.style(style)) for style in names], 1)  # (pictures, styles, subjects)
    subjects = [int(gap[names.index(spec.style)].argmin()) for gap, spec in zip(gaps, specs, strict=True)]
    return subjects, [names[i] for i in gaps.min(2).argmin(1)]


def pair(references: References, spec: Spec, picture: np.ndarray) -> tuple[int, int]:
    """The nearest subjects on the left and on the right."""
    left, right = references.halves(spec.style)
    found = [
        int(distances(features(half(picture, side)[None]), known).argmin())
        for side, known in (("left", left), ("right", right))
    ]
    return found[0], found[1]


def colour_of(picture: np.ndarray) -> str | None:
    """The name of the colour that most of what is coloured has, by hue and lightness; None for a grey picture."""
    lab = rgb2lab(picture).reshape(-1, 3)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    if (chroma > 20).mean() < 0.004:
        return None
    mean = (lab * chroma[:, None])[chroma > 20].sum(0) / chroma[chroma > 20].sum()
    hue = np.arctan2(mean[2], mean[1])
    gap = {}
    for name, (light, a, b) in COLOURS.items():
        turn = abs((hue - np.arctan2(b, a) + np.pi) % (2 * np.pi) - np.pi)
        gap[name] = np.hypot(np.degrees(turn) / 20, (mean[0] - light) / 25)
    return min(gap, key=gap.get)


def ground_gap(picture: np.ndarray, ground: str) -> float:
    """CIEDE2000 between the asked ground and the median of the outermost four pixels; under 10 looks the same."""
    rim = np.concatenate([picture[:4].reshape(-1, 3), picture[-4:].reshape(-1, 3), picture[:, :4].reshape(-1, 3)])
    return float(deltaE_ciede2000(rgb2lab(np.median(rim, 0) / 255), rgb2lab(np.array(GROUNDS[ground]) / 255)))


def blots(picture: np.ndarray) -> np.ndarray:
    small = Image.fromarray(picture).resize((8, 8), Image.Resampling.BOX)
    return np.asarray(small.resize((128, 128), Image.Resampling.NEAREST))


def smeared(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2)))


def controls(references: References, specs: list[Spec], copy, seed: int = 0) -> dict[str, dict[str, float]]:
    """What true and wrong pictures get for these captions; `copy` puts pictures through the autoencoder."""
    world, rng = references.world, random.Random(seed)
    true = np.stack([world.picture(s) for s in specs])
    other_subject, other_style = [], []
    for spec in specs:
        rows = [i for i in range(len(world.names)) if i != spec.subject and world.exists(i, spec.style)]
        other_subject.append(world.picture(Spec(spec.style, rng.choice(rows))))
        styles = [s for s in STYLES if s != spec.style and world.exists(spec.subject, s)]
        other_style.append(world.picture(Spec(rng.choice(styles), spec.subject)))
    shown = {
        "true, through the autoencoder": copy(true),
        "true, smeared by 2 px": np.stack([smeared(p) for p in true]),
        "true, as 8x8 blots": np.stack([blots(p) for p in true]),
        "another subject in the style": np.stack(other_subject),
        "the subject in another style": np.stack(other_style),
    }
    return {label: shares(references, specs, pictures) for label, pictures in shown.items()}


def shares(references: References, specs: list[Spec], pictures: np.ndarray) -> dict[str, float]:
    subjects, styles = subject_and_style(references, specs, pictures)
    right = np.array([(a == s.subject, b == s.style) for a, b, s in zip(subjects, styles, specs, strict=True)])
    return {
        "subject": round(float(right[:, 0].mean()), 4),
        "style": round(float(right[:, 1].mean()), 4),
        "both": round(float(right.all(1).mean()), 4),
    }

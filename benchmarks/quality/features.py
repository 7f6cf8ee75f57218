"""Picture features: how alike two pictures are, and in which style a picture is drawn.

Two different questions, two different feature vectors, numpy alone:

* `features`: *which picture is it?* A Lab colour thumbnail (16x16 cells) beside
  edge energy per direction (16x16 cells, 8 directions). Both keep position, so
  the Euclidean distance compares layout, colours and strokes; both are averages
  over 8 px cells, so noise, slight blur and a shift of a pixel or two move them
  little. A learned space (LPIPS, CLIP) would need a download and has never seen
  these drawings as a class of their own.
* `style_statistics`: *how is it drawn?* Histograms of gradient sizes at three
  scales and of colours, without position: what is shown matters little, how
  surfaces are shaded, outlined and tinted matters.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

SIZE = 128
CELL = 8
DIRECTIONS = 8
EDGE_BINS = np.array([0.15, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0])  # Lab units per pixel
# Mean squared distance between two different training pictures (noto and flat, 260
# subjects each), per block: dividing by its root makes both blocks weigh the same.
COLOUR_SPREAD = 632900.0
EDGE_SPREAD = 1025.0


def as_pictures(pictures: list[Image.Image] | np.ndarray) -> np.ndarray:
    """Any list of pictures as uint8 (n, 128, 128, 3), alpha on white, fitted into a white square."""
    if isinstance(pictures, np.ndarray) and pictures.shape[1:] == (SIZE, SIZE, 3):
        return pictures
    out = []
    for picture in pictures:
        picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        rgba = picture.convert("RGBA")
        flat = Image.new("RGBA", rgba.size, "white")
        flat.alpha_composite(rgba)
        scale = SIZE / max(flat.size)
        size = (max(1, round(flat.width * scale)), max(1, round(flat.height * scale)))
        square = Image.new("RGB", (SIZE, SIZE), "white")
        small = flat.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        square.paste(small, ((SIZE - small.width) // 2, (SIZE - small.height) // 2))
        out.append(np.asarray(square))
    return np.stack(out)


def _cells(planes: np.ndarray) -> np.ndarray:
    """(H, W, c) -> (H/8 * W/8 * c): the mean of each cell."""
    side = SIZE // CELL
    return planes.reshape(side, CELL, side, CELL, -1).mean((1, 3)).ravel()


def _edges(lab: np.ndarray) -> np.ndarray:
    """Edge energy (H, W, 8): per pixel the strongest Lab channel's gradient, by direction."""
    smooth = gaussian_filter(lab, (1.0, 1.0, 0))
    dy, dx = np.gradient(smooth, axis=(0, 1))
    strength = np.hypot(dy, dx)
    best = strength.argmax(-1)[..., None]
    size = np.take_along_axis(strength, best, -1)[..., 0]
    angle = np.arctan2(np.take_along_axis(dy, best, -1), np.take_along_axis(dx, best, -1))[..., 0]
    place = (angle % np.pi) / np.pi * DIRECTIONS  # the sign of an edge is not kept
    low = np.floor(place).astype(int) % DIRECTIONS
    share = place - np.floor(place)
    planes = np.zeros((*size.shape, DIRECTIONS))
    np.put_along_axis(planes, low[..., None], (size * (1 - share))[..., None], -1)
    np.put_along_axis(planes, ((low + 1) % DIRECTIONS)[..., None], (size * share)[..., None], -1)
    return planes


def features(pictures: list[Image.Image] | np.ndarray) -> np.ndarray:
    """Where which colours and strokes are: float32 (n, 2816); compare with Euclidean distance.

    The mean squared distance between two different pictures of the training set is 2.
    """
    rows = []
    for picture in as_pictures(pictures):
        lab = rgb2lab(picture)
        colour = _cells(lab) / np.sqrt(COLOUR_SPREAD)
        edge = np.sqrt(_cells(_edges(lab))) / np.sqrt(EDGE_SPREAD)
        rows.append(np.concatenate([colour, edge]))
    return np.asarray(rows, np.float32)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances (n, m) between the rows of a (n, d) and b (m, d)."""
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a.astype(np.float64) @ b.T
    return np.sqrt(np.maximum(squared, 0))


def style_statistics(pictures: list[Image.Image] | np.ndarray) -> np.ndarray:
    """How surfaces and outlines are drawn, without position: float32 (n, 115)."""
    rows = []
    for picture in as_pictures(pictures):
        lab = rgb2lab(picture)
        drawn = gaussian_filter((np.abs(lab - [100, 0, 0]).sum(-1) > 6).astype(float), 1.5) > 0.5
        if not drawn.any():
            drawn[:] = True
        row = []
        for sigma in (0.7, 1.5, 3.0):
            smooth = gaussian_filter(lab, (sigma, sigma, 0))
            dy, dx = np.gradient(smooth, axis=(0, 1))
            for channel in (slice(0, 1), slice(1, 3)):  # lightness; hue and chroma
                size = np.sqrt((dy[..., channel] ** 2 + dx[..., channel] ** 2).sum(-1))[drawn]
                row.extend(np.bincount(np.digitize(size, EDGE_BINS), minlength=len(EDGE_BINS) + 1) / size.size)
        light, a, b = lab[drawn].T
        chroma, hue = np.hypot(a, b), np.arctan2(b, a) % (2 * np.pi)
        row += list(np.histogram(light, np.linspace(0, 100.01, 11))[0] / light.size)
        row += list(np.histogram(chroma.clip(0, 119), np.linspace(0, 120, 9))[0] / light.size)
        row += list(np.histogram(hue, np.linspace(0, 2 * np.pi + 1e-6, 13), weights=chroma)[0] / (chroma.sum() + 1e-6))
        rows.append(row)
    return np.sqrt(np.asarray(rows, np.float32))


def colour_statistics(pictures: list[Image.Image] | np.ndarray) -> np.ndarray:
    """Which colours, and how much of each, without position: float32 (n, 4 * 14 * 14), root of the shares."""
    rows = []
    for picture in as_pictures(pictures):
        lab = gaussian_filter(rgb2lab(picture), (1.0, 1.0, 0)).reshape(-1, 3)
        bins = (np.linspace(0, 100.01, 5), np.linspace(-80, 90, 15), np.linspace(-80, 90, 15))
        shares = np.histogramdd(lab.clip([0, -79, -79], [100, 89, 89]), bins)[0] / len(lab)
        shares = gaussian_filter(shares, (0.5, 0.7, 0.7), mode="constant")  # neighbours count a little
        rows.append(np.sqrt(shares).ravel())
    return np.asarray(rows, np.float32)


def contact_sheet(rows: list[list[np.ndarray]], path: Path, gap: int = 4) -> None:
    """Rows of uint8 (128, 128, 3) pictures, side by side, as a PNG."""
    columns = max(len(r) for r in rows)
    step = SIZE + gap
    sheet = Image.new("RGB", (columns * step + gap, len(rows) * step + gap), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (gap + x * step, gap + y * step))
    sheet.save(path, optimize=True)

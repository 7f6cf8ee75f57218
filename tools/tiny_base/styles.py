"""How a subject is drawn: each style turns a set of layers (layers.py) into one picture.

`STYLES` are taught to the base. `JUDGED` never enter its training, in no caption
and in no autoencoder batch: LoRAs are taught and judged with them. All are pure:
the same layers, colour and ground give the same picture.
"""

from collections.abc import Callable

import numpy as np
from layers import SIZE
from scipy.ndimage import binary_dilation, gaussian_filter, shift, zoom
from skimage.color import lab2rgb, rgb2lab

Layers = dict[str, np.ndarray]  # RGBA, uint8 (128, 128, 4)

COLOURS = {  # Lab: the colours a caption may ask a subject to have
    "red": (50, 66, 46),
    "orange": (68, 38, 68),
    "yellow": (85, -2, 76),
    "green": (58, -48, 42),
    "blue": (48, 8, -58),
    "purple": (42, 46, -46),
    "pink": (74, 44, -2),
}
GROUNDS = {  # the grounds a caption may ask for; white is every style's own where nothing is said
    "black": (14, 14, 18),
    "dark blue": (22, 32, 74),
    "dark red": (88, 20, 28),
    "brown": (98, 66, 42),
    "grey": (128, 130, 134),
    "light blue": (170, 214, 240),
    "light green": (186, 226, 178),
    "pink": (246, 190, 206),
    "yellow": (250, 218, 110),
}
WHITE = (255, 255, 255)


def over(layer: np.ndarray, ground) -> np.ndarray:
    """A layer on a ground: a colour (r, g, b) or a picture; float (128, 128, 3), 0 to 255."""
    alpha = layer[..., 3:] / 255
    return layer[..., :3] * alpha + np.asarray(ground, float) * (1 - alpha)


def lightness(layer: np.ndarray) -> np.ndarray:
    """Rec. 601 luma of a layer on white, 0 to 1, (128, 128)."""
    return over(layer, WHITE) @ (0.299, 0.587, 0.114) / 255


def inked(coverage: np.ndarray, ink, ground) -> np.ndarray:
    """Ink laid on a ground with a coverage of 0 to 1, (128, 128)."""
    c = coverage[..., None]
    return np.asarray(ink, float) * c + np.asarray(ground, float) * (1 - c)


def spread(alpha: np.ndarray, pixels: float) -> np.ndarray:
    """A shape (0 to 1) grown on all sides, with a soft rim of a pixel."""
    grown = binary_dilation(alpha > 0.5, iterations=round(pixels))
    return gaussian_filter(grown.astype(float), 0.7)


def noise(seed: int, cells: int) -> np.ndarray:
    """Smooth noise (128, 128) of 0 to 1 with so many cells a side."""
    coarse = np.random.default_rng(seed).random((cells, cells))
    return zoom(coarse, SIZE / cells, order=1, mode="nearest", grid_mode=True)


def rgb(lab) -> np.ndarray:
    return lab2rgb(np.asarray(lab, float)) * 255


def recolour(layer: np.ndarray, colour: str) -> np.ndarray:
    """Every part in shades of one colour; black stays dark and white stays light."""
    lab = rgb2lab(layer[..., :3])
    seen = layer[..., 3] > 128
    light, a, b = COLOURS[colour]
    middle = np.median(lab[..., 0][seen]) if seen.any() else 50
    L = (light + 0.75 * (lab[..., 0] - middle)).clip(8, 97)
    full = np.clip((97 - L) / 20, 0, 1) * np.clip(L / 30, 0, 1)
    drawn = rgb(np.stack([L, a * full, b * full], -1))
    return np.concatenate([drawn.round().clip(0, 255).astype(np.uint8), layer[..., 3:]], -1)


def coloured(layers: Layers, colour: str | None, *names: str) -> list[np.ndarray]:
    return [recolour(layers[n], colour) if colour else layers[n] for n in names]


def ink_of(colour: str | None, default) -> np.ndarray:
    return rgb([[COLOURS[colour]]])[0, 0] if colour else np.asarray(default, float)


def plain(name: str) -> Callable:
    """A style that is the artwork itself."""

    def draw(layers: Layers, colour: str | None = None, ground=WHITE) -> np.ndarray:
        return over(coloured(layers, colour, name)[0], ground)

    return draw


def outline(layers: Layers, colour=None, ground=WHITE) -> np.ndarray:
    """Thin lines."""
    line = layers["line"]
    dark = (1 - line[..., :3].mean(-1) / 255) * line[..., 3] / 255
    return inked(dark, ink_of(colour, (20, 20, 24)), over(line * [0, 0, 0, 1] + [255, 255, 255, 0], ground))


def silhouette(layers: Layers, colour=None, ground=WHITE) -> np.ndarray:
    return inked(layers["flat"][..., 3] / 255, ink_of(colour, (18, 18, 22)), ground)


def duotone(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """Deep violet to peach, by lightness."""
    light = lightness(layers["noto"])[..., None]
    return np.array([58, 28, 108]) * (1 - light) + np.array([255, 222, 186]) * light


def negative(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """As on a photographic negative: light turned round, on black."""
    return 255 - over(layers["noto"], WHITE)


def hatched(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """Pen lines: the darker, the more directions, on cream paper."""
    dark = 1 - lightness(layers["flat"])
    y, x = np.mgrid[:SIZE, :SIZE]
    coverage = np.zeros((SIZE, SIZE))
    for level, phase in ((0.12, x + y), (0.45, x - y), (0.72, x * 1.41)):
        stroke = np.clip(1.7 - np.abs(phase % 12 - 6), 0, 1)
        coverage = np.maximum(coverage, stroke * (dark > level))
    line = layers["line"]
    rim = (1 - line[..., :3].mean(-1) / 255) * line[..., 3] / 255
    return inked(np.maximum(coverage * 0.85, rim), (38, 34, 52), (250, 244, 226))


def pixel(layers: Layers, colour=None, ground=WHITE) -> np.ndarray:
    """Squares of 8 pixels in few colours."""
    picture = over(coloured(layers, colour, "flat")[0], ground)
    cells = picture.reshape(16, 8, 16, 8, 3).mean((1, 3))
    cells = (cells / 36).round() * 36.5
    return cells.repeat(8, 0).repeat(8, 1)


def pastel(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """Pale and soft, on cream."""
    layer = coloured(layers, colour, "noto")[0]
    lab = rgb2lab(over(layer, WHITE) / 255)
    pale = rgb(np.stack([68 + 0.3 * lab[..., 0], 0.42 * lab[..., 1], 0.42 * lab[..., 2]], -1))
    soft = gaussian_filter(layer[..., 3] / 255, 1.2)[..., None]
    return gaussian_filter(pale, (1.2, 1.2, 0)) * soft + np.array([253, 246, 236]) * (1 - soft)


def watercolor(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """Washes that run over the edges, darker at the rim, on paper."""
    layer = coloured(layers, colour, "flat")[0]
    alpha = layer[..., 3] / 255
    field = noise(5, 9) - 0.5, noise(6, 9) - 0.5
    y, x = np.mgrid[:SIZE, :SIZE]
    at = [np.clip(v + 9 * f, 0, SIZE - 1).round().astype(int) for v, f in zip((y, x), field, strict=True)]
    paper = np.array([251, 249, 243])
    washed = gaussian_filter(over(layer, paper), (2.2, 2.2, 0))[at[0], at[1]]
    shape = gaussian_filter(alpha, 2.2)[at[0], at[1]]
    rim = np.exp(-(((shape - 0.5) / 0.22) ** 2))
    strength = 0.62 + 0.3 * noise(7, 12) + 0.35 * rim
    return paper - (paper - washed) * strength[..., None]


def shadowed(picture_layer: np.ndarray, ground, offset: int, blur: float, darkness: float) -> np.ndarray:
    shade = shift(gaussian_filter(picture_layer[..., 3] / 255, blur), offset, order=0)
    return over(picture_layer, np.asarray(ground, float) * (1 - darkness * shade[..., None]))


def paper(layers: Layers, colour=None, ground=(206, 204, 200)) -> np.ndarray:
    """Cut paper that throws a shadow."""
    if tuple(ground) == WHITE:
        ground = (206, 204, 200)
    return shadowed(coloured(layers, colour, "flat")[0], ground, 5, 2.5, 0.55)


def sticker(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """A broad white rim, on light blue where no ground is asked for."""
    ground = (142, 190, 222) if ground is None or tuple(ground) == WHITE else ground
    layer = coloured(layers, colour, "noto")[0]
    rim = spread(layer[..., 3] / 255, 5)
    card = np.dstack([over(layer, WHITE), rim * 255])
    return shadowed(card, ground, 2, 1.5, 0.5)


def blueprint(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """White lines on blue squared paper."""
    line = layers["line"]
    drawn = (1 - line[..., :3].mean(-1) / 255) * line[..., 3] / 255
    grid = np.zeros((SIZE, SIZE))
    grid[8::16] = grid[:, 8::16] = 0.18
    grid *= 1 - line[..., 3] / 255 * 0.6
    return inked(np.maximum(drawn, grid), (238, 244, 255), (28, 74, 156))


def stamp(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """One ink, printed from a cut block."""
    return inked(layers["glyph"][..., 3] / 255, (160, 34, 40), (247, 238, 222))


def neon(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """Glowing lines in the subject's own colours, on near black."""
    line = layers["line"]
    drawn = (1 - line[..., :3].mean(-1) / 255) * line[..., 3] / 255
    lab = rgb2lab(coloured(layers, colour, "flat")[0][..., :3])
    alpha = layers["flat"][..., 3:] / 255
    near = [
        gaussian_filter(c * alpha[..., 0], 2) / (gaussian_filter(alpha[..., 0], 2) + 1e-3)
        for c in np.moveaxis(lab, -1, 0)
    ]
    hue = np.arctan2(near[2], near[1])
    chroma = np.minimum(70, 25 + 1.2 * np.hypot(near[1], near[2]))
    tint = rgb(np.stack([np.full_like(hue, 68), chroma * np.cos(hue), chroma * np.sin(hue)], -1))
    glow = gaussian_filter(drawn, 4)[..., None]
    core = np.minimum(1, 1.2 * gaussian_filter(drawn, 0.6))[..., None]
    dark = np.array([14, 10, 26]) * (1 - core) + tint * np.minimum(1, 1.3 * glow) * (1 - core)
    return dark + (tint + (255 - tint) * 0.45) * core


# What a caption may ask of a style, besides its subject.
STYLES: dict[str, Callable] = {
    "noto": plain("noto"),
    "flat": plain("flat"),
    "classic": plain("classic"),
    "comic": plain("comic"),
    "outline": outline,
    "silhouette": silhouette,
    "duotone": duotone,
    "negative": negative,
    "hatched": hatched,
    "pixel": pixel,
    "pastel": pastel,
    "watercolor": watercolor,
    "paper": paper,
    "sticker": sticker,
    "blueprint": blueprint,
    "stamp": stamp,
    "neon": neon,
}
NEEDS = {"classic": "classic"}  # the styles that some subjects lack, by the layer they need
NO_COLOUR = {"duotone", "negative", "hatched", "blueprint", "stamp"}  # they have colours of their own
TAKES_COLOUR = tuple(style for style in STYLES if style not in NO_COLOUR)
TAKES_GROUND = ("noto", "flat", "classic", "comic", "outline", "paper", "sticker", "pixel")


def chalk(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """Light, uneven strokes on a wiped dark green board."""
    board = np.array([30, 62, 46]) + 14 * (noise(11, 5) - 0.5)[..., None]
    grain = 0.72 + 0.28 * noise(12, 43)
    return inked(gaussian_filter(layers["glyph"][..., 3] / 255, 0.6) * grain, (236, 240, 226), board)


def stained_glass(layers: Layers, colour=None, ground=None) -> np.ndarray:
    """Panes of strong colour between dark leads; the ground is cut into panes too."""
    seeds = np.random.default_rng(21).random((26, 2)) * SIZE
    y, x = np.mgrid[:SIZE, :SIZE]
    pane = ((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2).argmin(-1)
    tones = np.array([(96, 170, 186), (128, 196, 180), (84, 140, 190), (150, 206, 206)])[pane % 4]
    lab = rgb2lab(over(layers["flat"], tones) / 255)
    panes = rgb(np.stack([20 + 0.7 * lab[..., 0], 1.25 * lab[..., 1], 1.25 * lab[..., 2]], -1))
    leads = np.zeros((SIZE, SIZE), bool)
    outside = layers["flat"][..., 3] < 128
    for axis in (0, 1):
        leads |= (np.diff(pane, axis=axis, append=0) != 0) & outside
    line = layers["comic"]
    rim = (line[..., :3].max(-1) < 60) & (line[..., 3] > 128)
    lead = spread((leads | rim).astype(float), 1)
    light = 0.88 + 0.24 * noise(22, 6)[..., None]
    return (panes * light) * (1 - lead[..., None]) + np.array([28, 26, 32]) * lead[..., None]


JUDGED: dict[str, Callable] = {"glossy": plain("gloss"), "chalk": chalk, "stained glass": stained_glass}


def draw(style: str, layers: Layers, colour: str | None = None, ground: str | None = None) -> np.ndarray:
    """One picture, uint8 (128, 128, 3). KeyError for a style that is not known or a layer that is not there."""
    function = STYLES.get(style) or JUDGED[style]
    picture = function(layers, colour, GROUNDS[ground]) if ground else function(layers, colour)
    return picture.round().clip(0, 255).astype(np.uint8)

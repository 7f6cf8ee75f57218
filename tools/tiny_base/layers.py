"""The drawings that all pictures are made from: each subject as transparent layers, rendered once from vector art.

A layer is uint8 (128, 128, 4), RGBA with straight alpha. `place` sizes, turns and
moves a set of layers together, `join` puts two subjects side by side; a style
(styles.py) then draws one picture from the set.
"""

import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 128
PACKAGE = {
    "noto": "noto",
    "classic": "noto-v1",
    "flat": "fluent-emoji-flat",
    "line": "fluent-emoji-flat",
    "comic": "fluent-emoji-flat",
    "glyph": "fluent-emoji-high-contrast",
    "gloss": "fluent-emoji",  # for judging only: no training style reads it
}
SHAPES = "path,circle,ellipse,rect,polygon,polyline,line"
# Artwork is redrawn by a style sheet, whose rules outrank the attributes in the icons.
SHEETS = {
    "line": SHAPES + "{fill:#ffffff;stroke:#000000;stroke-width:.8;stroke-linejoin:round;fill-opacity:1}",
    "comic": SHAPES + "{stroke:#16131c;stroke-width:1.15;stroke-linejoin:round}",
}


def render_layer(icons: dict, key: str, layer: str) -> np.ndarray:
    """One icon of an Iconify set as a layer, on a transparent ground."""
    import resvg_py  # Rust's resvg: draws the blurs and masks of the glossy set as browsers do

    icon = icons["icons"][key]
    left, top = icon.get("left", 0), icon.get("top", 0)
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    body = icon["body"].replace("currentColor", "#000000")
    if layer in SHEETS:
        body = f"<style>{SHEETS[layer]}</style>{body}"
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}">{body}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE)
    drawn = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    canvas = Image.new("RGBA", (SIZE, SIZE))  # a few icons are not square
    canvas.paste(drawn, ((SIZE - drawn.width) // 2, (SIZE - drawn.height) // 2))
    return np.asarray(canvas)


def render_all(modules: Path, keys: list[str], file: Path, workers: int = 1) -> dict[str, np.ndarray]:
    """Write {layer: uint8 (names, 128, 128, 4)} to an npz file, all zero where a set lacks the name."""
    layers = {}
    for layer, package in PACKAGE.items():
        icons = json.loads((modules / "@iconify-json" / package / "icons.json").read_text(encoding="utf-8"))
        known = [(i, key) for i, key in enumerate(keys) if key in icons["icons"]]
        rows = np.zeros((len(keys), SIZE, SIZE, 4), np.uint8)
        for (i, _), picture in zip(
            known,
            spread_out(partial(render_layer, icons, layer=layer), [key for _, key in known], workers),
            strict=True,
        ):
            rows[i] = picture
        layers[layer] = rows
    temporary = file.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, **layers)
    os.replace(temporary, file)
    return layers


def open_layers(file: Path) -> dict[str, np.ndarray]:
    """The layers of all names: {layer: (names, 128, 128, 4)}, about half a GB."""
    with np.load(file) as arrays:
        return {layer: arrays[layer] for layer in PACKAGE}


def spread_out(function: Callable, items: list, workers: int) -> Iterator:
    """function over items in their order, in so many processes where the system can fork; in this one otherwise."""
    if workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, items)
        return
    global _shared
    _shared = function  # forked processes have it without copying
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.imap(_call_shared, items, chunksize=16)


def _call_shared(item):
    return _shared(item)


def over_white(layer: np.ndarray) -> np.ndarray:
    """RGBA (..., 4) on white: uint8 (..., 3)."""
    out = np.empty((*layer.shape[:-1], 3), np.uint8)
    for i, picture in enumerate(layer):
        alpha = picture[..., 3:].astype(np.uint32)
        out[i] = (picture[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return out


def of_subject(layers: dict[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    """One subject's layers, without those that its icon sets lack."""
    own = {layer: np.asarray(rows[row]) for layer, rows in layers.items()}
    return {layer: picture for layer, picture in own.items() if picture.any()}


def place(
    subject: dict[str, np.ndarray], scale: float, x: float = 0.5, y: float = 0.5, turn: float = 0
) -> dict[str, np.ndarray]:
    """Every layer turned by so many degrees (counter-clockwise), scaled, and centred at (x, y) of the canvas."""
    out = {}
    for layer, picture in subject.items():
        image = Image.fromarray(picture)
        if turn:
            image = image.rotate(turn, Image.Resampling.BICUBIC)
        side = round(SIZE * scale)
        if side != SIZE:
            image = image.resize((side, side), Image.Resampling.LANCZOS)
        canvas = Image.new("RGBA", (SIZE, SIZE))
        canvas.paste(image, (round(x * SIZE - side / 2), round(y * SIZE - side / 2)))
        out[layer] = np.asarray(canvas)
    return out


def join(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Two subjects side by side, each at half size; only the layers that both have."""
    a, b = place(left, 0.5, 0.25), place(right, 0.5, 0.75)
    return {layer: np.where(b[layer][..., 3:] > 0, b[layer], a[layer]) for layer in a if layer in b}

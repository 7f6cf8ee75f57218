"""Pictures without a sharp place in them.

A sharp picture changes when it is blurred, a blurred one hardly: how much of the differences between neighbours is left
after that, from 0 (sharp) to 1 (Crété, Dolmiere, Ladret & Nicolas 2007, "The blur effect"). It is taken tile by tile,
because a portrait's background is blurred on purpose, at the size that training sees.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from sdlora.doctor.finding import PictureCheck
from sdlora.doctor.look import Pixels
from sdlora.messages import say

WINDOW = 9  # pixels that the second blur averages, as the paper has it
TILE = 64  # pixels
CONTRAST = 8.0  # levels, standard deviation: a flatter tile says nothing
SHARPEST = 8  # the picture counts as sharp as the sharpest one in so many of its tiles
LIMIT = 0.46  # 158 good photos reach 0.41 at 512 px; a Gaussian of 2 px makes 0.46 or more of 95 % of them


def blur_left(grey: np.ndarray) -> np.ndarray:
    """How blurred each of n squares is: float (n, side, side), levels -> float (n,), 0 sharp to 1 blurred."""
    worst = np.zeros(len(grey))
    for squares in (grey, grey.transpose(0, 2, 1)):
        ends = ((0, 0), (WINDOW // 2 + 1, WINDOW // 2), (0, 0))
        sums = np.cumsum(np.pad(squares, ends, mode="edge"), axis=1, dtype=np.float64)
        again = (sums[:, WINDOW:] - sums[:, :-WINDOW]) / WINDOW
        before, after = (np.abs(np.diff(values, axis=1)) for values in (squares, again))
        lost = np.maximum(0, before - after).sum((1, 2))
        total = before.sum((1, 2), dtype=np.float64)
        worst = np.maximum(worst, (total - lost) / np.maximum(total, 1e-9))
    return worst


def measure(pixels: Pixels) -> float | None:
    """How blurred the sharpest eighth of the picture is; None where nothing can be told."""
    grey = pixels.grey
    rows, columns = (side // TILE for side in grey.shape)
    if not rows * columns:
        return None
    tiles = grey[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE).transpose(0, 2, 1, 3)
    tiles = tiles.reshape(-1, TILE, TILE)
    tiles = tiles[tiles.std((1, 2)) > CONTRAST]
    if not len(tiles):
        return None
    return float(np.sort(blur_left(tiles))[len(tiles) // SHARPEST])


def judge(measured: Mapping[str, float | None]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each picture that is blurred all over."""
    for name, blur in measured.items():
        if blur is not None and blur > LIMIT:
            yield (name,), say("doctor.blurred", name=name)


CHECK = PictureCheck("blurred", measure, judge, say("doctor.why_blurred"), say("doctor.fix_blurred"))

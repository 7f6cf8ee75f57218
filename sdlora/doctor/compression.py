"""Pictures that show the blocks of a strong JPEG compression, also when they were saved as something else since.

JPEG drops the fine detail of each block of 8 x 8 pixels. On the grid of those blocks it is then missing; on a grid that
is moved by half a block, whose squares hold the edges between blocks, it is there. A picture that was never compressed
has as much of it on both. Only a picture that has kept its size and its corner shows it.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from sdlora.doctor.finding import PictureCheck
from sdlora.doctor.look import Pixels
from sdlora.messages import say

SIDE = 8  # pixels of a JPEG block
FIELD = 512  # pixels of the part in the middle that is looked at
FLOOR = 0.3  # levels: below is rounding
LIMIT = 1.6  # 158 photos of quality 90 and above reach 1.16; of quality 30 or less 95 % have 1.69 or more
LARGER = 2.0  # a picture so many times larger than it is trained has its blocks averaged away

_STEPS = np.arange(SIDE)
_COSINES = np.cos(np.pi * (2 * _STEPS[None] + 1) * _STEPS[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
_COSINES[0] /= np.sqrt(2)
_COSINES = _COSINES.astype(np.float32)
_FINE = _STEPS[:, None] + _STEPS[None] >= SIDE - 1  # the finer half of a block's 64 waves


def fine_detail(grey: np.ndarray) -> float:
    """Mean over the blocks of the root mean square of their finer waves (DCT-II, as JPEG has it), in levels.

    grey: float32 (height, width) levels, at least one block large.
    """
    rows, columns = (side // SIDE for side in grey.shape)
    blocks = grey[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE).transpose(0, 2, 1, 3)
    waves = _COSINES @ blocks.reshape(-1, SIDE, SIDE) @ _COSINES.T
    return float(np.sqrt((waves[:, _FINE] ** 2).mean(1)).mean())


def measure(pixels: Pixels) -> float | None:
    """How many times the fine detail between the blocks is that within them; None where it does not matter."""
    width, height = pixels.picture.size
    if min(width, height) > LARGER * pixels.size or min(width, height) < 2 * SIDE:
        return None
    left, top = (max(0, side - FIELD) // 2 // SIDE * SIDE for side in (width, height))
    field = pixels.picture.crop((left, top, min(width, left + FIELD), min(height, top + FIELD)))
    grey = np.asarray(field.convert("L"), np.float32)
    moved = grey[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2]
    return fine_detail(moved) / (fine_detail(grey) + FLOOR)


def judge(measured: Mapping[str, float | None]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One finding for each picture with blocks."""
    for name, blocks in measured.items():
        if blocks is not None and blocks > LIMIT:
            yield (name,), say("doctor.compressed", name=name)


CHECK = PictureCheck("compressed", measure, judge, say("doctor.why_compressed"), say("doctor.fix_compressed"))

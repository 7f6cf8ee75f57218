"""Pictures that tests of reading images draw, and what is said of those that can not be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdlora.data.images import load_image
from sdlora.errors import UserError


def pixels(path: Path) -> np.ndarray:
    image = load_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def gradient(width: int = 64, height: int = 48) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 4, y * 5, (x + y) * 2], axis=-1).astype(np.uint8))


def noisy(width: int = 96, height: int = 80) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def refused(path: Path, read=load_image) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert not problem.fatal and problem.where == path.name and problem.what.endswith("and is left out.")
    return problem.what

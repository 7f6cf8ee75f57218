"""A picture as the checks look at it: at its own size, and as small as it is trained. No torch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

GREY_LEVELS = 255.0


@dataclass(frozen=True)
class Pixels:
    """One picture, upright, in sRGB, transparency on white.

    picture: as ``data.images.load_image`` gives it. size: of the side that a training picture has, in pixels.
    clear: the share of its pixels that let something through, 0 to 1.
    """

    picture: Image.Image
    size: int
    clear: float = 0.0

    @cached_property
    def trained(self) -> Image.Image:
        """The whole picture with a short side of ``size`` pixels, as training scales it; never enlarged."""
        scale = self.size / min(self.picture.size)
        if scale >= 1:
            return self.picture
        width, height = (max(1, round(side * scale)) for side in self.picture.size)
        return self.picture.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)

    @cached_property
    def grey(self) -> np.ndarray:
        """Luma of ``trained``: float32 (height, width), 0 to 255."""
        return np.asarray(self.trained.convert("L"), np.float32)

    @cached_property
    def small(self) -> np.ndarray:
        """Luma with a long side of at most 256 pixels: float32 (height, width), 0 to 255."""
        copy = self.trained.convert("L")
        copy.thumbnail((256, 256), Image.Resampling.BOX)
        return np.asarray(copy, np.float32)

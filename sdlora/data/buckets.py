"""Which size an image trains at: aspect-ratio buckets, square crops, white squares. No torch.

The rules are those of NovelAI's aspect-ratio bucketing as kohya's trainers use it: buckets are all sizes whose sides
are multiples of ``step``, of about the same area and never more than resolution x resolution; an image goes to the
bucket of the nearest aspect ratio, is scaled to cover it and cut at the centre.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from sdlora.errors import Problem, UserError
from sdlora.messages import say

Size = tuple[int, int]  # (width, height) in pixels


@dataclass(frozen=True)
class Placement:
    """How an image becomes a training picture: scale it to ``resized``, then take ``crop`` out of that.

    bucket: (width, height) of the result. crop: (left, top, right, bottom) in the resized image, as large as the
    bucket; where it reaches beyond the image (pad) there is white.
    """

    bucket: Size
    resized: Size
    crop: tuple[int, int, int, int]


@lru_cache(maxsize=32)
def make_buckets(resolution: int, step: int, min_side: int = 0, max_side: int = 0) -> tuple[Size, ...]:
    """Every bucket of a resolution, sorted.

    resolution: pixels; the area of a bucket is at most its square. step: pixels, the VAE's factor times the UNet's
    downsampling (64 for SD). Sides lie in min_side..max_side; 0 means half and twice the resolution.
    Raises ValueError for a resolution of less than one step.
    """
    if step < 1 or resolution < step:
        raise ValueError(f"resolution {resolution} must be at least one step of {step}")
    low, high = _sides(resolution, step, min_side, max_side)
    square = _floor(resolution, step)
    found = {(square, square)}
    for width in range(low, high + 1, step):
        height = min(high, _floor(resolution * resolution // width, step))
        if height >= low:
            found |= {(width, height), (height, width)}
    return tuple(sorted(found))


def place(
    size: Size,
    *,
    resolution: int,
    step: int,
    fit: str = "bucket",
    upscale: bool = False,
    min_side: int = 0,
    max_side: int = 0,
    name: str = say("images.the_image"),
) -> Placement:
    """Where an image of ``size`` trains; ``fit`` is "bucket", "crop" (square from the middle) or "pad" (white square).

    Without ``upscale`` no image is enlarged: one smaller than its bucket trains at the largest multiple of ``step``
    that fits inside it (kohya's bucket_no_upscale); one with a side under one step raises UserError (not fatal).
    """
    if min(size) < step and not upscale:
        raise UserError(
            Problem(
                say("images.too_small_left_out", name=name, width=size[0], height=size[1], step=step),
                say("images.use_larger_or_upscale"),
                name,
                fatal=False,
            )
        )
    square = _floor(resolution, step)
    if fit == "pad":
        return _pad(size, square, step, upscale)
    if fit == "crop":
        side = square if upscale else min(square, _floor(min(size), step))
        return _cover(size, (side, side))
    if fit != "bucket":
        raise ValueError(f"unknown fit {fit!r}")
    bucket = nearest_bucket(size, make_buckets(resolution, step, min_side, max_side))
    if not upscale and (bucket[0] > size[0] or bucket[1] > size[1]):
        bucket = _inside(size, resolution, step, _sides(resolution, step, min_side, max_side)[1])
    return _cover(size, bucket)


@lru_cache(maxsize=4096)  # folders hold thousands of images of a few sizes
def nearest_bucket(size: Size, buckets: tuple[Size, ...]) -> Size:
    """The bucket whose aspect ratio is nearest to the image's (by its logarithm); of equals the largest."""
    aspect = math.log(size[0] / size[1])
    return min(buckets, key=lambda b: (round(abs(math.log(b[0] / b[1]) - aspect), 9), -b[0] * b[1]))


def training_picture(image: Image.Image, placement: Placement) -> Image.Image:
    """The training picture, of the bucket's size, RGB. Only the part that stays is resampled (Lanczos)."""
    (width, height), (left, top, right, bottom) = placement.resized, placement.crop
    part = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    x, y = image.width / width, image.height / height
    box = (part[0] * x, part[1] * y, min(part[2] * x, image.width), min(part[3] * y, image.height))
    seen = image.resize((part[2] - part[0], part[3] - part[1]), Image.Resampling.LANCZOS, box=box)
    if seen.size == placement.bucket:
        return seen
    picture = Image.new("RGB", placement.bucket, "white")
    picture.paste(seen, (part[0] - left, part[1] - top))
    return picture


def _floor(pixels: float, step: int) -> int:
    return int(pixels) // step * step


def _sides(resolution: int, step: int, min_side: int, max_side: int) -> tuple[int, int]:
    low = max(step, _floor(min_side or resolution // 2, step))
    high = max(low, _floor(max_side or 2 * resolution, step))
    return low, high


def _inside(size: Size, resolution: int, step: int, max_side: int) -> Size:
    """The largest multiples of step inside the image once it is scaled down (never up) to the resolution's area."""
    scale = min(1.0, max(resolution / math.sqrt(size[0] * size[1]), step / min(size)))
    width, height = (max(step, min(_floor(side * scale + 1e-6, step), max_side)) for side in size)
    while width * height > resolution * resolution:  # a strip whose short side could not be scaled below one step
        width, height = (width - step, height) if width > height else (width, height - step)
    return width, height


def _cover(size: Size, bucket: Size) -> Placement:
    """Scale until the bucket is covered, keep the middle."""
    scale = max(bucket[0] / size[0], bucket[1] / size[1])
    resized = (max(bucket[0], round(size[0] * scale)), max(bucket[1], round(size[1] * scale)))
    left, top = (resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2
    return Placement(bucket, resized, (left, top, left + bucket[0], top + bucket[1]))


def _pad(size: Size, square: int, step: int, upscale: bool) -> Placement:
    """The whole image in the middle of a white square, which is no larger than it must be."""
    side = square if upscale else min(square, -(-max(size) // step) * step)
    scale = side / max(size) if upscale else min(1.0, side / max(size))
    resized = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    left, top = -((side - resized[0]) // 2), -((side - resized[1]) // 2)
    return Placement((side, side), resized, (left, top, left + side, top + side))

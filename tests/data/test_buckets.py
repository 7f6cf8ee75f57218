"""Bucket rules as properties, for any image, resolution and step."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdlora.data.buckets import Placement, make_buckets, nearest_bucket, place, training_picture
from sdlora.errors import UserError
from sdlora.messages import say

STEPS = st.sampled_from([8, 16, 32, 64])
SIDES = st.one_of(st.integers(1, 300), st.integers(1, 20_000))
FITS = st.sampled_from(["bucket", "crop", "pad"])
MODEL = st.tuples(st.sampled_from([8, 16, 32, 64]), st.integers(2, 16)).map(lambda m: (m[0], m[0] * m[1]))


@given(STEPS, st.integers(128, 1536))
def test_buckets_are_what_they_should_be(step: int, resolution: int) -> None:
    buckets = make_buckets(resolution, step)
    assert len(set(buckets)) == len(buckets)
    square = resolution // step * step
    assert (square, square) in buckets
    for width, height in buckets:
        assert width % step == height % step == 0
        assert width * height <= resolution**2
        assert (height, width) in buckets
        if (width, height) != (square, square):
            # no wasted area: one side could not be a step longer
            longest = 2 * resolution // step * step
            assert max(width, height) == longest or (min(width, height) + step) * max(width, height) > resolution**2 \
                or (max(width, height) + step) * min(width, height) > resolution**2  # fmt: skip


def test_buckets_of_sd_are_kohyas() -> None:
    """The list that kohya's make_bucket_resolutions((512, 512), 256, 1024, 64) prints."""
    halves = [(256, 832), (256, 896), (256, 960), (256, 1024), (320, 704), (320, 768), (384, 640), (448, 576)]
    assert set(make_buckets(512, 64)) == {(512, 512), *halves, *((b, a) for a, b in halves)}


def test_a_resolution_below_one_step_is_refused() -> None:
    for resolution, step in ((63, 64), (0, 64), (512, 0)):
        with pytest.raises(ValueError, match="at least one step"):
            make_buckets(resolution, step)
    assert make_buckets(64, 64) == ((64, 64),)


@given(SIDES, SIDES, MODEL, FITS, st.booleans())
def test_every_placement(width: int, height: int, model: tuple[int, int], fit: str, upscale: bool) -> None:
    step, resolution = model
    try:
        placement = place((width, height), resolution=resolution, step=step, fit=fit, upscale=upscale)
    except UserError as error:
        assert min(width, height) < step and not upscale and not error.problems[0].fatal
        return
    assert upscale or min(width, height) >= step
    (bw, bh), (rw, rh), (left, top, right, bottom) = placement.bucket, placement.resized, placement.crop
    assert bw % step == bh % step == 0 and bw * bh <= resolution**2 and min(bw, bh) >= step
    assert (right - left, bottom - top) == (bw, bh)
    if not upscale:
        assert rw <= width and rh <= height
    if fit == "pad":
        assert bw == bh and 0 < rw <= bw and 0 < rh <= bh
        assert left <= 0 <= rw <= right and top <= 0 <= rh <= bottom
        assert max(rw, rh) == bw if upscale else bw - max(rw, rh) < step
    else:
        assert left >= 0 and top >= 0 and right <= rw and bottom <= rh
        assert rw == bw or rh == bh  # no more is cut off than must be
        assert abs(left - (rw - right)) <= 1 and abs(top - (rh - bottom)) <= 1  # the middle
    if fit == "crop":
        assert bw == bh
    scale = rw / width if rw > rh else rh / height
    assert abs(rw - width * scale) <= 1 and abs(rh - height * scale) <= 1  # not distorted


@given(SIDES, SIDES, MODEL, FITS, st.booleans())
def test_turning_the_image_turns_the_placement(w: int, h: int, model: tuple[int, int], fit: str, upscale: bool) -> None:
    step, resolution = model
    options = {"resolution": resolution, "step": step, "fit": fit, "upscale": upscale}
    if min(w, h) < step and not upscale:
        return
    one, other = place((w, h), **options), place((h, w), **options)
    if w != h:
        assert (one.bucket[::-1], one.resized[::-1]) == (other.bucket, other.resized)


@given(SIDES, SIDES, MODEL)
def test_the_nearest_aspect_ratio_is_taken(width: int, height: int, model: tuple[int, int]) -> None:
    step, resolution = model
    buckets = make_buckets(resolution, step)
    placement = place((width, height), resolution=resolution, step=step, upscale=True)
    aspects = [abs(math.log(w / h) - math.log(width / height)) for w, h in buckets]
    bw, bh = placement.bucket
    assert abs(math.log(bw / bh) - math.log(width / height)) <= min(aspects) + 1e-8
    if all(b <= s for b, s in zip(nearest_bucket((width, height), buckets), (width, height), strict=True)):
        assert place((width, height), resolution=resolution, step=step) == placement


@given(st.integers(8, 200), st.integers(8, 200))
def test_a_small_image_trains_at_the_largest_multiple_inside_it(width: int, height: int) -> None:
    placement = place((width, height), resolution=256, step=8)
    w, h = placement.bucket
    assert (w, h) == (width // 8 * 8, height // 8 * 8)


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((512, 512), (512, 512)),
        ((4000, 3000), (576, 448)),
        ((3000, 4000), (448, 576)),
        ((20_000, 300), (1024, 256)),
        ((20_000, 100), (1024, 64)),
        ((500, 500), (448, 448)),
        ((64, 64), (64, 64)),
    ],
)
def test_examples_at_512(size: tuple[int, int], bucket: tuple[int, int]) -> None:
    assert place(size, resolution=512, step=64).bucket == bucket


def test_too_small_says_so() -> None:
    with pytest.raises(UserError) as caught:
        place((63, 900), resolution=512, step=64, name="thin.png")
    (problem,) = caught.value.problems
    assert problem.what == say("images.too_small_left_out", name="thin.png", width=63, height=900, step=64)
    assert "data.upscale" in problem.fix and not problem.fatal
    assert place((1, 1), resolution=512, step=64, upscale=True).bucket == (512, 512)
    assert place((1, 1), resolution=512, step=64, upscale=True, fit="pad").resized == (512, 512)


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fit 'stretch'"):
        place((99, 99), resolution=64, step=8, fit="stretch")


# ---- pixels


def ramp(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards, linearly from 0 to 255."""
    y, x = np.mgrid[:height, :width]
    array = np.stack([(x + 0.5) / width * 255, (y + 0.5) / height * 255, 0 * x], axis=-1)
    return Image.fromarray(np.rint(array).astype(np.uint8))


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (1000, 130), (64, 64), (512, 512)])
@pytest.mark.parametrize("fit", ["bucket", "crop"])
def test_pixels_come_from_where_the_placement_says(size: tuple[int, int], fit: str) -> None:
    placement = place(size, resolution=128, step=16, fit=fit)
    seen = np.asarray(training_picture(ramp(*size), placement)).astype(float)
    (left, top, right, bottom), (width, height) = placement.crop, placement.resized
    x = (np.arange(left, right) + 0.5) / width * 255
    y = (np.arange(top, bottom) + 0.5) / height * 255
    assert np.abs(seen[..., 0] - x)[:, 4:-4].max() < 2.5 and np.abs(seen[..., 1].T - y)[:, 4:-4].max() < 2.5


def test_the_middle_of_a_crop_equals_resize_then_crop() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))
    placement = place((300, 200), resolution=128, step=16, fit="crop")
    reference = image.resize(placement.resized, Image.Resampling.LANCZOS).crop(placement.crop)
    difference = np.abs(np.asarray(training_picture(image, placement)).astype(int) - np.asarray(reference))
    assert difference[:, 8:-8].max() <= 1


def test_padding_is_white_and_centred() -> None:
    image = Image.new("RGB", (200, 100), "red")
    seen = np.asarray(training_picture(image, place((200, 100), resolution=64, step=8, fit="pad")))
    assert seen.shape == (64, 64, 3)
    assert (seen[16:48] == (255, 0, 0)).all() and (seen[:16] == 255).all() and (seen[48:] == 255).all()


@given(st.integers(1, 40), st.integers(1, 40), FITS)
def test_the_result_has_the_buckets_size(width: int, height: int, fit: str) -> None:
    placement = place((width, height), resolution=32, step=8, fit=fit, upscale=True)
    assert training_picture(Image.new("RGB", (width, height)), placement).size == placement.bucket


def test_extreme_strips_need_no_memory() -> None:
    """Enlarged to cover its bucket, a 1 x 20,000 image would be 5 million pixels tall; only what stays is made."""
    placement = place((1, 20_000), resolution=512, step=64, upscale=True)
    assert placement.bucket == (256, 1024) and placement.resized == (256, 5_120_000)
    assert training_picture(Image.new("RGB", (1, 20_000), "red"), placement).getpixel((100, 500)) == (255, 0, 0)


def test_an_image_of_the_right_size_is_not_touched() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    placement = place((64, 64), resolution=64, step=8)
    assert placement == Placement((64, 64), (64, 64), (0, 0, 64, 64))
    assert np.array_equal(np.asarray(training_picture(image, placement)), np.asarray(image))

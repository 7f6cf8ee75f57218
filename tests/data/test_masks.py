"""Masks: which belongs to which image, how they are scaled and cut, what is said of them."""

import numpy as np
import pytest
from PIL import Image
from said import says

from sdlora.data.buckets import place, training_picture
from sdlora.data.dataset import scan
from sdlora.data.images import load_alpha
from sdlora.data.listing import list_folder
from sdlora.data.masks import mask_at, mask_picture, masks_of


def picture(path, size=(64, 64), mode="RGB", colour="white"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


@pytest.mark.parametrize(
    "mask", ["cat-masklabel.png", "cat_mask.png", "masks/cat.png", "mask/CAT.png", "masks/cat_mask.png"]
)
def test_the_masks_of_other_trainers_belong_to_their_images(mask, tmp_path):
    picture(tmp_path / "cat.jpg"), picture(tmp_path / "dog.jpg"), picture(tmp_path / mask)
    (tmp_path / "cat.txt").write_text("a cat")
    assert masks_of(list_folder(tmp_path)) == {tmp_path / "cat.jpg": tmp_path / mask}
    found = scan(tmp_path, resolution=64, step=8, masks="files")
    assert [(item.name, item.mask) for item in found.items] == [("cat.jpg", tmp_path / mask), ("dog.jpg", None)]
    assert any(says(p.what, "images.without_mask", names="dog.jpg") for p in found.problems)
    assert not any("mask" in p.what and "dog" not in p.what for p in found.problems)
    assert [item.mask for item in scan(tmp_path, resolution=64, step=8).items] == [None, None]


def test_the_nearest_of_several_masks(tmp_path):
    for folder in ("a", "b"):
        picture(tmp_path / folder / "1.png"), picture(tmp_path / folder / "masks" / "1.png")
    found = masks_of(list_folder(tmp_path))
    assert {image.parent: mask for image, mask in found.items()} == {
        tmp_path / folder: tmp_path / folder / "masks" / "1.png" for folder in ("a", "b")
    }


@pytest.mark.parametrize("fit", ["bucket", "crop", "pad"])
@pytest.mark.parametrize("size", [(100, 60), (60, 100), (333, 217), (64, 64)])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_mask_goes_the_way_of_its_image(fit, size, scale, tmp_path):
    """Image and mask alike come out alike, but beyond the image (pad), where nothing is learnt."""
    rng = np.random.default_rng(0)
    blocks = Image.fromarray(rng.integers(0, 2, (4, 5), dtype=np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
    placement = place(size, resolution=64, step=8, fit=fit, upscale=True)
    seen = np.asarray(training_picture(blocks.convert("RGB"), placement), np.float32)[:, :, 0] / 255
    width, height = placement.bucket
    if fit == "pad":
        left, top, right, bottom = placement.crop
        inside = np.zeros((height, width), bool)
        inside[max(0, -top) : placement.resized[1] - top, max(0, -left) : placement.resized[0] - left] = True
        seen = np.where(inside, seen, 0)
    wanted = seen.reshape(height // 8, 8, width // 8, 8).mean((1, 3))
    larger = blocks.resize((size[0] * scale, size[1] * scale), Image.Resampling.NEAREST)
    got = mask_at(larger, placement, (width // 8, height // 8))
    assert got.shape == wanted.shape and got.dtype == np.float32 and np.abs(got - wanted).max() < 0.08


def test_transparency_is_read_upright_and_of_any_kind(tmp_path):
    half = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    half.paste((0, 0, 0, 0), (0, 0, 10, 20))
    turned = Image.Exif()
    turned[0x0112] = 6  # stored lying, shown standing: the left quarter is the upper one
    half.save(tmp_path / "a.png", exif=turned)
    alpha = np.asarray(load_alpha(tmp_path / "a.png"))
    assert alpha.shape == (40, 20) and (alpha[:10] == 0).all() and (alpha[10:] == 255).all()
    assert np.asarray(load_alpha(picture(tmp_path / "b.jpg"))).min() == 255
    half.convert("RGB").quantize(8).save(tmp_path / "p.png", transparency=0)
    assert mask_picture(tmp_path / "p.png", tmp_path / "p.png").getextrema() in ((0, 255), (255, 255))


def test_a_mask_that_can_not_be_read_is_named_and_its_image_trained_whole(tmp_path):
    picture(tmp_path / "cat.png"), picture(tmp_path / "dog.png"), picture(tmp_path / "dog-masklabel.png")
    (tmp_path / "cat-masklabel.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    found = scan(tmp_path, resolution=64, step=8, masks="files")
    assert [item.mask and item.mask.name for item in found.items] == [None, "dog-masklabel.png"]
    assert any(says(p.what, "images.mask_unreadable") and not p.fatal for p in found.problems)

"""The Images tab's HTML: names and captions are text; what the model sees is what the dataset's rules say."""

import random
import re

import pytest
from example import HOSTILE
from PIL import Image
from reader import ALLOWED, Reader

from sdlora.data.buckets import place as placement_of
from sdlora.data.buckets import training_picture
from sdlora.data.captions import write_caption
from sdlora.data.edit import Edit
from sdlora.data.images import load_image
from sdlora.data.tags import variant
from ui.shell.place import Place
from ui.tabs.images import html as render_images
from ui.tabs.images import sight
from ui.tabs.images.album import Album, Filter, Limits
from ui.tabs.images.sight import Training
from ui.tabs.images.uploads import Added

MORE = {"q", "ins", "del", "figure", "figcaption"}


@pytest.fixture
def hostile(tmp_path):
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    image = folder / "${alert(1)} {{7*7}} <b>.png"
    Image.effect_noise((300, 200), 90).convert("RGB").save(image)
    write_caption(image, HOSTILE)
    album = Album(folder)
    album.read()
    album.look()
    assert album.wait(60)
    return album, album.entry(image.name), Place(tmp_path / "runs")


def test_hostile_texts_stay_text(hostile):
    album, entry, place = hostile
    training = Training(128, 64, trigger=HOSTILE)
    edit = Edit("front", "<script>alert(1)</script>")
    result = Added([entry.path], {}, 1, [(HOSTILE, HOSTILE)], [HOSTILE] * 20)
    pieces = {
        "summary": render_images.summary(album, album.counts(Limits(4096)), training),
        "image": render_images.image(place, entry, training, False),
        "sees": render_images.image(place, entry, training, True),
        "preview": render_images.preview(album.preview(Filter(), Limits(128), edit), 1),
        "conflict": render_images.conflict(HOSTILE, HOSTILE, HOSTILE),
        "added": render_images.added(result, album.folder),
    }
    for html in pieces.values():
        read = Reader(html)
        assert read.tags <= ALLOWED | MORE
        assert not [name for name, _ in read.attributes if name.startswith("on")]
        sources = [value for name, value in read.attributes if name in ("src", "href")]
        assert all(re.match(r"gradio_api/file=/[\w/.%~-]+$", s) for s in sources), sources
    assert HOSTILE in Reader(pieces["sees"]).text
    assert "<script>" in Reader(pieces["preview"]).text
    assert Reader(pieces["added"]).text.count(HOSTILE) == 2 + render_images.REFUSED


def test_what_the_model_sees_is_the_crop_and_the_caption_of_training(hostile):
    _, entry, place = hostile
    training = Training(128, 64, trigger="ohwx")
    crop = placement_of((300, 200), resolution=128, step=64)
    assert training.placement(entry) == crop
    shown = re.search(r'src="gradio_api/file=([^"]+)"', render_images.image(place, entry, training, True))[1]
    with Image.open(shown) as picture:
        assert picture.size == crop.bucket
        expected = training_picture(load_image(entry.path), crop)
        pairs = zip(
            picture.convert("L").resize((8, 4)).tobytes(), expected.convert("L").resize((8, 4)).tobytes(), strict=True
        )
        assert all(abs(a - b) < 12 for a, b in pairs)
    assert training.caption(entry) == variant(
        entry.caption,
        trigger="ohwx",
        shuffle=False,
        keep_tags=0,
        tag_dropout=0,
        caption_dropout=0,
        rng=random.Random(1),
    )


@pytest.mark.parametrize(
    ("size", "fit", "percent"),
    [((128, 128), "bucket", 0), ((256, 128), "crop", 50), ((128, 384), "crop", 67), ((256, 100), "pad", 0)],
)
def test_how_much_is_cut_off(size, fit, percent):
    assert sight.cut_off(placement_of(size, resolution=128, step=64, fit=fit, upscale=True)) == percent


@pytest.mark.parametrize(
    ("values", "expected"),
    [({}, (512, 64)), ({"model.base": "no-such-base"}, (512, 64)), ({"data.resolution": 700}, (512, 64)),
     ({"model.base": None, "data.resolution": "many"}, (512, 64)), ({"data.resolution": 10}, (512, 64))],
)  # fmt: skip
def test_settings_that_make_no_sense_still_give_a_size(values, expected):
    training = Training.of(values)
    assert training.step == expected[1]
    assert training.resolution % training.step == 0 and 64 <= training.resolution <= 8192


def test_the_size_comes_from_the_base_or_the_form(base):
    assert Training.of({"model.base": str(base)}).resolution == 128
    assert Training.of({"model.base": str(base), "data.resolution": 64.0}).resolution == 64


def test_an_edit_is_shown_with_what_goes_and_what_comes(tmp_path):
    html = render_images.preview({tmp_path / "a.png": ("a red cat", "a blue cat")}, 3)
    assert "Changes 1 of 3 captions" in html
    assert "a <del>red</del> <ins>blue</ins> cat" in html

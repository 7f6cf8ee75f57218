"""WD taggers: the tags of a model whose probabilities are known in closed form."""

import numpy as np
import pytest
from PIL import Image
from said import saying
from small_captioners import tagger

from sdlora.captioners import CAPTIONERS, Options
from sdlora.captioners.tagger import as_square
from sdlora.errors import UserError

ROWS = [("general", 9), ("explicit", 9), ("red_theme", 0), ("blue_theme", 0), ("^_^", 0), ("some_one_(series)", 4)]
# Logits: what the mean of blue, green, red (0 to 255) makes of each.
WEIGHTS = np.array([[0, 0, -8, 8, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 8, -8, 0, 8]]) / 255
BIAS = np.array([1.0, -1.0, 0, 0, 0.2, -6.5])


@pytest.fixture
def folder(tmp_path):
    return tagger(tmp_path / "tagger", WEIGHTS, BIAS, ROWS)


def described(folder, colour, size=(8, 8), **options):
    return CAPTIONERS["tagger"].open(Options(model=str(folder), device="cpu", **options))(
        Image.new("RGB", size, colour)
    )


def test_colours_thresholds_underscores_and_ratings(folder):
    """Red: red_theme is sigmoid(8), ^_^ sigmoid(0.2) = 0.55, the character sigmoid(1.5) = 0.82, below its 0.85."""
    red, blue = (255, 0, 0), (0, 0, 255)
    assert described(folder, red) == "red theme, ^_^"
    assert described(folder, blue) == "blue theme, ^_^"
    assert described(folder, red, threshold=0.6) == "red theme"
    assert described(folder, red, character_threshold=0.8) == "some one (series), red theme, ^_^"
    assert described(folder, red, underscores=True, ratings=True) == "general, red_theme, ^_^"


def test_the_whole_picture_is_seen_on_a_white_square(folder):
    """A red strip over half of the square: blue and green are half white, red is full everywhere."""
    square = as_square(Image.new("RGB", (8, 4), (255, 0, 0)), 8)
    assert square.shape == (1, 8, 8, 3) and square.dtype == np.float32
    assert np.allclose(square.mean((0, 1, 2)), (127.5, 127.5, 255), atol=8)
    assert described(folder, (255, 0, 0), size=(8, 4), threshold=0.97) == "red theme"  # sigmoid(4) = 0.98
    assert described(folder, (255, 0, 0), size=(8, 4), threshold=0.99) == ""


def test_a_folder_that_is_no_tagger(folder, tmp_path):
    (folder / "selected_tags.csv").write_text("name,category\nonly_one,0\n")
    with pytest.raises(UserError, match=saying("captioning.no_tagger")):
        described(folder, "red")
    (folder / "selected_tags.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=saying("captioning.no_tag_table")):
        described(folder, "red")
    with pytest.raises(UserError, match=saying("captioning.no_model")):
        described(tmp_path / "none", "red")
    with pytest.raises(UserError, match=saying("captioning.not_pinned", model="org/tagger")):
        described("org/tagger", "red")
    tagger(tmp_path / "two", WEIGHTS, BIAS, ROWS)
    (tmp_path / "two" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match=saying("captioning.no_tagger")):
        described(tmp_path / "two", "red")

"""What captions become on their way into a batch, and what the LoRA file tells of its folders."""

import json
from pathlib import Path

from PIL import Image

from sdlora.data.dataset import scan
from sdlora.lorafiles.metadata import build_metadata
from sdlora.settings import make_settings
from sdlora.train.batch import Captioning
from sdlora.train.export import facts_of


def items_of(folder: Path, captions: dict[str, str]) -> tuple:
    for name, caption in captions.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), "red").save(folder / name)
        (folder / name).with_suffix(".txt").write_text(caption)
    return scan(folder, resolution=64, step=8, repeats=2).items


def test_every_line_can_be_drawn_and_each_step_draws_the_same_again(tmp_path: Path) -> None:
    (item,) = items_of(tmp_path, {"a.png": "a red fox\na blue fox\na {small|big} fox"})
    captioning = Captioning(trigger="zib", lines="random", wildcards=True)
    drawn = [captioning.text(item, 7, step, 0) for step in range(200)]
    assert set(drawn) == {f"zib, a {word} fox" for word in ("red", "blue", "small", "big")}
    assert drawn == [captioning.text(item, 7, step, 0) for step in range(200)]


def test_texts_are_cached_where_and_only_where_they_do_not_vary(tmp_path: Path) -> None:
    plain = items_of(tmp_path / "plain", {"a.png": "a fox", "b.png": "a cat"})
    lines = items_of(tmp_path / "lines", {"a.png": "a fox\na cat"})
    choices = items_of(tmp_path / "choices", {"a.png": "a {red|blue} fox"})
    drawing = Captioning(lines="random", wildcards=True)
    assert not drawing.varies(plain) and drawing.varies(lines) and drawing.varies(choices)
    assert not Captioning().varies([*lines, *choices]) and Captioning(shuffle=True).varies(plain)
    assert Captioning().texts(lines) == ["a fox"] and Captioning(lines="all").texts(lines) == ["a fox a cat"]


def test_kohya_folders_keep_their_repeats_in_the_file(tmp_path: Path) -> None:
    """As sd-scripts writes ss_dataset_dirs and ss_tag_frequency: each image folder by its name, its own repeats."""
    captions = {f"10_cat/{n}.png": "cat, red" for n in range(3)} | {f"3_dog/{n}.png": "dog" for n in range(3)}
    items = items_of(tmp_path / "set", captions | {"x.png": "fox", "more/y.png": "fox, red"})
    settings = make_settings({"data": {"folder": str(tmp_path / "set"), "repeats": 2}})
    facts = facts_of(settings, items, 5, 1.0, "fp32", None)
    metadata = build_metadata(family="sd1", name="x", rank=4, alpha=4, resolution=64, **facts)
    assert json.loads(metadata["ss_dataset_dirs"]) == {
        "10_cat": {"n_repeats": 20, "img_count": 3},
        "3_dog": {"n_repeats": 6, "img_count": 3},
        "set": {"n_repeats": 2, "img_count": 2},
    }
    assert json.loads(metadata["ss_tag_frequency"]) == {
        "10_cat": {"cat": 3, "red": 3}, "3_dog": {"dog": 3}, "set": {"fox": 2, "red": 1},
    }  # fmt: skip
    assert metadata["ss_num_train_images"] == str(sum(item.repeats for item in items)) == str(3 * 20 + 3 * 6 + 2 * 2)

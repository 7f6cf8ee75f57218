"""The doctor of pictures: faults that are planted in real photos are found, in nothing else, and nothing is changed."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from sdlora.cli import main
from sdlora.doctor import CHECKS
from sdlora.doctor.blur import blur_left
from sdlora.doctor.borders import bar
from sdlora.doctor.compression import fine_detail
from sdlora.doctor.examine import examine
from sdlora.messages import say

PHOTOS = ("coffee", "astronaut", "camera", "chelsea", "motorcycle_left", "brick", "gravel", "grass")


@pytest.fixture(scope="module")
def photos():
    """Eight photos that scikit-image brings along, 400 to 700 pixels wide, none of which set a limit here."""
    folder = Path(skimage.__file__).parent / "data"
    return [Image.open(folder / f"{name}.png").convert("RGB") for name in PHOTOS]


def packed(photo, quality):
    memory = io.BytesIO()
    photo.save(memory, "JPEG", quality=quality)
    return Image.open(memory).convert("RGB")


def cutout(photo, place=0):
    """Round, somewhere else in each picture: two textures in one mask at one place are taken for copies."""
    alpha = Image.new("L", photo.size)
    ImageDraw.Draw(alpha).ellipse((20 + 20 * place, 150 - 20 * place, 250 + 20 * place, 300 - 10 * place), fill=255)
    photo = photo.copy()
    photo.putalpha(alpha)
    return photo


FAULTS = {
    "blurred": lambda photo, _: photo.filter(ImageFilter.GaussianBlur(3.5)),
    "compressed": lambda photo, _: packed(photo, 15),
    "bordered": lambda photo, _: ImageOps.expand(photo, (0, 40), "black"),
    "transparent": cutout,
}
COPIES = {
    "smaller": lambda photo: photo.resize((photo.width * 2 // 3, photo.height * 2 // 3)),
    "mirrored": ImageOps.mirror,
    "cropped": lambda photo: photo.crop((8, 6, photo.width - 8, photo.height - 10)),
    "brighter": lambda photo: ImageEnhance.Brightness(photo).enhance(1.15),
    "packed": lambda photo: packed(photo, 80),
}


def save(photo, path):
    photo.save(path)
    path.with_suffix(".txt").write_text(f"a photo of {path.stem}")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(photos, fault, tmp_path):
    for number, photo in enumerate(photos):
        save(FAULTS[fault](photo, number) if number % 2 else photo, tmp_path / f"{number}.png")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    report = examine(tmp_path)
    assert {(f.check, f.names) for f in report.findings} == {(fault, (f"{n}.png",)) for n in (1, 3, 5, 7)}
    assert report.dataset.problems == () and report.count == 4
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_as_groups(photos, kind, tmp_path):
    for number, photo in enumerate(photos):
        save(photo, tmp_path / f"{number}.png")
    for number in (0, 3, 4):
        save(COPIES[kind](photos[number]), tmp_path / f"{number}-again.png")
    found = {f.names for f in examine(tmp_path).findings if f.check == "alike"}
    assert {tuple(sorted(names)) for names in found} == {(f"{n}-again.png", f"{n}.png") for n in (0, 3, 4)}


def test_what_the_measures_are():
    """In closed form: a step is sharp and a ramp is not; a bar's share; a wave of the finest detail, its amplitude."""
    step, ramp = np.zeros((1, 64, 64)), np.broadcast_to(np.linspace(0, 255, 64), (1, 64, 64))
    step[:, :, 32:] = 255
    assert blur_left(step)[0] == pytest.approx(1 / 9, abs=1e-6)  # the window spreads it over nine pixels
    assert blur_left(ramp)[0] > 0.9
    barred = np.random.default_rng(0).uniform(0, 255, (100, 80)).astype(np.float32)
    barred[:12] = 30
    assert bar(barred) == pytest.approx(0.12) and bar(barred[::-1]) == 0
    waves = np.cos(np.pi * (2 * np.arange(64) + 1) * 7 / 16).astype(np.float32)
    one = np.broadcast_to(waves, (64, 64))
    # Of 36 finer waves one has the coefficient 8/sqrt(2) of amplitude 1 in both directions' units.
    assert fine_detail(one) == pytest.approx(np.sqrt((np.sqrt(8) * np.sqrt(4)) ** 2 / 36), rel=1e-4)


def test_the_command_says_it_and_json_has_all(photos, tmp_path, capsys):
    for number, photo in enumerate(photos[:3]):
        save(photo, tmp_path / f"{number}.png")
    assert main(["doctor", str(tmp_path)]) == 0
    assert say("doctor.nothing_found", count=3) in capsys.readouterr().out
    save(FAULTS["blurred"](photos[3], 3), tmp_path / "3.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    assert main(["doctor", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert say("doctor.blurred", name="3.png") in told and "broken.png" in told and CHECKS["blurred"].fix in told
    assert main(["doctor", str(tmp_path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["pictures"] == 4 and report["findings"][0]["pictures"] == ["3.png"]
    assert any("broken.png" in file["what"] for file in report["files"])


@pytest.mark.parametrize("side", ["0", "-5", "63", "100000"])
def test_no_such_resolution_is_one_sentence(side, tmp_path, capsys):
    assert main(["doctor", str(tmp_path), f"--resolution={side}"]) == 1
    told = capsys.readouterr()
    assert say("doctor.no_such_side", given=int(side), least=64, most=4096) in told.out + told.err


def test_no_folder_is_one_sentence(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "none")]) == 1
    assert say("images.folder_missing", path=tmp_path / "none") in capsys.readouterr().out

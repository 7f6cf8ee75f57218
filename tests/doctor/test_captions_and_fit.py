"""The doctor of captions, colours and sizes: what is planted is found, what is usual writing is not."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image, ImageCms, ImageFilter
from said import says

from sdlora.cli import main
from sdlora.doctor import CAPTION_CHECKS
from sdlora.doctor.examine import examine
from sdlora.doctor.garbled import repaired
from sdlora.messages import say, unpacked
from sdlora.settings import dump_settings, make_settings

FINE = ("une forêt, «CAFÉ», 25 °C", "Größe × 2 — “quoted”…", "a cat & a dog", "猫, 黒い", "девушка", "Ñandú © 2020")


def make_images(folder, count):
    """Pictures of noise, each with a caption of its own."""
    folder.mkdir()
    for n in range(1, count + 1):
        noise = np.random.default_rng(n).integers(0, 256, (96, 96, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"disc{n:04d}.png")
        (folder / f"disc{n:04d}.txt").write_text(f"a disc, number {n}")
    return folder


def found(folder, check, **options):
    return [f for f in examine(folder, **options).findings if f.check == check]


@pytest.mark.parametrize("text", [*FINE, "it’s “fine” – déjà vu", "100 € für 5 µm", "Ελλάδα"])
def test_what_was_read_with_the_wrong_letters_comes_back(text):
    """Bytes of UTF-8 as Windows-1252 shows them, where it shows them at all; the text itself is left alone."""
    assert repaired(text) == text
    torn = "".join(bytes([b]).decode("cp1252", "replace").replace("\ufffd", chr(b)) for b in text.encode("utf-8"))
    assert repaired(torn) == text


def test_what_web_pages_write_for_signs_is_undone():
    assert repaired("a cat &amp; a dog, &quot;red&quot; &#233;&nbsp;x") == 'a cat & a dog, "red" é x'
    assert repaired("R&D; &ampere; a&b") == "R&D; &ampere; a&b"


def test_garbled_captions_are_found_with_what_they_should_be(tmp_path):
    folder = make_images(tmp_path / "discs", 4)
    for number, text in enumerate(("a cafÃ© table", "lost \ufffd letter", *FINE[:2]), 1):
        (folder / f"disc{number:04d}.txt").write_text(text, encoding="utf-8")
    first, second = found(folder, "garbled")
    assert (first.names, second.names) == (("disc0001.png",), ("disc0002.png",))
    assert first.captions == {"disc0001.png": "a café table"} and second.captions == {} and not first.out
    assert first.what == say("doctor.garbled", name="disc0001.png", part="a cafÃ© table")


def test_of_copies_the_largest_without_a_fault_stays(tmp_path):
    photo = Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png").convert("RGB")
    photo.save(tmp_path / "photo.png")
    photo.resize((photo.width * 2 // 3, photo.height * 2 // 3)).save(tmp_path / "smaller.png")
    photo.resize((photo.width * 2, photo.height * 2)).filter(ImageFilter.GaussianBlur(7)).save(tmp_path / "soft.png")
    out = {f.check: f.out for f in examine(tmp_path).findings}
    assert out == {"alike": ("smaller.png", "soft.png"), "blurred": ("soft.png",)}


def test_captions_that_several_have_are_one_finding(tmp_path):
    folder = make_images(tmp_path / "discs", 5)
    for number in (2, 4, 5):
        (folder / f"disc{number:04d}.txt").write_text(["A  red disc", "a red disc"][number % 2])
    (finding,) = found(folder, "repeated")
    assert finding.names == ("disc0002.png", "disc0004.png", "disc0005.png")
    (folder / "10_sks disc").mkdir()
    for number in (1, 3):
        (folder / f"disc{number:04d}.png").rename(folder / "10_sks disc" / f"{number}.png")
    assert len(found(folder, "repeated")) == 1  # a kohya folder's name is one caption for all on purpose


@pytest.mark.parametrize(("lacking", "told"), [(0, False), (1, True), (2, True), (3, False)])
def test_a_tag_that_nearly_all_have_is_missed_where_it_lacks(tmp_path, lacking, told):
    folder = make_images(tmp_path / "discs", 10)
    for number in range(1, 11):
        tags = [f"disc {number}", *(["Glossy"] if number > lacking else [])]
        (folder / f"disc{number:04d}.txt").write_text(", ".join(tags))
    findings = found(folder, "usual")
    assert [f.names for f in findings] == [tuple(f"disc{n:04d}.png" for n in range(1, lacking + 1))] * told
    assert all(says(f.what, "doctor.usual", tag="Glossy", part=10 - lacking, all=10) for f in findings)


def test_colours_that_nobody_can_be_sure_of(tmp_path):
    folder = make_images(tmp_path / "discs", 3)
    picture = Image.open(folder / "disc0001.png").convert("RGB")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for name, mode, profile in (
        ("fine.jpg", "RGB", srgb),
        ("broken.jpg", "RGB", b"no profile at all" * 20),
        ("unfit.jpg", "RGB", lab),
        ("print.jpg", "CMYK", None),
    ):
        picture.convert(mode).save(folder / name, icc_profile=profile)
        (folder / name).with_suffix(".txt").write_text(name)
    said = {f.names[0]: f.what for f in found(folder, "colours")}
    assert said == {
        "broken.jpg": say("doctor.profile_unusable", name="broken.jpg"),
        "unfit.jpg": say("doctor.profile_unusable", name="unfit.jpg"),
        "print.jpg": say("doctor.print_without_profile", name="print.jpg"),
    }


def test_how_pictures_fit_is_said_as_the_check_says_it(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for name, size in (("strip", (1024, 128)), ("small", (100, 100)), ("a", (256, 256)), ("b", (256, 256))):
        Image.effect_noise(size, 80).convert("RGB").save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"{name} " * 80)
    settings = make_settings({"train": {"batch_size": 4}, "data": {"max_tokens": 75}})
    report = examine(folder, 256, settings=settings)
    told = "\n".join(problem.what for problem in report.problems)
    for key in ("images.cropped", "images.small_for_resolution", "images.batches_unfilled", "training.captions_cut"):
        assert says(told, key), key
    assert report.count == len(report.problems) + len(report.findings)
    used = {bucket.size: (bucket.pictures, bucket.lost) for bucket in report.buckets}
    assert used[(256, 256)] == (2, 0) and sum(count for count, _ in used.values()) == 4
    assert max(lost for _, lost in used.values()) > 0.3  # the strip


def test_a_program_reads_how_far_it_is_and_says_it_in_any_language(tmp_path, capsys):
    folder = make_images(tmp_path / "discs", 3)
    (folder / "disc0002.txt").write_text("a cafÃ©")
    file = tmp_path / "s.toml"
    file.write_text(dump_settings(make_settings({"data": {"max_tokens": 75}})))
    assert main(["doctor", "--json-lines", f"--settings={file}", "--resolution=96", "--step=32", str(folder)]) == 0
    *far, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert far == [{"done": n, "of": 3} for n in (1, 2, 3)]
    (finding,) = [f for f in last["report"]["findings"] if f["check"] == "garbled"]
    assert unpacked(finding["what"]).key == "doctor.garbled" and finding["captions"] == {"disc0002.png": "a café"}
    assert unpacked(finding["why"]) == CAPTION_CHECKS["garbled"].why
    assert last["report"]["buckets"] == [{"size": [96, 96], "pictures": 3, "cut_off": 0.0}]
    assert main(["doctor", "--json", str(folder)]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][-1]["what"].startswith("The caption of disc0002.png")

"""The example folders are what the README says, and the measures that judge LoRAs can tell what they claim to."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "datasets_example"
QUALITY = ROOT / "benchmarks/quality"
TRIGGERS = {"style": "chalk", "subject": "zibbo"}
PICTURES = {".png", ".jpg", ".webp"}


@pytest.fixture
def quality(monkeypatch):
    """benchmarks/quality is a folder of scripts, not a package."""
    monkeypatch.syspath_prepend(str(QUALITY))
    monkeypatch.syspath_prepend(str(ROOT / "tools/mascot"))
    import features
    import probes
    import reference

    yield type("quality", (), {"features": features, "probes": probes, "reference": reference})
    for name in ("features", "probes", "reference"):
        sys.modules.pop(name, None)


def pictures(folder: str) -> list[Path]:
    return sorted(f for f in (EXAMPLES / folder).iterdir() if f.suffix in PICTURES)


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("folder", TRIGGERS)
def test_every_picture_opens_and_has_a_caption_with_the_trigger_word(folder):
    captions = set()
    for file in pictures(folder):
        with Image.open(file) as image:
            image.load()
            assert image.mode == "RGB" and min(image.size) >= 128 and max(image.size) <= 600, file.name
        caption = file.with_suffix(".txt").read_text(encoding="utf-8").strip()
        assert caption.split()[0] == TRIGGERS[folder] and len(caption.split()) > 1, file.name
        captions.add(caption)
    assert len(captions) == len(pictures(folder))  # nobody's caption was copied to another picture


@pytest.mark.parametrize(("folder", "low", "high"), [("style", 22, 26), ("subject", 16, 20)])
def test_number_of_pictures_and_nothing_else_but_captions_and_a_licence(folder, low, high):
    files = pictures(folder)
    assert low <= len(files) <= high
    listed = {f.name for f in (EXAMPLES / folder).iterdir() if not f.name.startswith(".")}  # not the trainer's cache
    others = listed - {f.name for f in files}
    assert others == {f.with_suffix(".txt").name for f in files} | {"LICENSE"}


def test_licences_lie_beside_the_pictures():
    style = (EXAMPLES / "style/LICENSE").read_text(encoding="utf-8")
    assert (
        "MIT License" in style
        and "Copyright (c) Microsoft Corporation" in style
        and "fluent-emoji-high-contrast" in style
    )
    assert "CC0 1.0" in (EXAMPLES / "subject/LICENSE").read_text(encoding="utf-8")
    told = (QUALITY / "LICENSES.md").read_text(encoding="utf-8")
    for sheet in QUALITY.glob("*.webp"):
        assert sheet.name in told, sheet.name


def test_the_subject_folder_is_mixed_as_a_user_would_bring_it():
    files = pictures("subject")
    assert {f.suffix for f in files} == PICTURES
    sizes = []
    for file in files:
        with Image.open(file) as image:
            sizes.append(image.size)
    assert len(set(sizes)) >= 5
    assert any(w > h for w, h in sizes) and any(w < h for w, h in sizes)


def test_the_folders_are_small():
    files = [f for folder in TRIGGERS for f in (EXAMPLES / folder).iterdir() if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 3_000_000
    assert sum(f.stat().st_size for f in QUALITY.glob("held_out_*.webp")) < 2_000_000


def test_held_out_subjects_are_known_to_the_base_and_not_in_the_style_folder():
    held_out, known = lines(QUALITY / "held_out.txt"), set(lines(ROOT / "tools/tiny_base/subjects.txt"))
    assert len(held_out) == len(set(held_out)) >= 60 and set(held_out) <= known
    captions = {f.with_suffix(".txt").read_text(encoding="utf-8").strip() for f in pictures("style")}
    assert not captions & {f"chalk emoji of {name.lower()}" for name in held_out}
    assert captions == {f"chalk emoji of {name.lower()}" for name in lines(QUALITY / "style_subjects.txt")}


def test_no_held_out_picture_is_in_the_style_folder_under_another_name(quality):
    truth = quality.reference.held_out_pictures(quality.reference.EXAMPLE_STYLE).astype(int)
    for file in pictures("style"):
        picture = np.asarray(Image.open(file), dtype=int)
        assert np.abs(truth - picture).mean((1, 2, 3)).min() > 2, file.name


def test_held_out_sheets_hold_one_picture_per_subject_and_style(quality):
    names = quality.reference.held_out()
    for style in ("noto", "flat", "glossy", "chalk", "stained glass"):
        sheet = quality.reference.held_out_pictures(style)
        assert sheet.shape == (len(names), 128, 128, 3)
        assert (sheet.min((1, 2, 3)) < 200).all()  # none is blank


def test_features_find_blurred_shifted_copies_and_not_blots(quality):
    truth = quality.reference.held_out_pictures("noto")
    reference = quality.features.features(truth)

    def share(copies: np.ndarray) -> float:
        gaps = quality.features.distances(quality.features.features(copies), reference)
        return float((gaps.argmin(1) == np.arange(len(truth))).mean())

    small = [Image.fromarray(p).resize((48, 48), Image.Resampling.BOX) for p in truth]
    assert share(np.stack([np.asarray(p.resize((128, 128), Image.Resampling.BICUBIC)) for p in small])) >= 0.98
    assert share(np.roll(truth, (2, -3), (1, 2))) >= 0.98
    blots = [Image.fromarray(p).resize((2, 2), Image.Resampling.BOX) for p in truth]
    assert share(np.stack([np.asarray(p.resize((128, 128), Image.Resampling.NEAREST)) for p in blots])) < 0.2


def test_distances_are_euclidean(quality):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 7)), rng.normal(size=(4, 7))
    expected = np.linalg.norm(a[:, None] - b[None], axis=-1)
    np.testing.assert_allclose(quality.features.distances(a, b), expected, rtol=1e-6)


def test_the_example_and_what_the_other_judged_styles_are_taught_with_show_the_same_subjects(quality):
    names, judged = quality.reference.taught(), quality.reference.JUDGED
    assert len(judged) >= 3 and not set(names) & set(quality.reference.held_out())
    for style in judged:
        assert quality.reference.taught_pictures(style).shape == (len(names), 128, 128, 3)
    sheet = quality.reference.taught_pictures(quality.reference.EXAMPLE_STYLE)
    for name, picture in zip(names, sheet, strict=True):
        assert np.array_equal(picture, np.asarray(Image.open(EXAMPLES / "style" / f"{name.replace(' ', '_')}.png")))


def test_style_probe_tells_the_judged_styles_from_each_other_and_from_the_base_styles(quality):
    """Glossy has a close kin among the taught: the probe misses a quarter of it, and calls little else so."""
    probe = quality.probes.Probe.load(QUALITY / "probe_style.npz")
    styles = quality.reference.JUDGED
    assert {*quality.reference.BASE_STYLES, *styles} < set(probe.classes)
    for style in (*quality.reference.BASE_STYLES, *styles):
        called = probe(quality.features.style_statistics(quality.reference.held_out_pictures(style)))
        for other in styles:
            low, high = (0.7 if style == "glossy" else 0.98, 1.0) if other == style else (0.0, 0.1)
            assert low <= np.mean([c == other for c in called]) <= high, (style, other)


def test_a_discriminant_finds_a_class_between_two_others_and_least_squares_does_not(quality):
    rng = np.random.default_rng(0)
    labels = [name for name in ("left", "middle", "right") for _ in range(200)]
    rows = rng.normal(np.repeat([-4, 0, 4], 200)[:, None], 1, (600, 1))
    found = {f.__name__: f(rows, labels)(rows) for f in (quality.probes.discriminant, quality.probes.fit)}
    shares = {name: np.mean([a == b for a, b in zip(said, labels, strict=True)]) for name, said in found.items()}
    assert shares["discriminant"] > 0.95 and shares["fit"] < 0.8


def test_mascot_probe_finds_unseen_poses_and_no_emoji(quality):
    probe = quality.probes.Probe.load(QUALITY / "probe_mascot.npz")
    unseen = probe(quality.features.colour_statistics(quality.reference.unseen_mascots()))
    assert np.mean([c == "mascot" for c in unseen]) >= 0.9
    for style in ("noto", "flat", "glossy"):
        emoji = probe(quality.features.colour_statistics(quality.reference.held_out_pictures(style)))
        assert np.mean([c == "mascot" for c in emoji]) <= 0.05, style

"""How the embedded base is made: what its pictures show, what it never sees, and that its training goes on."""

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tools/tiny_base"
pytest.importorskip("skimage")

NAMES = ["apple", "dog face", "red heart", "guitar", "house", "sun", "fish", "tree"]


@pytest.fixture(scope="module")
def base():
    """The recipe's modules, imported as its scripts import each other."""
    paths = [str(HERE), str(ROOT / "benchmarks/quality")]
    sys.path[:0] = paths
    import captions
    import common
    import judge
    import layers
    import styles

    yield SimpleNamespace(captions=captions, styles=styles, layers=layers, judge=judge, common=common)
    for path in paths:
        sys.path.remove(path)


def shape(seed: int, layer: str) -> np.ndarray:
    """A drawing of its own for every subject and layer, in the middle of a transparent ground."""
    rng = random.Random(seed)
    image = Image.new("RGBA", (128, 128))
    pen = ImageDraw.Draw(image)
    points = [(rng.randint(14, 114), rng.randint(14, 114)) for _ in range(7)]
    fill = tuple(rng.randint(40, 220) for _ in range(3)) + (255,)
    if layer == "glyph":
        pen.line(points, fill=(0, 0, 0, 255), width=6)
    elif layer == "line":
        pen.polygon(points, fill=(255, 255, 255, 255), outline=(0, 0, 0, 255), width=3)
    else:
        pen.polygon(points, fill=fill, outline=(20, 20, 20, 255), width=5 if layer == "comic" else 1)
        pen.ellipse((44, 44, 70 + seed, 76), fill=(*fill[1:3], fill[0], 255))
    image = image.rotate({"classic": 20, "noto": -15}.get(layer, 0))
    return np.asarray(image)


@pytest.fixture(scope="module")
def world(base):
    layers = {layer: np.stack([shape(i, layer) for i in range(len(NAMES))]) for layer in base.layers.PACKAGE}
    layers["classic"][2] = 0  # as the artwork that some subjects lack
    return base.captions.World(NAMES, {name: ["thing", "gizmo"] for name in NAMES}, layers)


def test_one_in_eight_pairs_is_left_out_and_the_rest_is_shown_once(base, world):
    subjects = [s for s in (HERE / "subjects.txt").read_text(encoding="utf-8").splitlines() if s and s[0] != "#"]
    assert len(subjects) >= 260 and len(base.styles.STYLES) >= 12
    out = Counter(base.captions.left_out(s, style) for s in subjects for style in base.styles.STYLES)
    assert 1 / 10.5 < out[True] / out.total() < 1 / 7.5
    # A fixed rule: the same pairs in every version, or the card's "never shown" is untrue. As sha256sum says.
    digests = {name: hashlib.sha256(f"{name.lower()}|comic".encode()).hexdigest() for name in subjects}
    in_comic = [name for name in subjects if base.captions.left_out(name, "comic")]
    assert in_comic == [name for name in subjects if digests[name][7] in "08"] and len(in_comic) > 20
    plain, kept = set(world.plain()), set(world.held_out())
    every = {base.captions.Spec(s, i) for s in base.styles.STYLES for i in range(len(NAMES)) if world.exists(i, s)}
    assert plain | kept == every and not plain & kept and kept
    assert not any(spec.style == "classic" and spec.subject == 2 for spec in every)


def test_variants_never_hold_what_is_left_out(base, world):
    rng = random.Random(0)
    specs = [world.variant(rng) for _ in range(3000)]
    for spec in specs:
        for row in {spec.subject, spec.second} - {None}:
            assert not base.captions.left_out(NAMES[row], spec.style) and world.exists(row, spec.style)
        if spec.colour:
            assert not base.captions.left_out(NAMES[spec.subject], spec.colour)
            assert NAMES[spec.subject] != "red heart"  # its name has a colour
        assert spec.second != spec.subject
    for part in ("colour", "ground", "small", "turn"):
        assert sum(getattr(s, part) is not None for s in specs) > 99
    assert sum(s.second is not None for s in specs) > 500


def test_judged_styles_are_in_no_caption_and_no_training_style_reads_the_glossy_artwork(base, world):
    assert len(base.styles.JUDGED) >= 3 and not set(base.styles.JUDGED) & set(base.styles.STYLES)
    rng = random.Random(1)
    said = [world.caption(s, rng) for s in [*world.plain(), *(world.variant(rng) for _ in range(500))]]
    assert not any(style in text for text in said for style in base.styles.JUDGED)
    without = {layer: rows[1] for layer, rows in world.layers.items() if layer != "gloss"}
    for style in base.styles.STYLES:
        picture = base.styles.draw(style, without)
        assert picture.shape == (128, 128, 3) and picture.dtype == np.uint8
        assert np.array_equal(picture, base.styles.draw(style, without)), style
    for style in base.styles.JUDGED:
        base.styles.draw(style, base.layers.of_subject(world.layers, 1))


def test_every_judged_style_has_true_pictures_of_the_held_out_subjects(base):
    from reference import held_out, held_out_pictures

    board, panes = (np.median(held_out_pictures(s)[:, :3].reshape(-1, 3), 0) for s in ("chalk", "stained glass"))
    assert board.max() < 90 and board.argmax() == 1  # dark, green
    assert panes.max() > 100
    for style in base.styles.JUDGED:
        assert len(held_out_pictures(style)) == len(held_out())


def test_no_two_styles_draw_alike(base, world):
    drawn = {s: world.picture(base.captions.Spec(s, 1)).astype(float) for s in base.styles.STYLES}
    gaps = [np.abs(a - b).mean() for i, a in enumerate(drawn.values()) for b in list(drawn.values())[:i]]
    assert min(gaps) > 1


def centre(picture: np.ndarray) -> tuple[float, float]:
    """The middle (x, y) of what is not white, 0 to 1."""
    y, x = np.nonzero(picture.min(-1) < 200)
    return x.mean() / 128, y.mean() / 128


def test_the_picture_shows_what_the_caption_says(base, world):
    spec = base.captions.Spec
    two = spec("flat", 0, second=1)
    assert world.caption(two) == "flat emoji of apple and dog face"
    left, right = world.picture(two)[:, :64], world.picture(two)[:, 64:]
    assert np.array_equal(left, world.picture(spec("flat", 0, second=4))[:, :64])
    assert np.array_equal(right, world.picture(spec("flat", 4, second=1))[:, 64:])
    assert np.abs(left.astype(int) - right).mean() > 3

    for colour in base.styles.COLOURS:
        blue = spec("flat", 1, colour=colour)
        assert world.caption(blue) == f"flat emoji of {colour} dog face"
        assert base.judge.colour_of(world.picture(blue)) == colour

    for ground, rgb in base.styles.GROUNDS.items():
        on = spec("flat", 1, ground=ground)
        assert world.caption(on) == f"flat emoji of dog face, on a {ground} ground"
        assert tuple(world.picture(on)[0, 0]) == rgb
        assert base.judge.ground_gap(world.picture(on), ground) < 1 < base.judge.ground_gap(world.picture(two), ground)

    whole = centre(world.picture(spec("silhouette", 3)))
    for place, (x, y) in base.captions.PLACES.items():
        small = spec("silhouette", 3, small=place)
        assert world.caption(small) == f"silhouette emoji of guitar, small, {place}"
        cx, cy = centre(world.picture(small))
        assert abs(cx - x - 0.55 * (whole[0] - 0.5)) < 0.03 and abs(cy - y - 0.55 * (whole[1] - 0.5)) < 0.03
    turned = world.picture(spec("flat", 3, turn="upside down"))
    assert np.abs(turned[::-1, ::-1].astype(int) - world.picture(spec("flat", 3))).mean() < 1


def test_true_pictures_are_found_and_wrong_ones_are_not(base, world, tmp_path):
    references = base.judge.References(world, tmp_path)
    specs = world.plain()[::3]
    found = base.judge.controls(references, specs, copy=lambda pictures: pictures)
    assert found["true, through the autoencoder"] == {"subject": 1, "style": 1, "both": 1}
    assert found["another subject in the style"] == {"subject": 0, "style": 1, "both": 0}
    assert found["the subject in another style"]["style"] == 0
    two = base.captions.Spec("flat", 3, second=5)
    assert base.judge.pair(references, two, world.picture(two)) == (3, 5)
    again = base.judge.References(world, tmp_path / "again", workers=2)
    assert np.array_equal(again.style("flat"), references.style("flat"))


def test_minutes_are_counted_over_all_starts(base, monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(base.common.time, "time", lambda: clock.now)
    budget = base.common.Budget(None, 10, used=240)
    assert budget.share(7) == 0.4 and budget.rate(199, 0.5) == 1 and budget.rate(99, 0.5) == 0.5
    clock.now += 210  # 450 of 600 s: half way through the fall
    assert budget.spent() == 450 and budget.rate(999, 0.5) == pytest.approx(0.02 + 0.98 / 2)
    clock.now += 200
    assert budget.share(8) == 1 and budget.rate(999, 0.5) == pytest.approx(0.02)
    assert base.common.Budget(50, None).share(25) == 0.5


def test_one_command_makes_what_is_missing_and_nothing_twice(base, tmp_path):
    import train

    scripts = lambda: [c[0] for c in train.steps(tmp_path, 9, None, 1, False, None)]  # noqa: E731
    assert scripts() == ["prepare.py", "train_vae.py", "train_unet.py"]
    (tmp_path / "layers.npz").touch()
    (tmp_path / "names.json").touch()
    assert scripts() == ["train_vae.py", "train_unet.py"]
    (tmp_path / "vae").mkdir()
    assert scripts() == ["train_unet.py"]
    (unet,) = train.steps(tmp_path, 9, Path("b"), 4, True, "cuda")
    assert float(unet[unet.index("--minutes") + 1]) < 6 and "--compile" in unet
    assert unet[unet.index("--start") + 1] == "b"
    wide = train.steps(tmp_path / "none", 9, None, 1, False, None, ["--channels", "8"], ["--channels", "9"])
    assert [command[-1] for command in wide[1:]] == ["8", "9"]


def test_a_grown_autoencoder_draws_what_the_narrow_one_drew_and_its_copies_part(base):
    from grow import grow
    from train_vae import build

    torch.manual_seed(0)
    narrow, wide = build((8, 16, 16, 24)).eval(), build((8, 32, 48, 72), layers=2).eval()
    grow(narrow, wide)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        before, after = (vae.encode(x).latent_dist for vae in (narrow, wide))
        torch.testing.assert_close(after.mean, before.mean, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(after.logvar, before.logvar, atol=1e-5, rtol=1e-4)
        copies = [vae.decode(4 * before.mean).sample for vae in (narrow, wide)]
    torch.testing.assert_close(copies[1], copies[0], atol=1e-5, rtol=1e-4)
    wide.decode(wide.encode(x).latent_dist.mean).sample.square().sum().backward()
    gradient = wide.encoder.down_blocks[1].resnets[0].conv1.weight.grad
    assert not torch.allclose(gradient[::2], gradient[1::2], rtol=0.01)  # else they would stay copies for ever
    with pytest.raises(ValueError, match="whole multiple"):
        grow(wide, narrow)


@pytest.fixture(scope="module")
def recipe(base, world, tmp_path_factory):
    pytest.importorskip("pytorch_optimizer")
    import train_unet

    tokenizer = train_unet.make_tokenizer(world, tmp_path_factory.mktemp("tokenizer"))
    specs = [*world.plain(), *(world.variant(random.Random(i)) for i in range(20))]
    latents = specs, torch.zeros(len(specs), 4, 16, 16), torch.zeros(len(specs), 4, 16, 16), len(world.plain())
    return train_unet.Recipe(world, tokenizer, latents, 64, 0.3, "cpu")


def test_a_batch_depends_on_its_step_alone(recipe):
    first, again, other = recipe.batch_at(5), recipe.batch_at(5), recipe.batch_at(6)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_noise_has_the_offset_and_its_share_of_the_schedule(recipe):
    noisy, t, ids, noise, weight = (torch.cat(p) for p in zip(*(recipe.batch_at(i) for i in range(12)), strict=True))
    # A channel's mean over 256 places: 1/256 from the noise itself, 0.3^2 from the offset.
    assert noise.mean((2, 3)).var().item() == pytest.approx(0.09 + 1 / 256, rel=0.12)
    assert weight.view(12, 64).mean(1).tolist() == pytest.approx([1] * 12, rel=1e-4)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha_bar = (1 - betas).cumprod(0)[t].float().view(-1, 1, 1, 1)
    torch.testing.assert_close(noisy, (1 - alpha_bar).sqrt() * noise)  # the latents are zero here
    empty = recipe.ids([""])[0]
    assert 0.05 < (ids == empty).all(1).float().mean() < 0.17


def test_known_tokens_are_taken_over_and_new_ones_begin_as_their_parts(base, recipe):
    import train_unet
    from transformers import CLIPTextModel, CLIPTokenizer

    start = ROOT / "sdlora/families/tiny"
    modules = torch.nn.ModuleList(train_unet.build(len(recipe.tokenizer)))
    train_unet.take_over(modules, recipe.tokenizer, start)
    old = CLIPTextModel.from_pretrained(start / "text_encoder").float()
    known = CLIPTokenizer.from_pretrained(start / "tokenizer")
    before, after = old.get_input_embeddings().weight, modules[1].get_input_embeddings().weight
    same = known.convert_tokens_to_ids("apple</w>"), recipe.tokenizer.convert_tokens_to_ids("apple</w>")
    assert torch.equal(before[same[0]], after[same[1]])
    assert "gizmo</w>" not in known.get_vocab()  # a keyword that only this test has
    parts = known("gizmo", add_special_tokens=False).input_ids
    new = recipe.tokenizer.get_vocab()["gizmo</w>"]
    torch.testing.assert_close(after[new], before[parts].mean(0))


def test_the_card_of_the_shipped_base_tells_its_own_evaluation_and_its_licence_all_its_sources(base):
    import prepare
    import ship

    card, found = (ship.SHIPPED / "README.md").read_text(encoding="utf-8"), ship.SHIPPED / "evaluation.json"
    assert card == ship.with_figures(card, json.loads(found.read_text(encoding="utf-8")))
    files = [f for name in ship.FOLDERS for f in (ship.SHIPPED / name).iterdir()]
    assert sum(f.stat().st_size for f in files) < 60_000_000
    told = (ship.SHIPPED / "LICENSE").read_text(encoding="utf-8")
    shown = {
        base.layers.PACKAGE[layer] for layer in base.layers.PACKAGE if layer != "gloss"
    }  # that is for judging only
    for package in prepare.PACKAGES:
        name, version = package.rsplit("@", 1)
        assert (f"{name} {version}" in told) == (name.removeprefix("@iconify-json/") in shown or "/" not in name), (
            package
        )
    words = card.split("one of these styles: ")[1].split(".")[0]
    assert {word.strip() for word in words.replace("\n", " ").split(",")} == set(base.styles.STYLES)


def test_what_is_too_large_or_not_fp16_is_not_shipped(base, tmp_path, monkeypatch):
    import ship
    from safetensors.numpy import save_file

    monkeypatch.setattr(ship, "SHIPPED", tmp_path / "shipped")
    model = shutil.copytree(ROOT / "sdlora/families/tiny", tmp_path / "model", ignore=shutil.ignore_patterns("*.webp"))
    (tmp_path / "shipped").mkdir()
    ship.copy(model, model / "evaluation.json")
    assert {f.name for f in (tmp_path / "shipped").iterdir()} == {*ship.FOLDERS, "model_index.json", "evaluation.json"}
    shutil.rmtree(tmp_path / "shipped")
    with monkeypatch.context() as patch:
        patch.setattr(ship, "MOST", 10_000_000)
        with pytest.raises(SystemExit, match="MB"):
            ship.copy(model, model / "evaluation.json")
    save_file({"weight": np.zeros(4, np.float32)}, model / "vae/diffusion_pytorch_model.safetensors")
    with pytest.raises(SystemExit, match="fp16"):
        ship.copy(model, model / "evaluation.json")
    assert not (tmp_path / "shipped").exists()


@pytest.mark.slow
def test_training_goes_on_where_it_was_stopped_and_writes_a_base(base, world, tmp_path):
    """Both trainings, on eight drawn subjects: stopped and gone on with equals one that was not."""
    pytest.importorskip("pytorch_optimizer")
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import load_file

    once = tmp_path / "once"
    once.mkdir()
    np.savez(once / "layers.npz", **world.layers)
    listing = {"names": NAMES, "subjects": 7, "keywords": {name: ["thing"] for name in NAMES}}
    (once / "names.json").write_text(json.dumps(listing))
    vae = ROOT / "sdlora/families/tiny/vae"
    run(once, "train_vae.py", "--steps", "2", "--batch", "2", "--pictures", "8", "--start", vae, "--decoder-only")
    encoders = [load_file(f / "diffusion_pytorch_model.safetensors") for f in (vae, once / "vae")]
    for key, value in encoders[0].items():  # only what comes after the latents has changed
        same = torch.equal(value.float(), encoders[1][key])
        assert same == key.startswith(("encoder.", "quant_conv.")) or value.ndim < 2, key
    shutil.copytree(once, tmp_path / "twice")
    parts = ["--shards", "1", "--batch", "4", "--channels", "32,32,32", "--decay-from", "0.99"]
    run(once, "train_unet.py", "--steps", "4", *parts)
    run(tmp_path / "twice", "train_unet.py", "--steps", "2", *parts)
    assert torch.load(tmp_path / "twice/unet-state.pt", weights_only=True)["step"] == 2
    run(tmp_path / "twice", "train_unet.py", "--steps", "4", *parts)
    a, b = (torch.load(tmp_path / n / "unet-state.pt", weights_only=True) for n in ("once", "twice"))
    assert a["step"] == b["step"] == 4
    for key, value in a["model"].items():
        assert torch.equal(value, b["model"][key]), key
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "twice/tiny", torch_dtype=torch.float32)
    assert pipeline.scheduler.config.prediction_type == "epsilon"
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("flat emoji of apple", num_inference_steps=1, output_type="np").images[0]
    assert picture.shape == (128, 128, 3) and np.isfinite(picture).all()


def run(data: Path, script: str, *options) -> None:
    command = [sys.executable, str(HERE / script), str(data), "--device", "cpu", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

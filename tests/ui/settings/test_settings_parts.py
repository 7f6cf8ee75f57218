"""Presets, drafts, settings out of files, numbers and measurements: without a browser."""

import json
import sys
from pathlib import Path

import gradio as gr
import pytest
import tomlkit
from example import make_images
from PIL import Image
from said import says

from sdlora.check import BaseInfo, inspect_base
from sdlora.errors import Problem
from sdlora.events import Finished
from sdlora.files.intact import digest_of, write_json
from sdlora.messages import say
from sdlora.runs.checkpoints import FORMAT, OPTIMIZER, STATE, WEIGHTS
from sdlora.runs.origin import origin_of
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings, load_settings, make_settings
from ui import text
from ui.background.table import JOBS
from ui.shell.place import Place
from ui.tabs.settings import drafts, estimate, form, html, presets, probe
from ui.tabs.settings import layout as settings_tab
from ui.tabs.settings.handlers import SettingsDesk
from ui.tabs.settings.state import form_state

FAKE_PROBE = (sys.executable, str(Path(__file__).parents[1] / "fake_probe.py"))
NAMES = sorted(path.stem for path in presets.FOLDER.glob("*.toml"))
MINE = {"data.folder": "/my/pictures", "data.trigger": "ohwx", "run.name": "mine", "sample.prompts": "a\nb"}


# ---- presets


def test_there_is_a_preset_for_every_choice():
    chosen = {presets.preset_name(kind, memory) for kind in presets.KINDS for memory in presets.MEMORY}
    assert chosen == set(NAMES) and len(NAMES) == 13


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_holds_only_what_differs_from_the_defaults(name):
    given = tomlkit.parse((presets.FOLDER / f"{name}.toml").read_text()).unwrap()
    defaults = Settings().model_dump()
    same = [f"{s}.{k}" for s, pairs in given.items() for k, v in pairs.items() if defaults[s][k] == v]
    assert same == []
    made = presets.load(name)
    if name.startswith("SDXL"):
        assert (made.data.resolution, made.adapter.text_encoder) == (1024, False)
    elif name.startswith("SD 1.5"):
        assert (made.data.resolution, made.train.gradient_checkpointing) == (512, True)
    else:
        assert made.model.base == "tiny"


def test_at_a_field_the_setting_has_its_label(monkeypatch):
    """Two settings in one sentence: the other one keeps its key, by which it can be found."""
    _, problems = form.overrides(form.field_values(Settings()) | {"train.steps": ""})
    assert [html.at_field(problem) for problem in problems] == ["Steps is empty. Write a number."]
    other = Problem("train.warmup is 5, and train.steps is 3.", where="train.steps")
    assert html.at_field(other) == "train.warmup is 5, and Steps is 3."
    assert html.at_field(Problem("model.base is odd.", where="model.base")) == "Base model is odd."
    longer = Problem("adapter.alpha is odd beside adapter.alpha_pattern.", where="adapter.alpha")
    assert html.at_field(longer) == "Alpha is odd beside adapter.alpha_pattern."
    monkeypatch.setattr(text, "language", lambda: "zh")
    _, problems = form.overrides(form.field_values(Settings()) | {"train.steps": ""})
    assert "步数" in html.at_field(problems[0]) and "train" not in html.at_field(problems[0])


def test_a_preset_leaves_what_is_the_persons_own():
    before = form.field_values(Settings()) | MINE | {"train.lr": "5", "adapter.kind": "dora"}
    after = presets.applied("SD 1.5 character, 8 GB", before)
    assert {key: after[key] for key in MINE} == MINE
    assert (after["train.lr"], after["adapter.kind"], after["adapter.rank"]) == ("0.0001", "lora", "32")
    assert after["model.base"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"


def test_a_base_model_of_the_presets_family_stays(base):
    before = form.field_values(Settings()) | {"model.base": str(base)}
    assert presets.applied("SD 1.5 style, 6 GB", before)["model.base"] == str(base)
    assert presets.applied("SDXL style, 12 GB", before)["model.base"] == "stabilityai/stable-diffusion-xl-base-1.0"
    assert presets.applied("Embedded base, any machine", before)["model.base"] == "tiny"


@pytest.mark.parametrize(
    ("told", "found", "size"),
    [("NVIDIA GeForce RTX 4090, 24564\n", ("NVIDIA GeForce RTX 4090", 24564 / 1024), "24"),
     ("NVIDIA GeForce RTX 3060, 12288\nNVIDIA GeForce GTX 1060, 6144\n", ("NVIDIA GeForce RTX 3060", 12.0), "12"),
     ("Tesla M40, 11448", ("Tesla M40", 11448 / 1024), "12"), ("GTX 1060, 6078", ("GTX 1060", 6078 / 1024), "6"),
     ("GT 710, 2048", ("GT 710", 2.0), ""), ("NVIDIA-SMI has failed, no driver", None, ""), ("", None, "")],
)  # fmt: skip
def test_the_gpus_memory_suggests_a_size(told, found, size):
    assert presets.read_gpus(told) == found
    assert presets.suggested(found[1] if found else None) == size


# ---- numbers


def base_of(settings: Settings) -> BaseInfo:
    return inspect_base(settings.model.base)


def ready(tmp_path: Path, base: Path, **more) -> Settings:
    folder = make_images(tmp_path / "discs", 6)
    values = form.field_values(Settings()) | {"data.folder": str(folder), "model.base": str(base)} | more
    state = form_state(Place(tmp_path / "runs"), values)
    assert state.ready, state.problems
    return state.ready


def test_passes_are_counted_as_the_trainer_counts_them(tmp_path, base):
    settings = ready(tmp_path, base, **{"data.repeats": 4, "train.batch_size": 5, "train.accumulate": 2})
    found = estimate.run_passes(settings, base_of(settings))
    # 24 pictures in one bucket: five batches, two of them a step
    assert (found.images, found.shown, found.per_epoch, found.epochs) == (6, 24, 2.5, 400)
    assert estimate.pass_words(found) == [
        text.BATCHES.format(images="6 images × 4", batch=5, exact="4.8", batches=5),
        "5 batches ÷ 2 = 2.5 steps per epoch.",
        "1,000 steps = 400 epochs.",
    ]


def test_a_run_can_be_begun_at_another_ones_checkpoint_from_the_form(tmp_path, base):
    """What the button does, without its page: the run's settings, its last good step, a run that starts there."""
    settings = ready(tmp_path, base, **{"train.steps": 50})
    before = Run.create(tmp_path / "runs", "before", dump_settings(settings))
    checkpoint = before.folder / "checkpoints" / "000020"
    checkpoint.mkdir(parents=True)
    files = {WEIGHTS: b"weights", OPTIMIZER: b"optimizer"}
    for name, content in files.items():
        (checkpoint / name).write_bytes(content)
    digests = {name: digest_of(content) for name, content in files.items()}
    write_json(checkpoint / STATE, {"format": FORMAT, "step": 20, "files": digests})
    advice = "Try: sdlora train --from /somewhere/before@20 --train.lr 2e-05"
    before.write(Finished(30, "failed", f"{say('training.unstable', step=30)} {advice}"))

    begun = []
    with text.building(), gr.Blocks():
        tab = settings_tab.build(gr.Textbox())
    desk = SettingsDesk(
        tab, Place(tmp_path / "runs"), drafts.Draft(tmp_path / "runs"), lambda *a: begun.append(a) or {}, str
    )
    shown = desk.from_run(before.name)
    assert (shown[tab.origin], shown[tab.fields["train.lr"]]["value"]) == (f"{before.name}@20", "0.00002")
    assert desk.draft.load()["page.origin"] == f"{before.name}@20"

    values = form.field_values(settings) | {"train.lr": "0,00001"}
    typed = ["", "", *(values[key] for key in tab.fields)]
    desk.start(f"{before.name}@20", "", *typed)
    made = begun[0][1](begun[0][0])
    assert origin_of(made.folder).step == 20 and made.checkpoints()[0][0] == 20
    assert load_settings(made.folder / "settings.toml").train.lr == 1e-5
    values["train.steps"] = "20"
    told = desk.start(f"{before.name}@20", "", "", "", *(values[key] for key in tab.fields))
    assert says(told[tab.checks], "runs.nothing_left") and len(begun) == 1
    assert desk.from_run("../../etc") == desk._nothing()


def test_the_estimate_says_why_batches_are_not_full(tmp_path, base):
    """8 images at batch 4 would be 2 batches; 6 of one shape and 2 of others make 2 + 1 + 1."""
    settings = ready(tmp_path, base, **{"train.batch_size": 4})
    words = estimate.pass_words(estimate.run_passes(settings, base_of(settings)))
    assert words[0].startswith("6 images ÷ 4 = 1.5, so 2 batches")
    Image.new("RGB", (192, 64)).save(Path(settings.data.folder) / "wide.png")
    Image.new("RGB", (64, 192)).save(Path(settings.data.folder) / "high.png")
    estimate._looked.clear()
    words = estimate.pass_words(estimate.run_passes(settings, base_of(settings)))
    assert "⌈6 ÷ 4⌉ + ⌈1 ÷ 4⌉ + ⌈1 ÷ 4⌉ = 4 batches" in words[0]
    assert words[1:3] == [text.count("BATCHES_LOST", 2, full=2), "4 batches = 4 steps per epoch."]


def test_images_that_are_held_out_are_said(tmp_path, base):
    """A dozen images, nothing set: four are measured on, so that the epoch is of eight."""
    settings = ready(tmp_path, base, **{"train.batch_size": 4})
    make_images(Path(settings.data.folder), 12)
    settings.validation.held_out = None
    estimate._looked.clear()
    words = estimate.pass_words(estimate.run_passes(settings, base_of(settings)))
    assert words[:2] == [text.count("HELD_OUT", 4, all=12), "8 images ÷ 4 = 2 steps per epoch."]


def test_regularization_images_are_counted_beside_the_images(tmp_path, base):
    more = {"data.repeats": 2, "train.batch_size": 4}
    drawn = ready(tmp_path, base, **more, **{"data.class_prompts": "a dog\na cat"})
    words = estimate.pass_words(estimate.run_passes(drawn, base_of(drawn)))
    assert words[0] == "(6 images × 2 + 12 regularization images) ÷ 4 = 6 steps per epoch."
    own = drawn.model_copy(deep=True)
    own.data.class_prompts, own.data.regularization = [], str(make_images(tmp_path / "regular", 3))
    assert estimate.pass_words(estimate.run_passes(own, base_of(own)))[0] == words[0]


def test_the_browsers_table_gives_the_same_size():
    settings = make_settings({"adapter": {"rank": 24, "kind": "dora", "rank_pattern": {"*.mid_block.*": 4}}})
    info = base_of(settings)
    slope, fixed, overhead, ends = estimate.table(info, settings)["attn-mlp true dora"]
    count = slope * 24 + fixed
    assert estimate.size_of(info, settings) == (count, count * 2 + overhead) and not ends
    going_on = make_settings({"adapter": {"start_from": "some.safetensors"}})
    assert estimate.size_of(info, going_on) is None


# ---- measuring


@pytest.fixture
def probes(tmp_path, monkeypatch):
    monkeypatch.setitem(JOBS, "probe", lambda folder: [*FAKE_PROBE, str(folder / "settings.toml")])
    monkeypatch.setenv("FAKE_PROBE_SECONDS", "0")
    monkeypatch.setenv("SDLORA_PASSWORD", "secret words")
    return probe.Probes(tmp_path / "runs")


def measure(probes: probe.Probes, settings: Settings) -> dict:
    assert probes.start(settings)
    probes.wait(60)
    assert not probes.running
    return probes.get(settings)[0]


def test_a_measurement_is_kept_by_what_it_depends_on(tmp_path, base, probes):
    settings = ready(tmp_path, base)
    assert probes.get(settings) == (None, False)
    assert measure(probes, settings)["step_seconds"] == 0.5
    again = probe.Probes(tmp_path / "runs")
    longer = settings.model_copy(deep=True)
    longer.train.steps, longer.run.name, longer.train.lr = 5000, "another", 1e-5
    assert again.get(longer)[1] is False
    larger = settings.model_copy(deep=True)
    larger.adapter.rank = 64
    answer, stale = again.get(larger)
    assert stale and probe.memory_problems(answer, stale) == []
    # 30 s to begin with, then half a second a step
    assert "9 min" in probe.time_words(answer, False, 1000)
    assert "Measured with other settings" in probe.time_words(answer, True, 1000)
    assert [p.name for p in (tmp_path / "runs" / drafts.FOLDER).iterdir()] == ["probes.json"]


def test_a_run_that_does_not_fit_is_warned_of(tmp_path, base, probes):
    settings = ready(tmp_path, base, **{"run.name": "does not fit"})
    answer = measure(probes, settings)
    (problem,) = probe.memory_problems(answer, False)
    assert "9.0 GB" in problem.what and not problem.fatal


@pytest.mark.parametrize(("name", "sentence"), [("broken", "ran out of memory"), ("mute", "without a word")])
def test_a_measurement_that_fails_says_why(tmp_path, base, probes, name, sentence):
    settings = ready(tmp_path, base, **{"run.name": name})
    answer = measure(probes, settings)
    assert answer["failed"] and sentence in probe.time_words(answer, False, 10)


def test_what_else_lies_in_the_file_is_left_out(tmp_path, base, probes):
    settings = ready(tmp_path, base)
    key = probe.key_of(settings)
    probes.path.parent.mkdir(parents=True, exist_ok=True)
    for said in ("", "[]", "{", json.dumps({key: 3}), json.dumps({key: {"step_seconds": "NaN"}}), "[" * 9000):
        probes.path.write_text(said)
        assert probes.get(settings) == (None, False)


def test_only_one_measurement_at_a_time(tmp_path, base, probes, monkeypatch):
    monkeypatch.setenv("FAKE_PROBE_SECONDS", "0.5")
    settings = ready(tmp_path, base)
    assert probes.start(settings) and not probes.start(settings)
    probes.wait(60)
    assert text.duration(probes.get(settings)[0]["start_seconds"]) == "30 s"


def test_a_quick_look_reads_no_captions_and_is_the_same_for_the_probe(tmp_path, base, monkeypatch):
    settings = ready(tmp_path, base)
    values = form.field_values(settings) | {"sample.prompts": ""}
    quick = form_state(Place(tmp_path / "runs"), values, quick=True)
    assert quick.ready.sample.prompts == []
    assert quick.settings.sample.prompts == []
    assert probe.key_of(quick.ready) == probe.key_of(settings)


def test_settings_of_another_trainer_are_imported(tmp_path):
    said = {"training_method": "LORA", "model_type": "STABLE_DIFFUSION_15", "lora_rank": 24, "epochs": 7}
    (tmp_path / "one.json").write_text(json.dumps(said))
    settings, problems, given = drafts.read_file(tmp_path / "one.json", tmp_path)
    assert settings.adapter.rank == 24 == given["adapter"]["rank"]
    assert settings.train.epochs == 7
    assert not any(problem.fatal for problem in problems)

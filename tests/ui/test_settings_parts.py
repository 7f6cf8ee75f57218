"""Presets, drafts, settings out of files, numbers and measurements: without a browser."""

import json
import struct
import sys
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import tomlkit
from example import HOSTILE, make_images
from PIL import Image
from safetensors.numpy import save_file

from sdlora.check import BaseInfo, inspect_base
from sdlora.errors import UserError
from sdlora.events import Finished
from sdlora.files.intact import digest_of, write_json
from sdlora.runs.checkpoints import FORMAT, OPTIMIZER, STATE, WEIGHTS
from sdlora.runs.origin import origin_of
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings, load_settings, make_settings, without_paths
from ui import text
from ui.shell.place import Place
from ui.shell.tasks import COMMANDS
from ui.tabs.settings import drafts, estimate, form, presets, probe
from ui.tabs.settings import layout as settings_tab
from ui.tabs.settings.handlers import SettingsDesk, form_state

FAKE_PROBE = (sys.executable, str(Path(__file__).with_name("fake_probe.py")))
NAMES = sorted(path.stem for path in presets.FOLDER.glob("*.toml"))
MINE = {"data.folder": "/my/pictures", "data.trigger": "ohwx", "run.name": "mine", "sample.prompts": "a\nb"}


# ---- presets


def test_there_is_a_preset_for_every_choice():
    chosen = {presets.name_of(kind, memory) for kind in presets.KINDS for memory in presets.MEMORY}
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


def test_a_preset_leaves_what_is_the_persons_own():
    before = form.values_of(Settings()) | MINE | {"train.lr": "5", "adapter.kind": "dora"}
    after = presets.applied("SD 1.5 character, 8 GB", before)
    assert {key: after[key] for key in MINE} == MINE
    assert (after["train.lr"], after["adapter.kind"], after["adapter.rank"]) == ("0.0001", "lora", "32")
    assert after["model.base"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"


def test_a_base_model_of_the_presets_family_stays(base):
    before = form.values_of(Settings()) | {"model.base": str(base)}
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


# ---- drafts


@pytest.mark.parametrize("value", [HOSTILE, '"""', "\\", "a\nb\r\n\tc", "\0\x1b\x7f", "\ud800", "[x]\n'", "猫" * 500])
def test_a_draft_keeps_what_was_typed(tmp_path, value):
    draft = drafts.Draft(tmp_path)
    values = form.values_of(Settings()) | {
        "run.name": value,
        "adapter.rank": "0",
        "train.lr": "2,5",
        "sample.prompts": value,
    }
    assert draft.save(values)
    assert drafts.Draft(tmp_path).load() == values | {
        "run.name": form.sound(value),
        "sample.prompts": form.sound(value),
    }


def test_a_damaged_draft_is_as_good_as_none(tmp_path):
    draft = drafts.Draft(tmp_path)
    assert draft.load() == {}
    draft.path.parent.mkdir()
    for said in ("", "[[[", "x = 1", "[run]\nname = [1]\n[nobody]\nx = 1\n[train]\nscheduler = 'odd'\nsteps = [1]"):
        draft.path.write_text(said)
        kept = draft.load()
        assert all(kept[key] == form.values_of(Settings())[key] for key in kept)


def test_a_full_disk_is_no_failure(tmp_path):
    (tmp_path / drafts.FOLDER).write_text("a file in the way")
    assert drafts.Draft(tmp_path).save({"run.name": "x"}) is False


# ---- settings out of files

SETTINGS = make_settings(
    {
        "data": {"folder": "/pictures/cats", "trigger": "ohwx", "cache": "/pictures/cats/.sdlora_cache"},
        "model": {"base": "/models/some.safetensors"},
        "adapter": {
            "rank": 24,
            "alpha": 3.5,
            "stack": ["/loras/a.safetensors=0.5"],
            "rank_pattern": {"*.mid_block.*": 4},
        },
        "train": {"seed": 2**62 + 1},
        "sample": {"prompts": ["one", "two"]},
        "run": {"name": "cats"},
    }
)


def lora_file(path: Path, settings: str | None) -> Path:
    metadata = {"ss_network_dim": "4"} | ({"sdlora_settings": settings} if settings is not None else {})
    save_file({"x": np.zeros(4, np.float32)}, path, metadata)
    return path


def in_the_file(settings: Settings) -> str:
    """As the trainer writes it, without the folders."""
    return dump_settings(without_paths(settings))


def test_a_finished_lora_gives_the_settings_of_its_run(tmp_path):
    run = Run.create(tmp_path / "runs", "cats", dump_settings(SETTINGS))
    Run.create(tmp_path / "runs", "other", dump_settings(Settings()))
    said = in_the_file(SETTINGS)
    assert "/pictures" not in said
    settings, problems, given = drafts.read_file(lora_file(tmp_path / "cats.safetensors", said), tmp_path / "runs")
    assert problems == []
    values, unknown = drafts.into_form(settings, given, form.values_of(Settings()))
    assert unknown == []
    assert form.to_settings(values, SETTINGS.run.folder) == SETTINGS == load_settings(run.folder / "settings.toml")


def test_a_lora_from_elsewhere_gives_all_but_its_folders(tmp_path):
    found, _, given = drafts.read_file(lora_file(tmp_path / "a.safetensors", in_the_file(SETTINGS)), tmp_path)
    here = form.values_of(Settings()) | {"data.folder": "/home/me/cats", "model.base": "/mine/some.safetensors"}
    values, unknown = drafts.into_form(found, given, here)
    assert (values["data.folder"], values["model.base"]) == ("/home/me/cats", "/mine/some.safetensors")
    assert unknown == ["data.cache", "adapter.stack"]
    assert (values["adapter.rank"], values["train.seed"]) == ("24", str(2**62 + 1))


def test_a_settings_file_that_says_nothing_of_the_subject_leaves_it():
    settings, problems, given = drafts.read_text("[train]\nsteps = 7\n", "x.toml")
    values, _ = drafts.into_form(settings, given, form.values_of(Settings()) | MINE)
    assert {key: values[key] for key in MINE} == MINE
    assert (values["train.steps"], problems) == ("7", [])


def test_what_is_wrong_in_a_file_is_told_and_the_rest_is_taken():
    settings, problems, _ = drafts.read_text("[train]\nsteps = 0\nlr = 0.5\n[adaptor]\nrank = 4\n", "x.toml")
    assert settings.train.lr == 0.5
    assert len(problems) == 2


DEEP = "[train]\nx = " + "[" * 3000 + "]" * 3000


@pytest.mark.parametrize(
    "said",
    ["", "no toml at all", "[train", DEEP, "x = 1", "train = 1", "[a]\n" * 3, "steps = 1\0",
     "[train]\nx=" + "9" * 400_000],
)  # fmt: skip
def test_hostile_texts_get_a_sentence(said):
    try:
        settings, problems, given = drafts.read_text(said, "x.toml")
    except UserError as error:
        assert len(error.problems) == 1 and len(str(error)) < 400
    else:
        assert problems and drafts.into_form(settings, given, {})[0]


def header(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(content) if length is None else length) + content


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\x80\x04pickle", header(b"{}"), header(b"not json"), header(b"{}", 2**60), header(b"[" * 5000),
     header(b'{"__metadata__": {"sdlora_settings": 3}}'), header(b'{"a": {"dtype": "F32", "shape": [9], '
     b'"data_offsets": [0, 99999]}}'), b"PK\x03\x04" * 50],
)  # fmt: skip
def test_hostile_lora_files_get_one_sentence(tmp_path, content):
    (tmp_path / "<b>.safetensors").write_bytes(content)
    with pytest.raises(UserError) as error:
        drafts.read_file(tmp_path / "<b>.safetensors", tmp_path)
    assert len(error.value.problems) == 1


def test_hostile_settings_inside_a_lora_get_one_sentence(tmp_path):
    for said in ("[[[", DEEP, "x = 1", "a" * 400_000):
        with pytest.raises(UserError):
            drafts.read_file(lora_file(tmp_path / "x.safetensors", said), tmp_path)
    with pytest.raises(UserError, match="another trainer"):
        drafts.read_file(lora_file(tmp_path / "x.safetensors", None), tmp_path)


# ---- numbers


def base_of(settings: Settings) -> BaseInfo:
    return inspect_base(settings.model.base)


def ready(tmp_path: Path, base: Path, **more) -> Settings:
    folder = make_images(tmp_path / "discs", 6)
    values = form.values_of(Settings()) | {"data.folder": str(folder), "model.base": str(base)} | more
    state = form_state(Place(tmp_path / "runs"), values)
    assert state.ready, state.problems
    return state.ready


def test_passes_are_counted_as_the_trainer_counts_them(tmp_path, base):
    settings = ready(tmp_path, base, **{"data.repeats": 4, "train.batch_size": 5, "train.accumulate": 2})
    found = estimate.passes(settings, base_of(settings))
    # 24 pictures in one bucket: five batches, two of them a step
    assert (found.images, found.shown, found.per_epoch, found.epochs) == (6, 24, 2.5, 400)
    assert estimate.pass_words(found) == ["6 images × 4 ÷ 10 = 2.5 steps per epoch.", "1,000 steps = 400 epochs."]


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
    before.write(Finished(30, "failed", f"Training became unstable at step 30. {advice}"))

    begun = []
    with text.building(), gr.Blocks():
        tab = settings_tab.build(gr.Textbox())
    desk = SettingsDesk(
        tab, Place(tmp_path / "runs"), drafts.Draft(tmp_path / "runs"), lambda *a: begun.append(a) or {}, str
    )
    shown = desk.from_run(before.name)
    assert (shown[tab.origin], shown[tab.fields["train.lr"]]["value"]) == (f"{before.name}@20", "0.00002")
    assert desk.draft.load()["page.origin"] == f"{before.name}@20"

    values = form.values_of(settings) | {"train.lr": "0,00001"}
    typed = ["", "", *(values[key] for key in tab.fields)]
    desk.start(f"{before.name}@20", *typed)
    made = begun[0][1](begun[0][0])
    assert origin_of(made.folder).step == 20 and made.checkpoints()[0][0] == 20
    assert load_settings(made.folder / "settings.toml").train.lr == 1e-5
    values["train.steps"] = "20"
    told = desk.start(f"{before.name}@20", "", "", *(values[key] for key in tab.fields))
    assert "nothing is left to train" in told[tab.checks] and len(begun) == 1
    assert desk.from_run("../../etc") == desk._nothing()


def test_the_estimate_says_why_batches_are_not_full(tmp_path, base):
    """8 images at batch 4 would be 2 batches; 6 of one shape and 2 of others make 2 + 1 + 1."""
    settings = ready(tmp_path, base, **{"train.batch_size": 4})
    words = estimate.pass_words(estimate.passes(settings, base_of(settings)))
    assert len(words) == 2  # 6 alike: 4 and 2 are as full as can be
    Image.new("RGB", (192, 64)).save(Path(settings.data.folder) / "wide.png")
    Image.new("RGB", (64, 192)).save(Path(settings.data.folder) / "high.png")
    estimate._looked.clear()
    words = estimate.pass_words(estimate.passes(settings, base_of(settings)))
    assert words[0] == "8 images ÷ 4 = 4 steps per epoch."
    assert "have 3 shapes" in words[1]


def test_the_browsers_table_gives_the_same_size():
    settings = make_settings({"adapter": {"rank": 24, "kind": "dora", "rank_pattern": {"*.mid_block.*": 4}}})
    info = base_of(settings)
    slope, fixed, overhead = estimate.table(info, settings)["attn-mlp true dora"]
    count = slope * 24 + fixed
    assert estimate.size_of(info, settings) == (count, count * 2 + overhead)
    going_on = make_settings({"adapter": {"start_from": "some.safetensors"}})
    assert estimate.size_of(info, going_on) is None


# ---- measuring


@pytest.fixture
def probes(tmp_path, monkeypatch):
    monkeypatch.setitem(COMMANDS, "probe", lambda folder: [*FAKE_PROBE, str(folder / "settings.toml")])
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
    assert stale and probe.problems(answer, stale) == []
    # 30 s to begin with, then half a second a step
    assert "9 min" in probe.time_words(answer, False, 1000)
    assert "Measured with other settings" in probe.time_words(answer, True, 1000)
    assert [p.name for p in (tmp_path / "runs" / drafts.FOLDER).iterdir()] == ["probes.json"]


def test_a_run_that_does_not_fit_is_warned_of(tmp_path, base, probes):
    settings = ready(tmp_path, base, **{"run.name": "does not fit"})
    answer = measure(probes, settings)
    (problem,) = probe.problems(answer, False)
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
    values = form.values_of(settings) | {"sample.prompts": ""}
    quick = form_state(Place(tmp_path / "runs"), values, quick=True)
    assert quick.ready.sample.prompts == []
    assert quick.settings.sample.prompts == []
    assert probe.key_of(quick.ready) == probe.key_of(settings)


def test_settings_of_another_trainer_are_imported(tmp_path):
    said = {"training_method": "LORA", "model_type": "STABLE_DIFFUSION_15", "lora_rank": 24, "epochs": 7}
    (tmp_path / "one.json").write_text(json.dumps(said))
    settings, problems, given = drafts.read_file(tmp_path / "one.json", tmp_path)
    assert settings.adapter.rank == 24 == given["adapter"]["rank"]
    assert any(str(p).startswith("epochs = 7 was not taken: ") for p in problems)
    assert not any(problem.fatal for problem in problems)

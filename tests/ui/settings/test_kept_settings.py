"""What fills the form without a browser: drafts, settings files, LoRA files; hostile and damaged ones too."""

import re
import struct

import pytest
from example import HOSTILE, SETTINGS, in_the_file, lora_file
from said import saying

from sdlora.errors import UserError
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings, load_settings
from ui.tabs.settings import drafts, form

MINE = {"data.folder": "/my/pictures", "data.trigger": "ohwx", "run.name": "mine", "sample.prompts": "a\nb"}


# ---- drafts


@pytest.mark.parametrize("value", [HOSTILE, '"""', "\\", "a\nb\r\n\tc", "\0\x1b\x7f", "\ud800", "[x]\n'", "猫" * 500])
def test_a_draft_keeps_what_was_typed(tmp_path, value):
    draft = drafts.Draft(tmp_path)
    values = form.field_values(Settings()) | {
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


# As version 0.1.0 kept its whole form: a rate of 0 stood for half of train.lr, adapter.dora for today's kind.
OLD_DRAFT = """[data]
folder = "/my/cats"
trigger = "zxq cat"
[adapter]
rank = "24"
text_encoder = true
dora = true
[train]
steps = "240"
batch_size = "2"
accumulate = "1"
lr = "0.0002"
text_encoder_lr = "0"
scheduler = "cosine_with_restarts"
warmup = "0"
weight_decay = "0.01"
max_grad_norm = "1"
precision = "auto"
gradient_checkpointing = false
min_snr_gamma = "5"
noise_offset = "0"
seed = "42"
device = "auto"
[page]
preset = "style"
[gone]
with = "all"
"""


@pytest.mark.parametrize("number", ['"{}"', "{}"])  # as text boxes and as number boxes gave them
def test_a_draft_of_an_older_version_means_what_it_meant(tmp_path, number):
    draft = drafts.Draft(tmp_path)
    draft.path.parent.mkdir()
    draft.path.write_text(re.sub('"([0-9.]+)"', lambda match: number.format(match[1]), OLD_DRAFT))
    kept = draft.load()
    assert kept.pop("page.preset") == "style" and set(kept) <= form.shown().keys()
    settings = form.to_settings(form.field_values(Settings()) | kept, "runs")
    assert settings.adapter.kind == "dora" and settings.adapter.rank == 24 and settings.data.trigger == "zxq cat"
    assert settings.train.text_encoder_lr is None and settings.train.cycles == 1  # half of train.lr, one fall


def test_a_text_encoder_rate_of_0_of_today_stays_off(tmp_path):
    """Kept as it was typed, alone and with all the others."""
    for values in ({"train.text_encoder_lr": "0"}, form.field_values(Settings()) | {"train.text_encoder_lr": "0"}):
        draft = drafts.Draft(tmp_path)
        assert draft.save(values)
        kept = drafts.Draft(tmp_path).load()
        assert form.to_settings(form.field_values(Settings()) | kept, "runs").train.text_encoder_lr == 0
        draft.path.unlink()


def test_a_settings_file_with_a_name_of_yesterday_fills_the_form(tmp_path):
    settings, problems, given = drafts.read_text("[adapter]\ndora = true\n", "old.toml")
    values, unknown = drafts.into_form(settings, given, form.field_values(Settings()))
    assert (problems, unknown) == ([], []) and values["adapter.kind"] == "dora"


def test_a_damaged_draft_is_as_good_as_none(tmp_path):
    draft = drafts.Draft(tmp_path)
    assert draft.load() == {}
    draft.path.parent.mkdir()
    for said in ("", "[[[", "x = 1", "[run]\nname = [1]\n[nobody]\nx = 1\n[train]\nscheduler = 'odd'\nsteps = [1]"):
        draft.path.write_text(said)
        kept = draft.load()
        assert all(kept[key] == form.field_values(Settings())[key] for key in kept)


def test_a_full_disk_is_no_failure(tmp_path):
    (tmp_path / drafts.FOLDER).write_text("a file in the way")
    assert drafts.Draft(tmp_path).save({"run.name": "x"}) is False


# ---- settings out of files


def test_a_finished_lora_gives_the_settings_of_its_run(tmp_path):
    run = Run.create(tmp_path / "runs", "cats", dump_settings(SETTINGS))
    Run.create(tmp_path / "runs", "other", dump_settings(Settings()))
    said = in_the_file(SETTINGS)
    assert "/pictures" not in said
    settings, problems, given = drafts.read_file(lora_file(tmp_path / "cats.safetensors", said), tmp_path / "runs")
    assert problems == []
    values, unknown = drafts.into_form(settings, given, form.field_values(Settings()))
    assert unknown == []
    assert form.to_settings(values, SETTINGS.run.folder) == SETTINGS == load_settings(run.folder / "settings.toml")


def test_a_lora_from_elsewhere_gives_all_but_its_folders(tmp_path):
    found, _, given = drafts.read_file(lora_file(tmp_path / "a.safetensors", in_the_file(SETTINGS)), tmp_path)
    here = form.field_values(Settings()) | {"data.folder": "/home/me/cats", "model.base": "/mine/some.safetensors"}
    values, unknown = drafts.into_form(found, given, here)
    assert (values["data.folder"], values["model.base"]) == ("/home/me/cats", "/mine/some.safetensors")
    assert unknown == ["data.cache", "adapter.stack"]
    assert (values["adapter.rank"], values["train.seed"]) == ("24", str(2**62 + 1))


def test_a_settings_file_that_says_nothing_of_the_subject_leaves_it():
    settings, problems, given = drafts.read_text("[train]\nsteps = 7\n", "x.toml")
    values, _ = drafts.into_form(settings, given, form.field_values(Settings()) | MINE)
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
    with pytest.raises(UserError, match=saying("page.LORA_WITHOUT")):
        drafts.read_file(lora_file(tmp_path / "x.safetensors", None), tmp_path)

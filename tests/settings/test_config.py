"""The schema: bounds, sentences, and what others derive from it."""

import pytest
from hypothesis import given
from hypothesis import settings as unhurried
from hypothesis import strategies as st
from said import saying

from sdlora.cli import main
from sdlora.errors import UserError
from sdlora.messages import say
from sdlora.settings import (
    all_settings,
    dump_settings,
    load_settings,
    machine,
    make_settings,
    merge,
    read_toml,
    salvage,
)


def test_settings_survive_the_file(tmp_path):
    settings = make_settings(
        {"data": {"trigger": 'a "quoted" \\ wörd\n'}, "adapter": {"rank_pattern": {"*.mid.*": 3}},
         "sample": {"prompts": ["ein Apfel", "猫"]}}
    )  # fmt: skip
    file = tmp_path / "s.toml"
    file.write_text(dump_settings(settings), encoding="utf-8")
    assert load_settings(file) == settings
    file.write_bytes(b"\xef\xbb\xbf" + dump_settings(settings).encode())  # as Notepad saves
    assert load_settings(file) == settings


def test_every_setting_declares_itself():
    for info in all_settings():
        assert info.help.endswith((".", ")")) and info.level in ("basic", "advanced", "expert"), info.key
        assert info.type in (int, float, str, bool, list, dict), info.key
        if info.type in (int, float):
            assert info.minimum is not None, f"{info.key} has no lower bound"
        make_settings(merge({}, {info.key: info.default}))
    assert sum(info.level == "basic" for info in all_settings()) <= 12


@given(st.sampled_from([i for i in all_settings() if i.type in (int, float)]), st.integers(-3, -1))
def test_numbers_below_their_bound_are_named(info, below):
    with pytest.raises(UserError) as told:
        make_settings(merge({}, {info.key: info.minimum + below}))
    assert [p.where for p in told.value.problems] == [info.key]
    assert str(told.value).startswith(f"{info.key} is ")


VALUES = st.one_of(st.integers(), st.text(), st.dictionaries(st.text(), st.none()))


@unhurried(deadline=None)
@given(st.dictionaries(st.text(max_size=12), VALUES))
def test_nonsense_never_raises_anything_else(values):
    settings, problems = salvage(values)
    assert settings == make_settings({}) or not problems
    if problems:
        with pytest.raises(UserError):
            make_settings(values)


def test_salvage_keeps_what_is_right():
    settings, problems = salvage({"adapter": {"rank": 0, "alpha": 3}, "train": "x", "foo": 1})
    assert settings.adapter.alpha == 3 and settings.adapter.rank == make_settings({}).adapter.rank
    assert {p.where for p in problems} == {"adapter.rank", "train", "foo"}


def test_a_misspelt_setting_gets_a_suggestion():
    with pytest.raises(
        UserError,
        match=saying("settings.unknown_setting", name="adapter.rnak")
        + ".*"
        + saying("settings.did_you_mean", name="adapter.rank"),
    ):
        make_settings({"adapter": {"rnak": 3}})


OLD_TRAIN = """[train]
steps = 9
batch_size = 1
accumulate = 1
lr = 0.0001
text_encoder_lr = 0.0
scheduler = "cosine_with_restarts"
warmup = 0
weight_decay = 0.01
max_grad_norm = 1.0
precision = "auto"
gradient_checkpointing = false
min_snr_gamma = 5.0
noise_offset = 0.0
seed = 0
device = "auto"
"""


def test_files_of_an_older_version_mean_what_they_meant(tmp_path):
    """0.1.0: rate 0 stood for half, cosine_with_restarts fell once. What is written today, or by hand, is today's."""
    file = tmp_path / "s.toml"
    file.write_text(OLD_TRAIN)
    old = load_settings(file)
    assert old.train.text_encoder_lr is None and old.train.cycles == 1 and old.train.min_snr_gamma == 5.0
    assert load_settings(file, {"train.text_encoder_lr": "0"}).train.text_encoder_lr == 0  # said today
    file.write_text(dump_settings(make_settings({"train": {"text_encoder_lr": 0.0}})))
    assert load_settings(file).train.text_encoder_lr == 0.0
    file.write_text("[train]\ntext_encoder_lr = 0\n")
    assert load_settings(file).train.text_encoder_lr == 0.0
    file.write_text(OLD_TRAIN.replace("text_encoder_lr = 0.0", "text_encoder_lr = 0.0003"))
    assert read_toml(file)["train"]["text_encoder_lr"] == 0.0003


def test_old_names_of_settings_are_read_everywhere(tmp_path, capsys):
    """From files, as overrides, as flags; today's name counts where both are given; never a word of the old one."""
    assert make_settings({"adapter": {"dora": True}}).adapter.kind == "dora"
    assert make_settings({"adapter": {"dora": True, "kind": "lora"}}).adapter.kind == "lora"
    file = tmp_path / "s.toml"
    file.write_text("[adapter]\nkind = 'dora'\n")
    assert load_settings(file, {"adapter.dora": False}).adapter.kind == "lora"
    file.write_text("[adapter]\ndora = true\nrank = 4\n")
    settings = load_settings(file)
    assert (settings.adapter.kind, settings.adapter.rank) == ("dora", 4) and "dora =" not in dump_settings(settings)
    settings, problems = salvage({"adapter": {"dora": "perhaps"}})
    assert settings.adapter.kind == "lora" and [problem.where for problem in problems] == ["adapter.kind"]
    for flag, kind in (("--adapter.dora", "dora"), ("--no-adapter.dora", "lora")):
        assert main(["settings", flag]) == 0 and f'kind = "{kind}"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "value", "fix"),
    [
        ("data.upscale", "perhaps", say("settings.must_be_true_or_false")),
        ("data.upscale", [], say("settings.must_be_true_or_false")),
        ("model.base", 5, say("settings.must_be_text")),
        ("model.base", b"\xff", say("settings.must_be_whole_text")),
        ("sample.prompts", "x", say("settings.must_be_list")),
        ("adapter.rank_pattern", 5, say("settings.must_be_table")),
        ("data", 5, say("settings.must_be_section")),
        ("data.repeats", "x", say("settings.must_be_whole")),
    ],
)
def test_a_value_of_the_wrong_type_is_told_in_plain_words(key, value, fix):
    section, _, name = key.partition(".")
    with pytest.raises(UserError) as told:
        make_settings({section: {name: value} if name else value})
    assert [problem.fix for problem in told.value.problems] == [fix]


def test_no_words_of_the_library_that_checks_reach_people():
    """What a later version of it may find wrong has a sentence, too."""
    problem = machine._sentence(
        {"type": "of_next_year", "loc": ("data", "folder"), "msg": "Input should", "input": 5}, ""
    )
    assert str(problem) == f"data.folder is 5. {say('settings.see_settings')}"

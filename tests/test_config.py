"""The schema: bounds, sentences, and what others derive from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlora.config import all_settings, dump_settings, load_settings, make_settings, merge, salvage
from sdlora.errors import UserError


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
    with pytest.raises(UserError, match=r"Unknown setting adapter\.rnak.*Did you mean adapter\.rank\?"):
        make_settings({"adapter": {"rnak": 3}})

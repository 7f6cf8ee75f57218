"""The form says what the command line says, makes the same settings, and shows each setting in one place."""

import json

import pytest
from example import HOSTILE, make_images
from hypothesis import given
from hypothesis import strategies as st

from sdlora.errors import UserError
from sdlora.settings import Settings, all_settings, make_settings, merge
from ui import text
from ui.shell.place import Place
from ui.tabs.settings import form
from ui.tabs.settings import layout as tab
from ui.tabs.settings.state import form_state
from ui.tabs.settings.wiring import for_script


def typed(**changes):
    return form.field_values(Settings()) | {key.replace("__", "."): value for key, value in changes.items()}


def test_the_form_as_it_stands_makes_the_defaults():
    assert form.to_settings(typed(), "runs") == Settings()


def test_every_setting_has_a_label_and_one_place():
    keys = set(form.shown())
    assert set(text.LABELS) == keys == {info.key for info in all_settings()} - {"run.folder"}
    placed = [info.key for _, infos in tab.grouped() for info in infos]
    assert sorted([*placed, form.FOLDER]) == sorted(keys)
    assert [key for key in placed if form.shown()[key].level == "basic"] == [
        "run.name", "data.trigger", "model.base", "train.steps", "train.lr", "data.resolution", "train.seed",
        "adapter.rank", "adapter.alpha", "sample.prompts",
    ]  # fmt: skip


def test_a_setting_that_is_new_stands_where_it_is_declared(monkeypatch):
    from dataclasses import replace

    base = next(info for info in all_settings() if info.key == "train.warmup")
    known = [*all_settings(), replace(base, key="train.brand_new", label="New"), replace(base, key="x.y", group="")]
    monkeypatch.setattr(form, "all_settings", lambda: iter(known))
    placed = {info.key: group for group, infos in tab.grouped() for info in infos}
    assert (placed["train.brand_new"], placed["x.y"]) == ("training", "")
    assert form.make_field(form.shown()["train.brand_new"]).label == "New"


def test_the_rank_slider_reaches_both_ends_of_what_is_allowed():
    rank = form.shown()["adapter.rank"]
    assert (rank.slider[0], rank.slider[-1]) == (rank.minimum, rank.maximum)


@pytest.mark.parametrize(
    ("key", "value"),
    [("adapter.rank", 0), ("adapter.rank", "2.5"), ("adapter.alpha", -1), ("train.steps", 0), ("train.lr", 0),
     ("data.resolution", -8), ("train.seed", -2), ("data.trigger", "x" * 101), ("adapter.rank", "many"),
     ("train.scheduler", "<b>"), ("save.every", -1), ("train.seed", "twelve")],
)  # fmt: skip
def test_a_bad_value_gets_the_sentence_of_the_command_line(key, value):
    with pytest.raises(UserError) as here:
        form.to_settings(typed() | {key: value}, "runs")
    with pytest.raises(UserError) as there:
        make_settings(merge({}, {key: value}))
    assert [str(p) for p in here.value.problems] == [str(p) for p in there.value.problems]


def test_prompts_are_lines_and_whole_numbers_may_come_as_floats():
    made = form.to_settings(typed(sample__prompts=" a cat \n\n a dog\n", train__steps=40.0), "r")
    assert made.sample.prompts == ["a cat", "a dog"]
    assert (made.train.steps, made.run.folder) == (40, "r")


def test_numbers_are_read_as_they_are_written_here_and_there():
    values = {"train.lr": "0,003", "train.steps": "1,200", "adapter.rank": "１６", "train.noise_offset": ",05"}
    made = form.to_settings(typed() | values | {"adapter.alpha_pattern": "x=0,5"}, "r")
    assert (made.train.lr, made.train.steps, made.adapter.rank) == (0.003, 1200, 16)
    assert (made.train.noise_offset, made.adapter.alpha_pattern) == (0.05, {"x": 0.5})


@pytest.mark.parametrize("emptied", ["", " ", None])
def test_an_emptied_number_is_a_problem_at_its_field(emptied):
    with pytest.raises(UserError) as wrong:
        form.to_settings(typed(train__steps=emptied, train__warmup=emptied), "r")
    told = [(p.where, p.what) for p in wrong.value.problems]
    assert told == [("train.steps", "train.steps is empty."), ("train.warmup", "train.warmup is empty.")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(8.0, "8"), (1e-5, "0.00001"), (1.5e-7, "0.00000015"), (2**63 - 1, str(2**63 - 1)), (0.5, "0.5")],
)
def test_numbers_are_shown_as_people_write_them(value, shown):
    assert form.number_text(value) == shown


def test_tables_are_lines_of_pattern_and_number():
    made = form.to_settings(
        typed(adapter__rank_pattern="*.mid_block.*=4\n a=b =2", adapter__alpha_pattern="x=0.5"), "r"
    )
    assert made.adapter.rank_pattern == {"*.mid_block.*": 4, "a=b": 2}
    assert made.adapter.alpha_pattern == {"x": 0.5}
    with pytest.raises(UserError) as wrong:
        form.to_settings(typed(adapter__rank_pattern="no number", train__lr=0), "r")
    assert [p.where for p in wrong.value.problems] == ["adapter.rank_pattern", "train.lr"]


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=30).map(str.strip)


@given(
    seed=st.integers(0, 2**63 - 1),
    rank=st.integers(1, 1024),
    alpha=st.floats(1e-6, 1e5),
    lr=st.floats(1e-12, 10),
    prompts=st.lists(TEXTS.filter(bool), max_size=3),
    trigger=TEXTS,
    flip=st.booleans(),
    ranks=st.dictionaries(TEXTS.filter(bool), st.integers(1, 99), max_size=3),
)
def test_settings_go_through_the_form_unchanged(seed, rank, alpha, lr, prompts, trigger, flip, ranks):
    made = make_settings(
        {
            "data": {"trigger": trigger, "flip": flip},
            "adapter": {"rank": rank, "alpha": alpha, "rank_pattern": ranks},
            "train": {"lr": lr, "seed": seed},
            "sample": {"prompts": prompts, "seed": seed},
        }
    )
    assert form.to_settings(form.field_values(made), made.run.folder) == made


def test_the_browsers_part_is_told_of_every_field():
    told = for_script(list(form.shown()))
    assert list(told["fields"]) == list(form.shown())
    assert set(told["words"]) == set(text.LOCALES)
    assert json.loads(json.dumps(told)) is not None  # the browser gets it so


# ---- the whole form at once


def test_all_problems_come_at_once_the_folder_among_them(tmp_path, base):
    place = Place(tmp_path / "runs")
    state = form_state(place, typed(model__base=str(base), data__folder="no/such", train__steps=0, adapter__rank=0))
    assert state.ready is None
    assert {p.where for p in state.problems} == {"data.folder", "train.steps", "adapter.rank"}
    state = form_state(place, typed(model__base=str(base), data__folder="no/such"))
    assert [p.where for p in state.problems if p.fatal] == ["data.folder"]


def test_good_values_become_settings_with_nothing_left_open(tmp_path, base):
    make_images(tmp_path / "discs", 6)
    state = form_state(Place(tmp_path / "runs"), typed(model__base=str(base), data__folder=str(tmp_path / "discs")))
    assert [p for p in state.problems if p.fatal] == []
    assert state.ready.data.resolution == 128
    assert state.ready.run.folder == str(tmp_path / "runs")
    assert state.ready.sample.prompts[0] == "a disc, number 1"


def test_a_hub_id_that_is_not_here_is_not_downloaded_by_a_check(tmp_path):
    state = form_state(Place(tmp_path / "runs"), typed(model__base="nobody/no-such-model"))
    assert state.ready is None
    assert text.NOT_HERE_YET.format(base="nobody/no-such-model") in [p.what for p in state.problems]


@pytest.mark.parametrize("value", [HOSTILE, "\0", "x" * 100_000, "../" * 50, "\ud800", 3, None, True, ["a"], {"b": 1}])
def test_whatever_comes_in_is_a_sentence_and_no_failure(tmp_path, value):
    place = Place(tmp_path / "runs", tmp_path)
    paths = ("model.base", "model.vae", "data.folder", "data.cache", "adapter.start_from", "adapter.stack")
    for keys in (tuple(form.shown()), *((path,) for path in paths)):
        state = form_state(place, typed() | dict.fromkeys(keys, value))
        assert state.problems and all(isinstance(p.what, str) for p in state.problems)

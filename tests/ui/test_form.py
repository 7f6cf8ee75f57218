"""The form says what the command line says, and makes the same settings."""

import pytest

from sdlora.config import Settings, all_settings, make_settings, merge
from sdlora.errors import UserError
from ui import form, text
from ui.place import Place
from ui.tabs import settings as tab


def typed(**changes):
    values = {
        key: ("\n".join(info.default) if info.type is list else info.default) for key, info in form.basic().items()
    }
    return values | {key.replace("__", "."): value for key, value in changes.items()}


def test_the_form_as_it_stands_makes_the_defaults():
    made = form.to_settings(typed(), "runs")
    assert made == Settings()


def test_every_basic_setting_has_a_label_and_a_place_on_the_form():
    keys = {info.key for info in all_settings() if info.level == "basic"}
    assert set(text.LABELS) == keys
    assert {key for _, group in tab.GROUPS for key in group} | {form.FOLDER} == keys


@pytest.mark.parametrize(
    ("key", "value"),
    [("adapter.rank", 0), ("adapter.rank", 2.5), ("adapter.alpha", -1), ("train.steps", 0), ("train.lr", 0),
     ("data.resolution", -8), ("train.seed", -1), ("data.trigger", "x" * 101), ("adapter.rank", "many")],
)  # fmt: skip
def test_a_bad_value_gets_the_sentence_of_the_command_line(key, value):
    with pytest.raises(UserError) as here:
        form.to_settings(typed() | {key: value}, "runs")
    with pytest.raises(UserError) as there:
        make_settings(merge({}, {key: value}))
    assert [str(p) for p in here.value.problems] == [str(p) for p in there.value.problems]


def test_prompts_are_lines_and_whole_numbers_may_come_as_floats():
    made = form.to_settings(typed(sample__prompts=" a cat \n\n a dog\n", train__steps=40.0, data__resolution=None), "r")
    assert made.sample.prompts == ["a cat", "a dog"]
    assert (made.train.steps, made.data.resolution, made.run.folder) == (40, 0, "r")


def test_all_problems_come_at_once_the_folder_among_them(tmp_path, base):
    place = Place(tmp_path / "runs")
    values = typed(model__base=str(base), data__folder="no/such", train__steps=0, adapter__rank=0)
    found, problems = tab.examine(place, values)
    assert found is None
    assert {p.where for p in problems} == {"data.folder", "train.steps", "adapter.rank"}
    found, problems = tab.examine(place, typed(model__base=str(base), data__folder="no/such"))
    assert found is None
    assert [p.where for p in problems if p.fatal] == ["data.folder"]


def test_good_values_become_settings_with_nothing_left_open(tmp_path, base):
    from example import make_images

    make_images(tmp_path / "discs", 6)
    found, problems = tab.examine(
        Place(tmp_path / "runs"), typed(model__base=str(base), data__folder=str(tmp_path / "discs"))
    )
    assert [p for p in problems if p.fatal] == []
    assert found.data.resolution == 128
    assert found.run.folder == str(tmp_path / "runs")
    assert found.sample.prompts[0] == "a disc, number 1"


def test_a_hub_id_that_is_not_here_is_not_downloaded_by_a_check(tmp_path, monkeypatch):
    found, problems = tab.examine(Place(tmp_path / "runs"), typed(model__base="nobody/no-such-model"))
    assert found is None
    assert text.NOT_HERE_YET.format(base="nobody/no-such-model") in [p.what for p in problems]

"""One declaration carries all: what a setting that is new declares of itself, holds everywhere at once."""

import json
from types import SimpleNamespace

import pytest
from pydantic import Field

from sdlora.adapters.table import KINDS
from sdlora.check.case import Case
from sdlora.check.effects import idle
from sdlora.messages import say
from sdlora.settings import (
    AdapterSettings,
    Follows,
    Settings,
    TrainSettings,
    When,
    all_settings,
    applies,
    dump_settings,
    filled,
    holds,
    keys_into,
    machine,
    make_settings,
    merge,
    opened,
    setting,
    value_of,
)
from sdlora.train import export
from ui.shell import place
from ui.tabs.images import sight
from ui.tabs.settings import form, layout, probe, wiring


class MoreAdapter(AdapterSettings):
    teacher: str = setting("", "Another file.", label="Teacher", group="adapter", path="file")
    helpers: list[str] = setting(list, "More files.", label="Helpers", group="adapter", path="file", cost=False)


class MoreTrain(TrainSettings):
    foo: int = setting(1, "Whatever.", label="Foo", group="memory", slider=(1, 2), wide=True, hint="2", own=True)
    bar: int = setting(1, "Whatever.", label="Bar", cost=False, when=When({"train.foo": "is:2"}, "train.foo is not 2"))
    far: float = setting(
        0.0, "Whatever.", label="Far", follows=Follows(("train.foo",), lambda foo: foo / 4), into=("epochs",)
    )
    log: str = setting("", "Whatever.", label="Log", path="file", recorded=("log", "other_log"))


class More(Settings):
    adapter: MoreAdapter = Field(default_factory=MoreAdapter)
    train: MoreTrain = Field(default_factory=MoreTrain)


@pytest.fixture
def more(monkeypatch):
    """The registry with six settings that the program knows from their declarations alone."""
    monkeypatch.setattr(machine, "Settings", More)
    assert {"adapter.teacher", "train.foo"} <= {info.key for info in all_settings()}


class Stop(Exception):
    pass


def metadata_of(settings: Settings, monkeypatch) -> str:
    """What ``write_trained`` hands over to the writer of files, all of it as text."""
    written = {}

    def take(*_, metadata, **__):
        written.update(metadata)
        raise Stop

    monkeypatch.setattr(export, "write_lora", take)
    monkeypatch.setattr(export, "_ranks", lambda adapter: ((4, 4.0), None))
    base = SimpleNamespace(family="sd1", prediction="epsilon", name="a-base", inpainting=False)
    adapter = SimpleNamespace(kind=KINDS["lora"], options={})
    trainee = SimpleNamespace(base=base, adapter=adapter, configs={}, models={})
    path = SimpleNamespace(stem="x", with_name=lambda name: SimpleNamespace(unlink=lambda missing_ok: None))
    with pytest.raises(Stop):
        facts = export.facts_of(settings, [], 1, 1, "no", None)
        export.write_trained(path, settings, trainee, facts, container="kohya", dtype="fp16")
    return json.dumps(written)


def private(info) -> object:
    return ["/home/ann/secret/one", r"C:\ann\secret\two=0.5"] if info.type is list else f"/home/ann/secret/{info.key}"


def test_no_path_of_any_setting_gets_into_a_file(more, monkeypatch):
    values = {info.key: private(info) for info in all_settings() if info.path}
    assert {"adapter.teacher", "adapter.helpers", "model.base", "run.folder"} <= set(values)
    told = metadata_of(make_settings(merge({}, values)), monkeypatch)
    assert "adapter.teacher" in told and "two=0.5" in told  # the last part stays
    assert "ann" not in told and "secret" not in told
    assert json.loads(told)["ss_log"] == json.loads(told)["ss_other_log"] == "train.log"


def test_a_path_that_is_not_declared_as_one_would_leak(more, monkeypatch):
    """The guard above sees what it looks for."""
    monkeypatch.setattr(export, "without_paths", lambda settings: settings)
    assert "secret" in metadata_of(make_settings({"adapter": {"teacher": "/home/ann/secret/x"}}), monkeypatch)
    monkeypatch.setattr(export, "without_paths", machine.without_paths)
    monkeypatch.setattr(machine, "without_paths", lambda settings: settings)
    assert "secret" in metadata_of(make_settings({"train": {"log": "/home/ann/secret/x"}}), monkeypatch)


def test_text_settings_whose_names_say_so_are_declared_as_paths():
    named = {info.key for info in all_settings() if {"folder", "file"} & set(info.key.replace("_", ".").split("."))}
    assert {key for key in named if not key.endswith("side_files")} <= {i.key for i in all_settings() if i.path}


def test_a_pasted_path_loses_its_quotes(more):
    made = make_settings({"adapter": {"teacher": ' "/a b" ', "helpers": ["'x y'=0.5"]}})
    assert (made.adapter.teacher, made.adapter.helpers) == ("/a b", ["x y=0.5"])


def test_a_measurement_is_not_used_again_with_another_value_of_a_new_setting(more):
    def key(**train):
        return probe.key_of(make_settings({"train": train}))

    assert key(foo=2) != key() == key(foo=1)
    assert key(bar=2) == key()
    assert probe.key_of(make_settings({"adapter": {"teacher": "x"}})) != key()


def test_what_a_new_setting_says_of_itself_is_on_the_page(more):
    assert [info.key for group, infos in layout.grouped() if group == "memory" for info in infos][-1] == "train.foo"
    assert "train.foo" in form.own() and "adapter.teacher" in form.path_fields()
    assert place.path_settings()["adapter.teacher"] == "file"
    field = form.make_field(form.shown()["train.foo"])
    assert (field.label, field.info) == ("Foo", "Whatever.")
    told = json.dumps(wiring.for_script(list(form.shown())))
    assert '"applies": [["train.foo", "is:2"]]' in told and '"slider": [1, 2]' in told


def test_the_checks_say_when_a_new_setting_idles(more):
    def said(**train):
        return [p.what for p in idle(Case(make_settings({"train": train}), None, None))]

    assert said(bar=5) == [say("settings.no_effect", key="train.bar", because="train.foo is not 2")]
    assert said(bar=5, foo=2) == []


def test_an_open_setting_is_filled_in_from_the_one_it_follows_and_opens_again_with_it(more):
    settings = filled(make_settings({"train": {"foo": 2, "lr": 3e-4}}))
    assert (settings.train.far, settings.train.text_encoder_lr) == (0.5, 1.5e-4)
    assert opened(settings, {"train.steps"}) == settings.model_dump()
    again = make_settings(merge(opened(settings, {"train.foo"}), {"train.foo": 4}))
    assert filled(again).train.far == 1 and again.train.text_encoder_lr == 1.5e-4
    chosen = filled(make_settings({"train": {"foo": 2, "far": 0.75}}))
    assert chosen.train.far == 0.75 == opened(chosen, {"train.foo"})["train"]["far"]


def test_what_follows_names_settings_that_there_are_and_none_that_follows_itself():
    infos = {info.key: info for info in all_settings()}
    followed = {key for info in infos.values() if info.follows for key in info.follows.keys}
    assert followed and all(infos[key].follows is None for key in followed)


def test_what_is_worked_out_from_a_setting_knows_a_new_one(more):
    assert "train.far" in keys_into("epochs") and "train.far" not in keys_into("sight")


def test_what_the_model_sees_is_worked_out_from_the_settings_that_say_so():
    """The tab reads these from the form, and no others."""

    class Read(dict):
        def get(self, key, default=None):
            read.add(key)
            return super().get(key, default)

    read: set[str] = set()
    sight.Training.of(Read())
    assert read == set(keys_into("sight")) == set(sight.KEYS)


def test_a_lora_file_tells_nothing_twice():
    names = [name for info in all_settings() for name in info.recorded]
    assert len(names) == len(set(names)) > 10


def test_the_conditions_name_settings_that_there_are():
    keys = {info.key for info in all_settings()} | {"base.family"}
    for info in all_settings():
        assert set(info.when.rules) <= keys
        assert all(t in ("set", "unset") or t.split(":")[0] in ("is", "not", "like") for t in info.when.rules.values())


@pytest.mark.parametrize(
    ("value", "test", "passes"),
    [(0, "set", False), ("x", "set", True), ([], "unset", True), (2, "is:2", True), ("a", "not:a", False),
     (" org/name ", r"like:^\w+/\w+$", True), ("./x", r"like:^\w+/\w+$", False)],
)  # fmt: skip
def test_tests_of_conditions(value, test, passes):
    assert holds(value, test) == passes


def test_any_rule_is_enough_and_none_means_always():
    infos = {info.key: info for info in all_settings()}
    keep = infos["data.keep_tags"]
    assert not applies(keep, Settings())
    assert applies(keep, make_settings({"data": {"tag_dropout": 0.5}}))
    assert applies(infos["train.lr"], Settings())
    assert not applies(infos["model.clip_skip"], Settings(), family="sdxl")


def test_without_paths_is_a_copy_of_which_the_rest_stays():
    made = make_settings({"data": {"folder": "/a/b"}, "train": {"seed": 7}})
    bare = machine.without_paths(made)
    assert (bare.data.folder, made.data.folder, bare.train) == ("b", "/a/b", made.train)
    assert value_of(bare, "data.folder") == "b" and "/a" not in dump_settings(bare)

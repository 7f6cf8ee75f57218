"""Choices that do nothing are said, each with its reason; choices that act, and the presets, are not."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from sdlora.check import effects
from sdlora.check.case import Case
from sdlora.check.effects import TABLE
from sdlora.settings import all_settings, make_settings, merge
from ui.tabs.settings import presets


@dataclass(frozen=True)
class Captioned:
    caption: str


SETS = [  # (settings that leave one idle, captions, its key, what makes it act)
    ({"train.warmup": 5, "train.scheduler": "constant"}, "train.warmup", {"train.scheduler": "constant_with_warmup"}),
    ({"train.power": 2}, "train.power", {"train.scheduler": "polynomial"}),
    ({"train.lr_floor": 0.1, "train.scheduler": "constant"}, "train.lr_floor", {"train.scheduler": "linear"}),
    ({"train.step_rules": "1:9,0.1"}, "train.step_rules", {"train.scheduler": "piecewise_constant"}),
    ({"train.scheduler": "piecewise_constant"}, "train.scheduler", {"train.step_rules": "1:9,0.1"}),
    ({"train.ema_decay": 0.9, "train.optimizer": "schedule_free_adamw", "train.scheduler": "constant"},
     "train.ema_decay", {"train.optimizer": "adamw"}),
    ({"train.cycles": 2}, "train.cycles", {"train.scheduler": "cosine_with_restarts"}),
    ({"train.scheduler": "cosine_with_restarts", "train.cycles": 1}, "train.scheduler", {"train.cycles": 2}),
    ({"train.text_encoder_lr": 1e-5, "adapter.text_encoder": False}, "train.text_encoder_lr",
     {"adapter.text_encoder": True}),
    ({"train.text_encoder_lr": 0}, "adapter.text_encoder", {"train.text_encoder_lr": 1e-5}),
    *(({f"adapter.{name}": value, "adapter.start_from": "x.safetensors"}, f"adapter.{name}", {"adapter.start_from": ""})
      for name, value in {"kind": "dora", "rank": 3, "alpha": 3, "targets": "full", "rank_pattern": {"*": 2},
                          "alpha_pattern": {"*": 2}, "rslora": True}.items()),
    ({"train.min_snr_gamma": 3, "train.weighting": "debiased"}, "train.min_snr_gamma", {"train.weighting": "min_snr"}),
    ({"train.p2_gamma": 0.5}, "train.p2_gamma", {"train.weighting": "p2"}),
    ({"train.rank_dropout": 0.1, "adapter.kind": "loha"}, "train.rank_dropout", {"adapter.kind": "dora"}),
    ({"train.rank_at_noise": 0.5, "adapter.kind": "lokr"}, "train.rank_at_noise", {"adapter.kind": "lora"}),
    ({"adapter.factor": 4}, "adapter.factor", {"adapter.kind": "lokr"}),
    ({"train.pyramid_discount": 0.5}, "train.pyramid_discount", {"train.pyramid_noise": 6}),
    ({"train.timestep_bias": 0.5}, "train.timestep_bias", {"train.timesteps": "logit_normal"}),
    ({"train.timestep_spread": 2}, "train.timestep_spread", {"train.timesteps": "logit_normal"}),
    ({"data.keep_tags": 3}, "data.keep_tags", {"data.shuffle_tags": True}),
    ({"model.revision": "main"}, "model.revision", {"model.base": "some/model"}),
    ({"sample.negative": "blurry", "sample.guidance": 1}, "sample.negative", {"sample.guidance": 2}),
    ({"data.shuffle_tags": True, "data.keep_tags": 3}, "data.shuffle_tags", {"data.keep_tags": 2}),
    ({"data.tag_dropout": 0.5, "data.keep_tags": 4}, "data.tag_dropout", {"data.keep_tags": 3}),
    ({"train.prior_weight": 0.5}, "train.prior_weight", {"data.class_prompts": ["a dog"]}),
    ({"train.unmasked_weight": 0.5}, "train.unmasked_weight", {"data.masks": "alpha"}),
    ({"data.class_prompts": ["a dog"], "data.regularization": "/dogs"}, "data.class_prompts",
     {"data.regularization": ""}),
    ({"data.max_tokens": 100}, "data.max_tokens", {"data.max_tokens": 150}),
    ({"validation.held_out": 2, "validation.every": 0}, "validation.held_out", {"validation.every": 5}),
    ({"validation.drift_bound": 0.1, "validation.every": 0}, "validation.drift_bound", {"validation.every": None}),
    ({"validation.patience": 3, "validation.held_out": 0}, "validation.patience", {"validation.held_out": 2}),
]  # fmt: skip
ON_CAPTIONS = {"data.weighted_captions", "data.wildcards", "data.caption_lines"}
CAPTIONS = [Captioned("red, round, fox"), Captioned("red, round")]


def without_effect(settings, items=()):
    """What the checks of ``effects`` say of settings with these captions."""
    case = Case(settings, None, SimpleNamespace(items=tuple(items)))
    on_captions = effects.idle_captions(case) if items else ()
    return [*effects.idle(case), *on_captions, *effects.uneven_length(case), *effects.unmeasured(case)]


def said(values, items=CAPTIONS):
    return {p.where: str(p) for p in without_effect(make_settings(merge({}, {"data.trigger": "zib"} | values)), items)}


@pytest.mark.parametrize(("values", "key", "cure"), SETS)
def test_what_does_nothing_is_said_until_it_acts(values, key, cure):
    assert set(said(values)) == {key} and "\n" not in said(values)[key]
    assert key not in said(values | cure)


def test_every_row_of_the_table_is_tried():
    declared = {info.key for info in all_settings() if info.when.because}
    assert {row.key for row in TABLE} | declared <= {key for _, key, _ in SETS} | ON_CAPTIONS
    assert all(row.key in {info.key for info in all_settings()} for row in TABLE)


def test_weights_in_captions():
    values = {"data.weighted_captions": True}
    assert set(said(values)) == {"data.weighted_captions"} and said(values, []) == {}
    assert said(values, [Captioned("a (red:1.2) fox")]) == {} == said(values, [Captioned("a fox BREAK snow")])


def test_wildcards_and_lines_of_captions():
    assert set(said({"data.wildcards": True})) == {"data.wildcards"}
    assert said({"data.wildcards": True}, [Captioned("a {red|blue} fox")]) == {}
    assert set(said({"data.caption_lines": "all"})) == {"data.caption_lines"}
    assert said({"data.caption_lines": "all"}, [Captioned("a fox\nsnow")]) == {}


@pytest.mark.parametrize("file", sorted(presets.FOLDER.glob("*.toml")), ids=lambda file: file.stem)
def test_presets_and_defaults_are_silent(file):
    assert without_effect(presets.load(file.stem)) == [] == without_effect(make_settings({}))

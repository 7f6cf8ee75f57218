"""Every optimizer, loss and schedule: a run with it stops and goes on bit for bit, and its file names it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from driving import drive, same, weights
from safetensors import safe_open

from sdlora.objectives import OBJECTIVES
from sdlora.settings import all_settings
from sdlora.train import loop
from sdlora.train.losses import LOSSES
from sdlora.train.optimizers import OPTIMIZERS
from sdlora.train.schedules import SCHEDULES
from sdlora.train.timesteps import DISTRIBUTIONS
from sdlora.train.weightings import WEIGHTINGS

TABLES = {
    "train.optimizer": OPTIMIZERS,
    "train.loss": LOSSES,
    "train.scheduler": SCHEDULES,
    "train.weighting": WEIGHTINGS,
    "train.timesteps": DISTRIBUTIONS,
}
ENTRIES = [(key, name) for key, table in TABLES.items() for name in table]
QUICK = {
    "train.steps": 4, "train.warmup": 1, "sample.prompts": [], "adapter.text_encoder": False,
    "adapter.targets": "cross-attn", "validation.every": 0, "save.every": 2,
}  # fmt: skip


def test_the_settings_offer_the_tables():
    choices = {info.key: info.choices for info in all_settings()}
    for key, table in TABLES.items():
        assert choices[key] == tuple(table)
        assert all(entry.name == name for name, entry in table.items())


@pytest.mark.parametrize(("key", "name"), ENTRIES)
def test_the_docs_tell_of_it(key, name):
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    part = text.split(f"(`{key}`)")[1].split("\n## ")[0]
    assert f"`{name}`" in part


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_docs_tell_of_an_objective(name):
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"| `{name}` | " in text.split("## What a model predicts")[1].split("\n## ")[0]


@pytest.mark.slow
@pytest.mark.parametrize(("key", "name"), ENTRIES)
def test_a_stopped_run_ends_as_a_whole_one(make_run, key, name):
    whole, settings = make_run(**QUICK, **{key: name})
    drive(whole, settings)
    run, settings = make_run(**QUICK, **{key: name})
    drive(run, settings, stop_after=2)
    begun = weights(run)
    drive(run, settings)
    assert not same(begun, weights(run)) and same(weights(whole), weights(run))
    metadata = safe_open(run.folder / "test.safetensors", "pt").metadata()
    assert metadata["ss_optimizer"] == OPTIMIZERS[settings.train.optimizer].recorded
    assert metadata["ss_lr_scheduler"] == settings.train.scheduler
    loss, weighting = LOSSES[settings.train.loss], WEIGHTINGS[settings.train.weighting]
    for kohyas, value in {**loss.recorded, **weighting.recorded}.items():
        assert metadata[f"ss_{kohyas}"] == str(value)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_disk_estimate_counts_what_the_optimizer_keeps(name):
    recipe = OPTIMIZERS[name]
    for shape in ((6, 4), (4, 6, 1, 1), (2, 4, 3, 3), (5,)):
        parameter = torch.nn.Parameter(torch.ones(shape))
        optimizer = recipe.make([{"params": [parameter], "lr": 1e-3}], weight_decay=0.0)
        parameter.grad = torch.ones(shape)
        optimizer.step()
        kept = [v.numel() for v in optimizer.state[parameter].values() if isinstance(v, torch.Tensor) and v.ndim]
        assert recipe.moments(shape) == sum(kept), shape


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_knows_what_it_is_of_nothing(name):
    """Its mean over unit noise, by the trapezoidal rule; 0 where the prediction is right; smooth enough to descend."""
    grid = np.linspace(-8, 8, 20001)
    values = LOSSES[name].of(torch.zeros(len(grid), dtype=torch.float64), torch.from_numpy(grid)).numpy()
    mean = np.trapezoid(values * np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), grid)
    assert LOSSES[name].of_nothing == pytest.approx(mean, rel=1e-3)
    assert LOSSES[name].of(torch.ones(3), torch.ones(3)).abs().max() == 0


def test_an_optimizer_with_a_schedule_of_its_own_gets_a_constant_rate(make_run, monkeypatch):
    recipe = OPTIMIZERS["adamw"]
    monkeypatch.setitem(OPTIMIZERS, "adamw", type(recipe)(**{**vars(recipe), "own_schedule": True}))
    run, settings = make_run(**{**QUICK, "train.scheduler": "linear", "train.warmup": 0, "train.steps": 2})
    events = drive(run, settings)
    assert {event.lr for event in events if isinstance(event, loop.StepDone)} == {settings.train.lr}

"""Entries that nobody has heard of, and that all of the program knows: run by test_recipes.py, with ``-p made_up``.

pytest loads this before anything reads the tables, as it would be if the entries stood there.
"""

import dataclasses
from argparse import ArgumentParser
from functools import cache
from math import prod
from types import ModuleType

import pytest

from sdlora.adapters.table import KINDS, PLAIN
from sdlora.commands.table import COMMANDS, Command
from sdlora.objectives import OBJECTIVES, Objective, add_noise
from sdlora.train.losses import LOSSES, Loss
from sdlora.train.optimizers import OPTIMIZERS, Recipe
from sdlora.train.schedules import SCHEDULES, Schedule

NAME = "made_up"


def momentum(groups, weight_decay):
    from torch.optim import SGD

    return SGD(groups, momentum=0.5, weight_decay=weight_decay)


def layer_class() -> type:
    """A LoRA whose other factor starts at zero."""
    import torch

    from sdlora.adapters.lora.layer import LoRALayer

    class Layer(LoRALayer):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            up, down = self.up.weight, self.down.weight
            with torch.no_grad():
                up.copy_(torch.randn(up.shape, generator=torch.Generator().manual_seed(up.numel())))
                down.zero_()

        def tensors(self):
            """The factors, in the order in which the kind has them."""
            return {"made_b": self.up.weight, "made_a": self.down.weight}

    return Layer


@cache
def form():
    """Tensors that no file has had yet; one of them is called otherwise in files, or in two ways."""
    from sdlora.adapters.form import Form

    return Form(
        name=NAME,
        shown=lambda names: "Made-up",
        needed=frozenset({"made_a", "made_b"}),
        product=lambda parts: parts["made_b"].flatten(1) @ parts["made_a"].flatten(1),
        size=lambda parts: (parts["made_b"].shape[0], parts["made_a"][0].numel()),
        kernel=lambda parts: tuple(parts["made_a"].shape[2:]),
        fits=lambda parts: parts["made_a"].shape[0] == parts["made_b"].shape[1],
        ranked=("made_a",),
        factors=lambda parts: (parts["made_a"], parts["made_b"]),
        leaves={"kohya": {"made_a": "made_first.weight"}},
        spellings=((r"\.zaphod_a", "made_a"),),
    )


class MadeUpKind(type(PLAIN)):
    def layer_class(self) -> type:
        return layer_class()

    def form(self):
        return form()


KINDS[NAME] = MadeUpKind(
    **{field.name: getattr(PLAIN, field.name) for field in dataclasses.fields(PLAIN)}
    | {
        "name": NAME,
        "title": "Made-up",
        "factors": {"made_b": 1, "made_a": 0},
        "network_args": {"algo": NAME},
        "readers": ("A1111", "InvokeAI"),
        "containers": ("kohya",),
    }
)
OPTIMIZERS[NAME] = Recipe(
    name=NAME, title="Made-up", make=momentum, moments=lambda shape: prod(shape), recorded="made.up", highest_lr=0.5
)
LOSSES[NAME] = Loss(
    name=NAME, of=lambda predicted, target: (predicted - target).pow(4), of_nothing=3.0, recorded={"loss_type": NAME}
)
OBJECTIVES[NAME] = Objective(  # the image itself, which diffusers calls so
    name=NAME, title="made-up prediction", noisy=add_noise, target=lambda x0, noise, a: x0,
    weight=lambda a, gamma: (a / (1 - a)).clamp(max=gamma), scheduler="sample", recorded="made.up",
    stated={"modelspec.prediction_type": ("made.up",)}, marker="made_up_tensor",
    named=lambda name: "frood" in name, shown=lambda spread: spread("made_up_tensor") and spread("made_up_tensor") > 5,
)  # fmt: skip
SCHEDULES[NAME] = Schedule(NAME, factor=lambda step, warmup, steps, cycles: 1 / (1 + step))
COMMANDS[NAME] = Command("say what a person has made up")

SETTINGS = {"adapter.kind": KINDS, "train.optimizer": OPTIMIZERS, "train.loss": LOSSES, "train.scheduler": SCHEDULES}
ALL = dict.fromkeys(SETTINGS, NAME)


@pytest.mark.parametrize("key", [*SETTINGS, "model.prediction"])
def test_command_line_page_and_files_offer_it(key):
    from sdlora.commands.train import add_arguments
    from sdlora.settings import all_settings, make_settings, merge
    from ui.tabs.settings import form

    info = next(info for info in all_settings() if info.key == key)
    assert info.choices == tuple(SETTINGS.get(key, ("auto", *OBJECTIVES)))
    assert make_settings(merge({}, {key: NAME}))
    parser = ArgumentParser()
    add_arguments(parser)
    assert NAME in parser.format_help()
    field = form.make_field(form.shown()[key])
    assert NAME in [value for _, value in field.choices]


def test_checks_size_and_measurement_know_all_of_them():
    from sdlora.check import prepare
    from sdlora.check.size import growth, growths
    from sdlora.families.base import inspect_base
    from sdlora.settings import make_settings, merge
    from ui.tabs.settings import probe

    settings = make_settings(merge({}, ALL))
    ready = prepare(settings)
    assert {problem.where for problem in ready.fatal} == {"data.folder"}
    assert any("Made-up" in problem.what for problem in ready.problems if problem.where == "adapter.kind")
    info = inspect_base("tiny")
    assert growth(info, settings) == growth(info, make_settings({}))
    assert ("full", True, NAME) in growths(info, {})
    assert probe.key_of(settings) != probe.key_of(make_settings({}))
    high = prepare(make_settings(merge({}, {"train.optimizer": NAME, "train.lr": 0.6})))
    assert any("Made-up" in problem.what for problem in high.problems if problem.where == "train.lr")


def test_a_command_is_offered_and_runs(monkeypatch, capsys):
    import sys

    from sdlora.cli import main

    module = ModuleType(f"sdlora.commands.{NAME}")
    module.add_arguments = lambda parser: parser.add_argument("word")
    module.run = lambda args: print(args.word) or 7
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "say what a person has made up" in capsys.readouterr().out
    assert main([NAME, "frood"]) == 7 and "frood" in capsys.readouterr().out


def test_a_check_is_asked_by_everybody(monkeypatch, capsys, tmp_path):
    from sdlora.check import prepare, table
    from sdlora.check.case import Check
    from sdlora.cli import main
    from sdlora.errors import Problem
    from ui.shell.place import Place
    from ui.tabs.settings.state import form_state

    found = Problem("It is made up.", "Make it true.", "train.lr")
    monkeypatch.setattr(table, "CHECKS", (*table.CHECKS, Check(lambda case: [found])))
    assert found in prepare({}).problems
    assert found in form_state(Place(tmp_path), {}).problems
    assert main(["check"]) != 0
    told = capsys.readouterr()
    assert "It is made up. Make it true." in told.out + told.err


def test_a_command_in_the_background_is_a_line(monkeypatch):
    import sys

    from ui.background.table import JOBS
    from ui.background.task import Task

    said = "print('{\"done\": 3}')"
    monkeypatch.setitem(JOBS, NAME, lambda folder, word: [sys.executable, "-c", said, word])
    task = Task(NAME)
    assert task.start("frood")
    task.wait(60)
    assert not task.running and task.state().reported == {"done": 3} and not task.state().failed


def test_a_run_with_all_of_them_ends_in_a_file_that_names_them(make_run):
    from driving import drive
    from safetensors import safe_open

    from sdlora.events import Finished
    from sdlora.lorafiles.read import look

    quick = {"train.steps": 2, "sample.prompts": [], "adapter.targets": "cross-attn", "train.lr": 0.1}
    run, settings = make_run(**quick, **ALL)
    assert [event.why for event in drive(run, settings) if isinstance(event, Finished)] == ["done"]
    file = run.folder / "test.safetensors"
    metadata = safe_open(file, "pt").metadata()
    assert metadata["ss_optimizer"] == "made.up" and metadata["ss_lr_scheduler"] == metadata["ss_loss_type"] == NAME
    assert NAME in metadata["ss_network_args"] and f'kind = "{NAME}"' in metadata["sdlora_settings"]
    lora = look(file).lora
    assert {lora.kind_shown(name) for name in lora.changes} == {"Made-up"}
    with safe_open(file, "pt") as tensors:
        assert {key.partition(".")[2] for key in tensors.keys()} == {"made_first.weight", "made_b", "alpha"}  # noqa: SIM118


def test_a_kind_of_new_tensors_is_read_from_any_spelling(tmp_path):
    import torch
    from safetensors.torch import save_file

    from sdlora.lorafiles.read import read_lora

    a, b, stem = (
        torch.randn(2, 12),
        torch.randn(8, 2),
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k",
    )
    for leaf in ("made_first.weight", "zaphod_a"):
        tensors = {f"{stem}.{leaf}": a, f"{stem}.made_b": b, f"{stem}.alpha": torch.tensor(6.0)}
        save_file(tensors, tmp_path / "x.safetensors", {"ss_base_model_version": "sd_v1"})
        lora = read_lora(tmp_path / "x.safetensors")
        (name,) = lora.changes
        torch.testing.assert_close(lora.delta(name), 3 * b @ a)
        torch.testing.assert_close(lora.modules[name][1] @ lora.modules[name][0] * lora.modules[name][2], 3 * b @ a)


def test_a_model_that_predicts_it_is_known_trained_and_drawn_with(make_run, tmp_path):
    from base_models import make_base
    from driving import drive
    from safetensors import safe_open

    from sdlora.events import Finished, Sampled
    from sdlora.families.base import inspect_base
    from sdlora.messages import say

    base = make_base(tmp_path / "base", prediction="sample")
    info = inspect_base(str(base))
    assert (info.prediction, info.evidence) == (NAME, say("models.evidence_scheduler_config"))
    assert "made-up prediction" in info.described
    quick = {"train.steps": 1, "sample.prompts": ["a cat"], "sample.every": 1, "sample.steps": 2}
    run, settings = make_run(**quick, **{"model.base": str(base), "adapter.text_encoder": False})
    events = drive(run, settings)
    assert [event.why for event in events if isinstance(event, Finished)] == ["done"]
    assert [event for event in events if isinstance(event, Sampled)]
    metadata = safe_open(run.folder / "test.safetensors", "pt").metadata()
    assert metadata["modelspec.prediction_type"] == "made.up" and metadata["ss_base_model_version"] == "sd_v1"


def test_a_single_file_that_predicts_it_is_told_by_any_of_its_signs(bases, tmp_path):
    import torch
    from base_models import write_single_file
    from safetensors.torch import load_file, save_file

    from sdlora.check.base import as_wished
    from sdlora.families.base import contradictions, inspect_base
    from sdlora.families.shared.checkpoint import guess_prediction
    from sdlora.families.shared.load import load_scheduler
    from sdlora.settings import make_settings, merge

    tensors = load_file(write_single_file(bases("sd2"), "sd2", tmp_path / "plain.safetensors"))

    def told(name="plain", metadata=None, **more):
        save_file({**tensors, **more}, tmp_path / f"{name}.safetensors", metadata)
        return inspect_base(str(tmp_path / f"{name}.safetensors"))

    assert told().prediction == next(iter(OBJECTIVES)) and not told().evidence
    marked = told(made_up_tensor=torch.zeros(0))
    assert marked.prediction == told(metadata={"modelspec.prediction_type": "made.up"}).prediction == NAME
    assert "made_up_tensor" in marked.evidence and load_scheduler(marked).config.prediction_type == "sample"
    assert contradictions(marked, "v_prediction", "auto") and not contradictions(marked, NAME, "auto")
    assert guess_prediction("zaphod", None, False)[0] == told().prediction
    assert guess_prediction("a frood ztsnr", None, False)[:2] == (NAME, True)
    assert guess_prediction("zaphod", lambda name: 7.0 if name == "made_up_tensor" else None, False)[0] == NAME
    assert as_wished(told(), make_settings(merge({}, {"model.prediction": NAME})).model).prediction == NAME


def test_its_answer_is_told_from_the_others(monkeypatch):
    import torch

    from sdlora.train.measure import errors_of, looks_like

    clean, noise, a = torch.randn(2, 4, 32, 32), torch.randn(2, 4, 32, 32), torch.tensor([0.16, 0.16])
    for name, objective in OBJECTIVES.items():
        assert looks_like(errors_of(objective.target(clean, noise, a), clean, noise, a)) == name
    monkeypatch.setitem(OBJECTIVES, "unlike", Objective("unlike", "", lambda *_: a, lambda *_: a, lambda *_: a))
    assert set(errors_of(clean, clean, noise, a)) == set(OBJECTIVES) - {"unlike"}

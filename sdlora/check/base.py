"""The base model: what it is, how the settings want it read, wishes that it can't fulfil."""

from dataclasses import replace

from sdlora.check.case import Case, as_keys
from sdlora.errors import Problem, UserError
from sdlora.families.base import BaseInfo, contradictions, inspect_base
from sdlora.messages import Message, either, say
from sdlora.objectives import OBJECTIVES
from sdlora.settings import ModelSettings, Settings, TrainSettings
from sdlora.train.weightings import WEIGHTINGS


def known_base(settings: Settings) -> tuple[BaseInfo | None, list[Problem]]:
    """The base model that the settings name: (info, []), or (None, the problems that keep it from being one)."""
    try:
        return inspect_base(settings.model.base, settings.model.revision, settings.model.vae), []
    except UserError as error:
        return None, as_keys(error.problems, "model")


def wishes(case: Case) -> list[Problem]:
    """Settings that this base model can't fulfil: its prediction, schedule, clip skip."""
    info, model = case.base, case.settings.model
    problems = as_keys(contradictions(info, model.prediction, model.zero_snr), "model")
    prediction = info.prediction if model.prediction == "auto" else model.prediction
    ends_in_noise, objective = as_wished(info, model).zero_snr, OBJECTIVES[prediction]
    if ends_in_noise and not objective.learns_from_noise:
        what = say("settings.zero_snr_unlearnable", prediction=objective.title)
        others = either(entry.title for entry in OBJECTIVES.values() if entry.learns_from_noise)
        problems.append(Problem(what, say("settings.turn_off_zero_snr", prediction=others), "model.zero_snr"))
    if not info.spec.clip_skip and model.clip_skip != 1:
        what = say("settings.clip_skip_fixed", given=model.clip_skip, family=info.spec.title)
        problems.append(Problem(what, say("settings.set_to_1"), "model.clip_skip"))
    layers = min(info.config(root).get("num_hidden_layers", 12) for root in info.text_encoders)
    if info.spec.clip_skip and model.clip_skip > layers:
        what = say("settings.clip_skip_too_deep", given=model.clip_skip, count=layers)
        problems.append(Problem(what, say("settings.use_1_to", count=layers), "model.clip_skip"))
    return problems


def as_wished(info: BaseInfo, model: ModelSettings) -> BaseInfo:
    """The base model as the settings want it read: their prediction and noise schedule over the detected ones."""
    if model.prediction != "auto" and model.prediction != info.prediction:
        info = replace(info, prediction=model.prediction, evidence="model.prediction")
    return info if model.zero_snr == "auto" else replace(info, zero_snr=model.zero_snr == "on")


def base_in_short(info: BaseInfo, train: TrainSettings) -> Message:
    """One line on what is trained on and how that is known. info: ``as_wished``; train: resolved."""
    weighting = WEIGHTINGS[train.weighting].told(train)
    return say("models.in_short", described=info.described, told_by=info.told_by, weighting=weighting)

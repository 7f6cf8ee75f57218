"""The base model: what it is, how the settings want it read, wishes that it can't fulfil."""

from dataclasses import replace

from sdlora.check.case import Case
from sdlora.errors import Problem, UserError
from sdlora.families.base import BaseInfo, contradiction, inspect_base
from sdlora.settings import Model, Settings


def told(settings: Settings) -> tuple[BaseInfo | None, list[Problem]]:
    """(the base model, []) or (None, why it is none)."""
    try:
        return inspect_base(settings.model.base, settings.model.revision, settings.model.vae), []
    except UserError as error:
        return None, list(error.problems)


def wishes(case: Case) -> list[Problem]:
    """Wishes that this base model can't fulfil."""
    info, model = case.base, case.settings.model
    problems = contradiction(info, model.prediction, model.zero_snr)
    prediction = info.prediction if model.prediction == "auto" else model.prediction
    if (info.zero_snr if model.zero_snr == "auto" else model.zero_snr == "on") and prediction == "epsilon":
        what = "Zero terminal SNR leaves nothing to learn from in epsilon prediction."
        problems.append(Problem(what, 'Set model.zero_snr to "off", or choose a v-prediction model.', "model.zero_snr"))
    if not info.spec.clip_skip and model.clip_skip != 1:
        what = f"model.clip_skip is {model.clip_skip}, but {info.spec.title} always reads its second to last layer."
        problems.append(Problem(what, "Set it to 1.", "model.clip_skip"))
    layers = min(info.config(root).get("num_hidden_layers", 12) for root in info.text_encoders)
    if info.spec.clip_skip and model.clip_skip > layers:
        what = f"model.clip_skip is {model.clip_skip}, but the text encoder has {layers} layers."
        problems.append(Problem(what, f"Use 1 to {layers}.", "model.clip_skip"))
    return problems


def as_wished(info: BaseInfo, model: Model) -> BaseInfo:
    """The base model as the settings want it read: their prediction and noise schedule over the detected ones."""
    if model.prediction not in ("auto", info.prediction):
        info = replace(info, prediction=model.prediction, evidence="model.prediction")
    return info if model.zero_snr == "auto" else replace(info, zero_snr=model.zero_snr == "on")


def base_in_short(info: BaseInfo, min_snr_gamma: float) -> str:
    """One line on what is trained on and how that is known. info: ``as_wished``; the gamma is a resolved one."""
    weighting = f"min-SNR gamma {min_snr_gamma:g}" if min_snr_gamma else "no min-SNR weighting"
    return f"{info.described}; prediction {info.told_by}; {weighting}"

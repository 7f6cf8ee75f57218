"""One call under strong noise tells epsilon from v: closed forms, and the embedded model, which was really trained."""

import shutil
from dataclasses import replace

import pytest
import torch
from said import says

from sdlora.commands.table import EXAMPLE
from sdlora.events import Started, Warned
from sdlora.families.base import inspect_base
from sdlora.families.shared.load import load_scheduler
from sdlora.objectives import OBJECTIVES
from sdlora.train.loop import training
from sdlora.train.measure import SHARE, errors_of, looks_like, prediction_note
from sdlora.train.prepare import prepare_job
from sdlora.train.trainee import base_of, make_accelerator


@pytest.fixture(scope="module")
def drawn():
    g = torch.Generator().manual_seed(0)
    alphas = load_scheduler(inspect_base("tiny")).alphas_cumprod
    clean, noise = torch.randn(2, 4, 16, 16, generator=g), torch.randn(2, 4, 16, 16, generator=g)
    return clean, noise, alphas[[int(SHARE * len(alphas))] * 2]


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("blur", [0.0, 0.3])
def test_an_analytic_model_is_recognised(drawn, kind, blur):
    """A model that gives its target, exactly or with as much error as trained ones have."""
    g = torch.Generator().manual_seed(1)
    answer = OBJECTIVES[kind].target(*drawn)
    errors = errors_of(answer + blur * torch.randn(answer.shape, generator=g), *drawn)
    assert looks_like(errors) == kind and errors[kind] == pytest.approx(blur**2, abs=0.02)


@pytest.mark.parametrize("answer", ["nothing", "random", "constant"])
def test_a_model_that_has_learnt_nothing_speaks_for_neither(drawn, answer):
    clean = drawn[0]
    said = {"nothing": torch.zeros_like(clean), "random": torch.randn(clean.shape), "constant": torch.ones_like(clean)}
    assert looks_like(errors_of(said[answer], *drawn)) == ""


class Tilted(torch.nn.Module):
    """The v that an epsilon model's answer means, by x_t = sqrt(a) x0 + sqrt(1 - a) noise (Salimans & Ho 2022)."""

    def __init__(self, unet, alphas):
        super().__init__()
        self.unet, self.alphas, self.dtype, self.device = unet, alphas, unet.dtype, unet.device

    def forward(self, noisy, t, *args, **kwargs):
        answer, a = self.unet(noisy, t, *args, **kwargs), self.alphas[t].view(-1, 1, 1, 1)
        clean = (noisy - (1 - a).sqrt() * answer.sample) / a.sqrt()
        return type(answer)(sample=a.sqrt() * answer.sample - (1 - a).sqrt() * clean)


@pytest.fixture
def tiny_run(make_run, images):
    """On the embedded base, with pictures of its example."""
    for file, picture in zip(sorted(images.glob("*.png")), sorted(EXAMPLE.glob("*.png")), strict=False):
        shutil.copyfile(picture, file)
    changes = {"model.base": "tiny", "data.resolution": 128, "adapter.text_encoder": False, "sample.prompts": []}
    return make_run(**changes)


def test_trained_models_are_told_apart(tiny_run):
    run, settings = tiny_run
    preparation = prepare_job(settings, run, base_of(settings), make_accelerator("cpu", "fp32"))
    while True:
        try:
            next(preparation)
        except StopIteration as done:
            job = done.value
            break
    trainee, unet = job.trainee, job.trainee.unet
    for really, model in (("epsilon", unet), ("v_prediction", Tilted(unet, trainee.alphas_cumprod))):
        trainee.unet = model
        for own in OBJECTIVES:
            trainee.base = replace(trainee.base, prediction=own)
            note = prediction_note(trainee, job.items[0], job.latents, job.captioning, 0)
            assert (note is None) == (own == really), (really, own, note)
            if note:
                assert f"is trained as {own}" in note.what and f'to "{really}"' in note.fix and not note.fatal
    assert trainee.adapter.enabled


@pytest.mark.parametrize(("prediction", "notes"), [("epsilon", 0), ("v_prediction", 1)])
def test_a_run_says_it_once_before_its_first_step(tiny_run, prediction, notes):
    run, settings = tiny_run
    settings.model.prediction = prediction
    events, seen = training(settings, run), []
    for event in events:
        seen.append(event)
        if isinstance(event, Started) and len(seen) > 1:
            seen.append(next(events))
            break
    started = next(event for event in seen if isinstance(event, Started))
    assert prediction.replace("_prediction", "-prediction") in started.base and "read from" in started.base
    warned = [e.text for e in seen if isinstance(e, Warned)]
    assert sum(says(text, "models.prediction_doubtful") for text in warned) == notes

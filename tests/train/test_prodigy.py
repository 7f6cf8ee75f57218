"""Prodigy against the paper's algorithm 4 in float64, and what it needs that others don't."""

import math

import numpy as np
import pytest
import torch

from sdlora.check.case import Case
from sdlora.check.train import rates
from sdlora.settings import filled, make_settings, opened
from sdlora.train.optimizers import OPTIMIZERS


def by_the_paper(weight, gradients, lr, decay):
    """d from 1e-6 on; Adam's correction for its empty start in the rate; the sum without a warm-up's rate."""
    x, first = weight.copy(), weight.copy()
    mean, square, total, numerator, d = 0.0, 0.0, np.zeros_like(weight), 0.0, 1e-6
    for k, g in enumerate(gradients):
        step = d * lr * math.sqrt(1 - 0.999 ** (k + 1)) / (1 - 0.9 ** (k + 1))
        numerator = math.sqrt(0.999) * numerator + d / 1e-6 * step * (g * (first - x)).sum()
        mean = 0.9 * mean + 0.1 * d * g
        square = 0.999 * square + 0.001 * d * d * g * g
        total = math.sqrt(0.999) * total + d / 1e-6 * d * g
        d = max(d, numerator / np.abs(total).sum())
        x = x - step * decay * x - step * mean / (np.sqrt(square) + d * 1e-8)
    return x, d


def test_it_is_the_papers():
    """A bowl whose bottom is far: the gradients agree, so the distance that is found grows."""
    start, bottom = np.zeros((3, 4)), np.linspace(1, 5, 12).reshape(3, 4)
    gradients = [(start - bottom) * (1 - n / 100) for n in range(60)]
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer = OPTIMIZERS["prodigy"].make([{"params": [parameter], "lr": 1.0}], weight_decay=0.1)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    expected, d = by_the_paper(start, gradients, 1.0, 0.1)
    assert d > 1e-3  # a thousand times where it began
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-6)
    assert optimizer.param_groups[0]["d"] == pytest.approx(d, rel=1e-6)


def test_the_text_encoder_has_the_same_rate_unless_it_is_set():
    settings = filled(make_settings({"train": {"optimizer": "prodigy", "lr": 1.0}}))
    assert settings.train.text_encoder_lr == 1.0
    assert opened(settings, {"train.optimizer"})["train"]["text_encoder_lr"] is None
    assert filled(make_settings({"train": {"lr": 1e-4}})).train.text_encoder_lr == 5e-5


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"lr": 1.0}, []),
        ({"lr": 1.0, "text_encoder_lr": 0.0}, []),
        ({"lr": 1e-4}, [("train.lr", False)]),
        ({"lr": 1.0, "text_encoder_lr": 0.5}, [("train.text_encoder_lr", True)]),
    ],
)
def test_rates_that_it_does_not_take_are_said(values, found):
    settings = filled(make_settings({"train": {"optimizer": "prodigy", **values}}))
    assert [(p.where, p.fatal) for p in rates(Case(settings, None, None))] == found

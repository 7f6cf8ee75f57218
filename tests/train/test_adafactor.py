"""Adafactor against the paper's algorithms 4 and 5 in float64."""

import numpy as np
import pytest
import torch

from sdlora.train.optimizers import OPTIMIZERS


def by_the_paper(weight, gradients, lr, decay):
    """X after the steps: beta2 = 1 - t^-0.8, eps 1e-30, updates of a root mean square of at most 1."""
    x, rows, columns, whole = weight.astype(np.float64), 0.0, 0.0, 0.0
    for t, g in enumerate(gradients.astype(np.float64), 1):
        beta, square = 1 - t**-0.8, g**2 + 1e-30
        if g.ndim > 1:
            rows = beta * rows + (1 - beta) * square.sum(-1)
            columns = beta * columns + (1 - beta) * square.sum(-2)
            v = rows[..., :, None] * columns[..., None, :] / rows.sum(-1)[..., None, None]
        else:
            v = whole = beta * whole + (1 - beta) * square
        u = g / np.sqrt(v)
        x = x * (1 - lr * decay) - lr * u / max(1.0, np.sqrt((u**2).mean()))
    return x


@pytest.mark.parametrize("shape", [(5, 7), (6,), (4, 3, 3, 3)])
def test_it_is_the_papers(shape):
    dice = np.random.default_rng(1)
    weight, gradients = dice.normal(size=shape), dice.normal(size=(6, *shape)) ** 3
    parameter = torch.nn.Parameter(torch.tensor(weight))
    optimizer = OPTIMIZERS["adafactor"].make([{"params": [parameter], "lr": 0.05}], weight_decay=0.1)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(parameter.detach().numpy(), by_the_paper(weight, gradients, 0.05, 0.1), rtol=1e-6)

"""CAME against the paper's algorithm 2 in float64."""

import numpy as np
import torch

from sdlora.train.optimizers import OPTIMIZERS


def roots(rows, columns):
    """The square root of the matrix that a row and a column of means stand for (Adafactor's equation)."""
    return np.sqrt(rows[:, None] * columns[None, :] / rows.mean())


def by_the_paper(weight, gradients, lr, decay):
    """betas 0.9, 0.999, 0.9999, eps 1e-30 and 1e-16, updates of a root mean square of at most 1."""
    x, mean = weight.astype(np.float64), np.zeros_like(weight)
    sums = [0.0, 0.0, 0.0, 0.0]
    for g in gradients:
        square = g**2 + 1e-30
        sums[0] = 0.999 * sums[0] + 0.001 * square.mean(1)
        sums[1] = 0.999 * sums[1] + 0.001 * square.mean(0)
        update = g / roots(sums[0], sums[1])
        update = update / max(1.0, np.sqrt((update**2).mean()))
        mean = 0.9 * mean + 0.1 * update
        odd = (update - mean) ** 2 + 1e-16
        sums[2] = 0.9999 * sums[2] + 0.0001 * odd.mean(1)
        sums[3] = 0.9999 * sums[3] + 0.0001 * odd.mean(0)
        x = x * (1 - lr * decay) - lr * mean / roots(sums[2], sums[3])
    return x


def test_it_is_the_papers():
    dice = np.random.default_rng(1)
    weight, gradients = dice.normal(size=(5, 7)), dice.normal(size=(6, 5, 7)) ** 3
    parameter = torch.nn.Parameter(torch.tensor(weight))
    optimizer = OPTIMIZERS["came"].make([{"params": [parameter], "lr": 0.001}], weight_decay=0.1)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(parameter.detach().numpy(), by_the_paper(weight, gradients, 0.001, 0.1), rtol=1e-6)

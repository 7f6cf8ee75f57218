"""Lion against the paper's algorithm 2 in float64."""

import numpy as np
import torch

from sdlora.train.optimizers import OPTIMIZERS


def by_the_paper(weight, gradients, lr, decay):
    """beta1 0.9 mixes the update, beta2 0.99 the mean; the sign of the mix, and the decay, times the rate."""
    x, mean = weight.astype(np.float64), np.zeros_like(weight)
    for gradient in gradients:
        x = x - lr * (np.sign(0.9 * mean + 0.1 * gradient) + decay * x)
        mean = 0.99 * mean + 0.01 * gradient
    return x


def test_it_is_the_papers():
    dice = np.random.default_rng(1)
    weight, gradients = dice.normal(size=(5, 7)), dice.normal(size=(6, 5, 7))
    parameter = torch.nn.Parameter(torch.tensor(weight))
    optimizer = OPTIMIZERS["lion"].make([{"params": [parameter], "lr": 0.05}], weight_decay=0.1)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(parameter.detach().numpy(), by_the_paper(weight, gradients, 0.05, 0.1), rtol=1e-9)

"""Smooth L1 against the formula in diffusers' and kohya's training scripts, and its two ends."""

import torch

from sdlora.train.losses import LOSSES


def theirs(model_pred, target, huber_c=0.1):
    """diffusers, examples/research_projects/scheduled_huber_loss_training: conditional_loss, loss_type "smooth_l1"."""
    return 2 * (torch.sqrt((model_pred - target) ** 2 + huber_c**2) - huber_c)


def test_it_is_the_one_of_diffusers_and_kohya():
    g = torch.Generator().manual_seed(0)
    predicted, target = torch.randn(2, 4, 8, 8, generator=g), torch.randn(2, 4, 8, 8, generator=g)
    torch.testing.assert_close(LOSSES["smooth_l1"].of(predicted, target), theirs(predicted, target))


def test_it_is_square_when_small_and_absolute_when_large():
    small, large, nothing = (torch.tensor([x], dtype=torch.float64) for x in (1e-4, 1e4, 0.0))
    torch.testing.assert_close(LOSSES["smooth_l1"].of(small, nothing), small**2 / 0.1, rtol=1e-5, atol=0)
    torch.testing.assert_close(LOSSES["smooth_l1"].of(large, nothing), 2 * large, rtol=1e-4, atol=0)

"""Mean squared error (Ho et al. 2020, eq. 14)."""

from sdlora.train.losses.loss import Loss

LOSS = Loss(
    name="mse",
    of=lambda predicted, target: (predicted - target).pow(2),
    of_nothing=1.0,
    recorded={"loss_type": "l2"},
)

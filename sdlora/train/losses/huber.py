"""Pseudo-Huber loss: squared where small, absolute where large, so that outliers pull less.

Charbonnier et al. 1997, as diffusers and kohya's sd-scripts have it under "huber", with the constant schedule:
2 c (sqrt((predicted - target)^2 + c^2) - c).
"""

from sdlora.train.losses.loss import Loss

C = 0.1  # huber_c, both tools' default

LOSS = Loss(
    name="huber",
    of=lambda predicted, target: 2 * C * (((predicted - target).pow(2) + C**2).sqrt() - C),
    of_nothing=0.1424,
    recorded={"loss_type": "huber", "huber_schedule": "constant", "huber_c": C},
)

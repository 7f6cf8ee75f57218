"""Smooth L1: the absolute distance with its corner rounded off, so that all images pull alike, far off or not.

Charbonnier et al. 1997, as diffusers and kohya's sd-scripts have it under "smooth_l1", with the constant schedule:
2 (sqrt((predicted - target)^2 + c^2) - c).
"""

from sdlora.train.losses.loss import Loss

WIDTH = 0.1  # of the corner: huber_c, both tools' default

LOSS = Loss(
    name="smooth_l1",
    of=lambda predicted, target: 2 * (((predicted - target).pow(2) + WIDTH**2).sqrt() - WIDTH),
    of_nothing=1.424,
    recorded={"loss_type": "smooth_l1", "huber_schedule": "constant", "huber_c": WIDTH},
)

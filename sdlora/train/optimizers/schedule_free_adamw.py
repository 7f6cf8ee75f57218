"""Schedule-free AdamW (Defazio et al. 2024, algorithm 1), pytorch_optimizer's: it needs no schedule and no end.

It trains at y, between the steps' own sequence z and their average x; x is what is measured, drawn and exported.
"""

from math import prod

from sdlora.train.optimizers.recipe import Recipe

BETAS = (0.9, 0.999)


def make(groups, weight_decay: float):
    """Schedule-free AdamW over parameter groups."""
    from pytorch_optimizer import ScheduleFreeAdamW

    return ScheduleFreeAdamW(groups, betas=BETAS, weight_decay=weight_decay)


def averaged(optimizer, parameter):
    """x of a parameter, out of y = beta x + (1 - beta) z; None before its first step."""
    z = optimizer.state.get(parameter, {}).get("z")
    return None if z is None else parameter.detach().lerp(z, 1 - 1 / BETAS[0])


RECIPE = Recipe(
    name="schedule_free_adamw",
    title="Schedule-free AdamW",
    make=make,
    moments=lambda shape: 2 * prod(shape),  # z, and the squared gradient
    recorded="pytorch_optimizer.optimizer.schedulefree.ScheduleFreeAdamW",
    own_schedule=True,
    averaged=averaged,
)

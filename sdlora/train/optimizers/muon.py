"""Muon (Jordan et al. 2024), pytorch_optimizer's: each step of a matrix has all its singular values near 1.

With the scale of Liu et al. 2025 ("Muon is scalable for LLM training", 0.2 sqrt(longer side)), so that AdamW's rates
fit. What is no matrix (DoRA's magnitudes) is AdamW's, with their betas.
"""

from math import prod

from sdlora.train.optimizers.recipe import Recipe


def make(groups, weight_decay: float):
    """Muon over the matrices and convolutions of parameter groups, AdamW over the rest."""
    from pytorch_optimizer import Muon

    split = []
    for group in ({"weight_decay": weight_decay, **group} for group in groups):
        matrices = [p for p in group["params"] if p.ndim > 1]
        others = [p for p in group["params"] if p.ndim < 2]
        if matrices or not others:
            split.append({**group, "params": matrices, "use_muon": True, "use_adjusted_lr": True})
        if others:
            name = {"name": f"{group['name']}.vectors"} if matrices and "name" in group else {}
            split.append({**group, **name, "params": others, "use_muon": False})
    made = Muon(split)
    # As a default it is known by how the optimizer is made; a checkpoint could not hold it.
    for group in made.param_groups:
        if group["use_muon"]:
            made.defaults["ns_coeffs"] = group["ns_coeffs"]
    return made


RECIPE = Recipe(
    name="muon",
    title="Muon",
    make=make,
    moments=lambda shape: prod(shape) if len(shape) > 1 else 2 * prod(shape),
    recorded="pytorch_optimizer.optimizer.muon.Muon(use_adjusted_lr=True)",
)

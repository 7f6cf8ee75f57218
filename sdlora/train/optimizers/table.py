"""The optimizers by name, as train.optimizer has them: a file each and a line here. No torch at import."""

from sdlora.train.optimizers import adafactor, adamw, came, lion, muon, prodigy, schedule_free_adamw
from sdlora.train.optimizers.recipe import Recipe

OPTIMIZERS: dict[str, Recipe] = {
    entry.RECIPE.name: entry.RECIPE
    for entry in (
        adamw,
        adafactor,
        lion,
        came,
        prodigy,
        schedule_free_adamw,
        muon,
    )
}  # fmt: skip
FIRST = next(iter(OPTIMIZERS.values()))  # the usual one, and the only one that checkpoints of format 1 know

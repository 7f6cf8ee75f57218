"""The optimizers by name, as train.optimizer has them: a file each and a line here. No torch at import."""

from sdlora.train.optimizers import adafactor, adamw
from sdlora.train.optimizers.recipe import Recipe

OPTIMIZERS: dict[str, Recipe] = {
    entry.RECIPE.name: entry.RECIPE
    for entry in (
        adamw,
        adafactor,
    )
}  # fmt: skip

__all__ = ["OPTIMIZERS", "Recipe"]

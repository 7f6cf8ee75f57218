"""How weights follow their gradients: a file each, and a line in ``table.py``. No torch at import."""

from sdlora.train.optimizers.recipe import Recipe
from sdlora.train.optimizers.table import FIRST, OPTIMIZERS

__all__ = ["FIRST", "OPTIMIZERS", "Recipe"]

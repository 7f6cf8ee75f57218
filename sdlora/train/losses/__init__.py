"""How an error is measured: a file each, and a line in ``table.py``. No torch at import."""

from sdlora.train.losses.loss import Loss
from sdlora.train.losses.table import LOSSES

__all__ = ["LOSSES", "Loss"]

"""What a denoiser predicts: a file each, and a line in ``table.py``. No torch at import."""

from sdlora.objectives.objective import Objective, add_noise, snr_of
from sdlora.objectives.table import OBJECTIVES, USUAL

__all__ = ["OBJECTIVES", "USUAL", "Objective", "add_noise", "snr_of"]

"""What writes captions of pictures: a file each, and a line in ``table.py``. No torch at import."""

from sdlora.captioners.captioner import Captioner, Describe, Options
from sdlora.captioners.table import CAPTIONERS

__all__ = ["CAPTIONERS", "Captioner", "Describe", "Options"]

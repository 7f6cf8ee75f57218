"""What is wrong with pictures and captions that no check of files sees: a file a check, a line each in ``table.py``."""

from sdlora.doctor.finding import CaptionCheck, PictureCheck, PictureFinding
from sdlora.doctor.table import CAPTION_CHECKS, CHECKS

__all__ = ["CAPTION_CHECKS", "CHECKS", "CaptionCheck", "PictureCheck", "PictureFinding"]

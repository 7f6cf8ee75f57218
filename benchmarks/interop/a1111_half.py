"""AUTOMATIC1111 as it runs on most GPUs: the factors cast to fp16 and multiplied in it, whatever the file's dtype."""

import torch

from benchmarks.interop import a1111
from benchmarks.interop.a1111 import FOLDER, apply

__all__ = ["FOLDER", "TITLE", "TOLERANCE", "apply", "prepare"]

TITLE = "AUTOMATIC1111, fp16"
TOLERANCE = 0.03  # of the largest change in a layer, for any dtype of the file


def prepare(folder) -> None:
    a1111.DTYPE = torch.float16
    a1111.prepare(folder)

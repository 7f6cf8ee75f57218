"""The base's denoiser in another precision than its file's, as a file beside the cache: where, and how large. No torch.

Weights that a file holds in the run's precision stay in it, mapped, and take no memory that the system can't have back.
Where it holds another one they would have to be copied into memory at every start; ``train.weights`` writes that copy
once, to map it from then on.
"""

import hashlib
from math import prod
from pathlib import Path

from sdlora.families.base import BaseInfo

BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}
FOLDER = "weights"  # in the cache
LEAST = 50_000_000  # parameters; a smaller denoiser is in memory in no time, and takes next to none
SPARE = 2_000_000_000  # bytes that a copy leaves free on the disk
VERSION = 1  # of the names: raised when the same file gives another copy


def wants_copy(base: BaseInfo, precision: str) -> bool:
    """Is a copy worth while? precision: "fp32", "fp16" or "bf16"."""
    return base.precision != precision and parameters_of_denoiser(base) >= LEAST


def parameters_of_denoiser(base: BaseInfo) -> int:
    """How many numbers the denoiser's weights are."""
    return sum(prod(shape) for shape in base.shapes(base.denoiser).values())


def copy_bytes(base: BaseInfo, precision: str) -> int:
    """Size of the copy, without the file's header."""
    return parameters_of_denoiser(base) * BYTES[precision]


def copy_path(base: BaseInfo, precision: str, cache: Path) -> Path:
    """Where the copy is: the name tells the file, then its state (size and times) when it was copied.

    OSError where the base's file is gone.
    """
    files = [file.resolve() for file in base.files(base.denoiser)]
    states = [(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for stat in map(Path.stat, files)]
    which = _short((list(map(str, files)), base.denoiser, precision))
    return cache / FOLDER / f"{which}-{_short((VERSION, states))}.safetensors"


def _short(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()[:16]

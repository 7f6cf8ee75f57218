"""What ``train.fastest`` has measured, kept beside the cache: the next run on this machine starts without measuring.

Figures are kept, not what is made of them: whether packing pays also depends on how long a run is and on the memory
that is free. They are of pieces of the base that no adapter is on, so the adapter does not matter. A file that is
damaged or can't be written is no hindrance: then it is measured.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import diffusers
import torch

from sdlora.families.base import BaseInfo
from sdlora.files.intact import Damaged, read_json, write_json
from sdlora.train.fastest import Figures, Measure, measured, processor

FOLDER = "measured"  # in the cache
VERSION = 1  # of what is measured: raised when ``fastest.measured`` measures something else
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")  # what holds a processor's units back


def remembering(cache: Path, anew: bool = False) -> Measure:
    """``measured``, that is asked only where ``cache`` has no answer to the same question, and whose answers go there.

    anew: ask it in any case.
    """

    def ask(base: BaseInfo, precisions: tuple[str, ...], side: int, batch: int) -> Figures:
        path = cache / FOLDER / f"{_question(base, precisions, side, batch)}.json"
        if not anew and (found := _read(path, precisions)):
            return found
        figures = measured(base, precisions, side, batch)
        if figures.seconds:
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, {"seconds": figures.seconds, "laying": figures.laying, "processor": processor()})
        return figures

    return ask


def _question(base: BaseInfo, precisions: tuple[str, ...], side: int, batch: int) -> str:
    """A name for all that the figures depend on."""
    machine = (processor(), torch.get_num_threads(), [os.environ.get(name, "") for name in LIMITS])
    software = (torch.__version__, torch.backends.mkldnn.enabled, diffusers.__version__)
    shapes = sorted((name, tuple(shape)) for name, shape in base.shapes(base.denoiser).items())
    config = sorted((key, repr(value)) for key, value in base.config(base.denoiser).items())
    facts = (VERSION, machine, software, shapes, config, precisions, side, batch)
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _read(path: Path, precisions: tuple[str, ...]) -> Figures | None:
    """Figures of an earlier run; None where there are none that can be used."""
    with suppress(OSError, Damaged, KeyError, TypeError, ValueError, AttributeError):
        found = read_json(path)
        seconds, laying = _figures(found["seconds"]), _figures(found["laying"])
        if seconds and {way.partition("+")[0] for way in seconds} <= set(precisions):
            return Figures(seconds, laying, earlier=True)
    return None


def _figures(told: Mapping) -> dict[str, float]:
    """Seconds by name. ValueError for what are none."""
    figures = {str(name): float(value) for name, value in told.items()}
    if not all(0 < value < float("inf") for value in figures.values()):
        raise ValueError(f"no seconds: {figures}")
    return figures

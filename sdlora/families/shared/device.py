"""Which device there is, and which precision it computes in: for training and for pictures alike."""

import ctypes
import gc
from contextlib import suppress

import torch


def present(kind: str) -> bool:
    """Is there such a device? kind: "cpu", "cuda", "mps" or "xpu"."""
    if kind == "cuda":
        return torch.cuda.is_available()
    if kind == "mps":
        return torch.backends.mps.is_available()
    if kind == "xpu":
        return hasattr(torch, "xpu") and torch.xpu.is_available()
    return kind == "cpu"


def choose_device(wanted: str = "auto") -> str:
    """The device to compute on: the wanted one if it is there, else a GPU if there is one, else "cpu"."""
    if wanted != "auto" and present(wanted):
        return wanted
    return next((kind for kind in ("mps", "cuda", "xpu") if present(kind)), "cpu")  # accelerate's own order


def choose_precision(wanted: str, device: str) -> str:
    """ "fp32", "fp16" or "bf16". wanted: one of them, or "auto": bf16 or fp16 on a GPU, fp32 on a CPU and Apple's.

    A run on a CPU measures which is the faster, in ``train.fastest``.
    """
    if wanted != "auto":
        return wanted
    if device in ("cpu", "mps"):
        return "fp32"
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp16"


def used_memory(device: str) -> int | None:
    """The most bytes in use on a GPU so far; None for what shares the computer's own memory. device: its type."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return torch.xpu.max_memory_allocated() if device == "xpu" else None


def free_memory(device: str) -> int | None:
    """Free bytes of a GPU's memory; None as above."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    return torch.xpu.mem_get_info()[0] if device == "xpu" else None


def held_memory(device: str) -> int | None:
    """Bytes of a GPU's memory that PyTorch holds in this process now; None where it isn't told. device: its type."""
    return torch.cuda.memory_reserved() if device == "cuda" else None


def release_memory(device: str) -> None:
    """Give back what nobody holds any more, and what PyTorch has kept for later of a GPU's memory. device: its type."""
    gc.collect()  # an autograd graph that was broken off may be held by a circle of references
    if device in ("cuda", "xpu", "mps"):
        getattr(torch, device).empty_cache()


def give_back() -> None:
    """Give the system back what memory nobody uses any more; C's allocator keeps it else. Only glibc is asked."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)

"""LoKr in files: w1 ⊗ w2, Yeh et al. 2023; each factor whole or itself a product, w2 also in Tucker form."""

import torch
from torch import Tensor

from sdlora.adapters.form import Form, Tensors, tucker


def _first(parts: Tensors) -> Tensor:
    return parts["lokr_w1"] if "lokr_w1" in parts else parts["lokr_w1_a"] @ parts["lokr_w1_b"]


def _second(parts: Tensors) -> Tensor:
    if "lokr_w2" in parts:
        return parts["lokr_w2"].flatten(1)
    a, b = parts["lokr_w2_a"], parts["lokr_w2_b"]
    return tucker(parts["lokr_t2"], a, b) if "lokr_t2" in parts else a @ b.flatten(1)


def _size(parts: Tensors) -> tuple[int, int]:
    """By its factors, which are small."""
    first, second = _first(parts), _second(parts)
    return first.shape[0] * second.shape[0], first.shape[1] * second.shape[1]


def _kernel(parts: Tensors) -> tuple[int, ...] | None:
    if "lokr_t2" in parts:
        return tuple(parts["lokr_t2"].shape[2:])
    return tuple(parts["lokr_w2"].shape[2:]) if "lokr_w2" in parts and parts["lokr_w2"].ndim == 4 else None


def _missing(names: set[str]) -> list[str]:
    halves = ("lokr_w1", "lokr_w2")
    return [half for half in halves if half not in names and not {f"{half}_a", f"{half}_b"} <= names]


def _fits(p: Tensors) -> bool:
    for half in ("lokr_w1", "lokr_w2"):
        if half in p:
            if p[half].ndim not in ((2,) if half == "lokr_w1" else (2, 4)):
                return False
            continue
        a, b = p[f"{half}_a"], p[f"{half}_b"]
        if half == "lokr_w2" and "lokr_t2" in p:
            t = p["lokr_t2"]
            if t.ndim != 4 or a.ndim != 2 or b.ndim != 2 or t.shape[:2] != (a.shape[0], b.shape[0]):
                return False
        elif a.ndim != 2 or b.ndim not in (2, 4) or a.shape[1] != b.shape[0]:
            return False
    return True


def _factors(parts: Tensors) -> tuple[Tensor, Tensor] | None:
    """w1 ⊗ (a · b) = (w1 ⊗ a) · (1 ⊗ b)"""
    if "lokr_w2_a" not in parts or "lokr_t2" in parts:
        return None
    first, a, b = _first(parts), parts["lokr_w2_a"], parts["lokr_w2_b"].flatten(1)
    return torch.kron(torch.eye(first.shape[1], dtype=b.dtype), b), torch.kron(first, a)


FORM = Form(
    name="lokr",
    shown=lambda names: "LoKr",
    needed=frozenset(),
    optional=frozenset({"lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"}),
    product=lambda parts: torch.kron(_first(parts), _second(parts)),
    size=_size,
    kernel=_kernel,
    fits=_fits,
    missing=_missing,
    ranked=("lokr_w2_b", "lokr_w1_b"),
    factors=_factors,
)

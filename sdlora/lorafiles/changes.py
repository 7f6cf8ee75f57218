"""The change that one layer's tensors describe, for every kind of file: LoRA, LoCon, LoHa, LoKr, full difference, DoRA.

All matrices here are (out, in · kernel): a convolution's weight with its last three axes as one. Kinds:
    lora   scale · up · down; with ``mid`` (Tucker): scale · up · mid · down
    loha   scale · (w1_a · w1_b) ∘ (w2_a · w2_b), Hyeon-Woo et al. 2022; with t1, t2: each half in Tucker form
    lokr   scale · w1 ⊗ w2, Yeh et al. 2023; each factor whole or itself a product, w2 also in Tucker form
    full   the difference itself
    A LoRA that LyCORIS extracted may have a sparse remainder S beside: scale · (up · down + S), in bias_indices,
    bias_values, bias_size. A ``scalar`` that LyCORIS trained multiplies the change.
    DoRA   any of them with a ``magnitude`` m: the new weight is m · (W + change) / norm(W + change), Liu et al. 2024
Conventions (shapes, which rank divides alpha) are LyCORIS's, which all tools follow.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

Factors = tuple[Tensor, Tensor, float]  # down (r, in[, k, k]), up (out, r[, 1, 1]), scale

_NEEDED = {
    "lora": ({"down", "up"}, {"mid"}),
    "loha": ({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}, {"hada_t1", "hada_t2"}),
    "lokr": (set(), {"lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"}),
    "full": ({"diff"}, set()),
}
_NUMBERS = ("alpha", "scale", "scalar")  # of any dtype: every tool takes their ``item()``
_SPARSE = ("bias_indices", "bias_values", "bias_size")
_COMMON = {*_NUMBERS, "magnitude", *_SPARSE}
_STARTS = {"down": "lora", "up": "lora", "mid": "lora", "diff": "full", "hada_": "loha", "lokr_": "lokr"}


@dataclass(frozen=True)
class Change:
    """One layer's change. kind: "lora", "loha", "lokr" or "full". parts: its tensors, in the file's dtype.

    scale: what the product is multiplied with. magnitudes: DoRA's, or None. sparse: a remainder beside the product as
    (indices (2, n), values (n,)), or None.
    """

    kind: str
    parts: dict[str, Tensor] = field(repr=False)
    scale: float
    magnitudes: Tensor | None = None
    sparse: tuple[Tensor, Tensor] | None = None

    @property
    def rank(self) -> int:
        """Inner width of the factors; 0 if there are none."""
        return _rank(self.kind, self.parts)

    @property
    def is_plain(self) -> bool:
        return self.kind == "lora" and "mid" not in self.parts and self.magnitudes is None and self.sparse is None

    def matrix(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """The change, (out, in · kernel), without DoRA's magnitude."""
        if self.sparse is None:
            return self._product(dtype)
        indices, values = self.sparse
        rest = torch.zeros(self.size(), dtype=dtype)
        rest.index_put_(tuple(indices.long()), values.to(dtype), accumulate=True)
        return self._product(dtype) + rest * self.scale

    def _product(self, dtype: torch.dtype) -> Tensor:
        parts = {name: tensor.to(dtype) for name, tensor in self.parts.items()}
        if self.kind == "lora":
            down, up = _lora_factors(parts)
            return up.flatten(1) @ down.flatten(1) * self.scale
        if self.kind == "loha":
            halves = [_half(parts, i) for i in "12"]
            return halves[0] * halves[1] * self.scale
        if self.kind == "lokr":
            return torch.kron(_first(parts), _second(parts)) * self.scale
        return parts["diff"].flatten(1) * self.scale

    def compact(self) -> Factors | None:
        """Exact factors in float32, where they are smaller than the matrix; None otherwise. Without the magnitude."""
        if self.sparse is not None:
            return None
        parts = {name: tensor.float() for name, tensor in self.parts.items()}
        if self.kind == "lora":
            return (*_lora_factors(parts), self.scale)
        pair = {"loha": _loha_factors, "lokr": _lokr_factors}.get(self.kind, lambda _: None)(parts)
        if pair is None:
            return None
        down, up = pair
        rows, columns, rank = up.shape[0], down.shape[1], down.shape[0]
        return (down, up, self.scale) if rank * (rows + columns) < rows * columns else None

    def size(self) -> tuple[int, int]:
        """(out, in · kernel)"""
        p = self.parts
        if self.kind == "lora":
            kernel = p["mid"].shape[2:].numel() if "mid" in p else 1
            return p["up"].shape[0], p["down"][0].numel() * kernel
        if self.kind == "full":
            return p["diff"].shape[0], p["diff"][0].numel()
        if self.kind == "loha":
            if "hada_t1" in p:
                return p["hada_w1_a"].shape[1], p["hada_w1_b"].shape[1] * p["hada_t1"].shape[2:].numel()
            return p["hada_w1_a"].shape[0], p["hada_w1_b"][0].numel()
        # the Kronecker product is small enough to ask its factors
        first, second = _first(p), _second(p)
        return first.shape[0] * second.shape[0], first.shape[1] * second.shape[1]

    def kernel(self) -> tuple[int, ...] | None:
        """() for a linear layer, (k, k) for a convolution, None where the tensors don't tell."""
        p = self.parts
        for name in ("mid", "hada_t1", "lokr_t2"):
            if name in p:
                return tuple(p[name].shape[2:])
        if self.kind in ("lora", "full"):
            return tuple(p["down" if self.kind == "lora" else "diff"].shape[2:])
        if self.kind == "lokr" and "lokr_w2" in p and p["lokr_w2"].ndim == 4:
            return tuple(p["lokr_w2"].shape[2:])
        return None


def decomposed(weight: Tensor, change: Tensor, magnitude: Tensor) -> Tensor:
    """DoRA's new weight minus ``weight``: all (out, in · kernel), except the magnitude.

    magnitude: (out,) or (out, 1[, 1, 1]): norms of the rows; (1, in[, 1, 1]): norms per input channel, over outputs and
    kernel. weight, change: same dtype, float32 or float64.
    """
    new = weight + change
    rows = new.shape[0]
    if by_output(magnitude):
        norm = new.norm(dim=1, keepdim=True)
        ratio = magnitude.reshape(rows, 1).to(new) / norm
    else:
        inputs = magnitude.numel()
        norm = new.view(rows, inputs, -1).norm(dim=(0, 2))
        ratio = (magnitude.reshape(-1).to(new) / norm).repeat_interleave(new.shape[1] // inputs)
    return torch.where(ratio.isfinite(), ratio, torch.ones_like(ratio)) * new - weight  # a row of zeros stays


def by_output(magnitude: Tensor) -> bool:
    """Is it one number per output channel? The axis of size 1 tells."""
    return magnitude.ndim == 1 or magnitude.shape[0] != 1


# ---- making one


def kind_of(parts: set[str]) -> str:
    """The kind that the names of the parts belong to; "" if to none or to two."""
    kinds = {
        next(kind for start, kind in _STARTS.items() if name == start or (start[-1] == "_" and name.startswith(start)))
        for name in parts - _COMMON
    }
    return kinds.pop() if len(kinds) == 1 else ""


def what_is_wrong(name: str, parts: dict[str, Tensor]) -> str:
    """What a sentence that begins with the file's name says about a layer that makes no change; empty if it does."""
    kind = kind_of(set(parts))
    if not kind:
        return f"mixes two kinds of LoRA in {name}" if set(parts) - _COMMON else f"has no factors of {name}"
    missing = sorted(_NEEDED[kind][0] - set(parts)) or (_lokr_gap(set(parts)) if kind == "lokr" else [])
    if missing:
        return f"has only one half of {name} ({_shown(missing[0])} is missing)"
    if numbers := [part for part, tensor in parts.items() if not _usable(part, tensor)]:
        return f"has no usable numbers in {name} ({_shown(numbers[0])})"
    if not _fit(kind, parts) or not _magnitude_fits(kind, parts) or not _sparse_fits(kind, parts):
        shapes = ", ".join(f"{_shown(part)} {list(tensor.shape)}" for part, tensor in parts.items() if tensor.ndim)
        return f"has factors of {name} that don't fit: {shapes}"
    broken = [part for part, tensor in parts.items() if not tensor.float().isfinite().all()]
    return f"is not finite in {name} ({_shown(broken[0])})" if broken else ""


def _usable(part: str, tensor: Tensor) -> bool:
    if part in _NUMBERS:
        return tensor.numel() == 1 and tensor.dtype != torch.bool
    if part in ("bias_indices", "bias_size"):
        return not tensor.is_floating_point() and tensor.dtype != torch.bool
    return tensor.is_floating_point() and (tensor.numel() > 0 or part == "bias_values")


def make_change(parts: dict[str, Tensor], scale: float | None = None) -> Change:
    """The change of parts that ``what_is_wrong`` has nothing against. scale: given by the metadata, as peft's is."""
    kind = kind_of(set(parts))
    own = {name: tensor for name, tensor in parts.items() if name not in _COMMON}
    if scale is None:
        rank = _rank(kind, own)
        if "scale" in parts:
            scale = float(parts["scale"])
        elif "alpha" in parts and rank:
            scale = float(parts["alpha"]) / rank
        else:
            scale = 1.0
    if "scalar" in parts:
        scale *= float(parts["scalar"])
    sparse = (parts["bias_indices"], parts["bias_values"]) if "bias_values" in parts else None
    return Change(kind, own, scale, parts.get("magnitude"), sparse)


def _rank(kind: str, parts: dict[str, Tensor]) -> int:
    """The rank that divides alpha; 0: nothing does."""
    keys = {"lora": ["down"], "loha": ["hada_w1_b"], "lokr": ["lokr_w2_b", "lokr_w1_b"]}.get(kind, [])
    return next((parts[key].shape[0] for key in keys if key in parts), 0)


def _shown(part: str) -> str:
    return {"down": "lora_down", "up": "lora_up", "mid": "lora_mid", "magnitude": "dora_scale"}.get(part, part)


def _lokr_gap(parts: set[str]) -> list[str]:
    halves = ("lokr_w1", "lokr_w2")
    return [half for half in halves if half not in parts and not {f"{half}_a", f"{half}_b"} <= parts]


def _magnitude_fits(kind: str, parts: dict[str, Tensor]) -> bool:
    if "magnitude" not in parts:
        return True
    rows, columns = Change(kind, parts, 1.0).size()
    magnitude = parts["magnitude"]
    return magnitude.numel() == rows if by_output(magnitude) else columns % magnitude.numel() == 0


def _sparse_fits(kind: str, parts: dict[str, Tensor]) -> bool:
    given = [part for part in _SPARSE if part in parts]
    if not given:
        return True
    if len(given) < len(_SPARSE) or parts["bias_indices"].ndim != 2 or len(parts["bias_indices"]) != 2:
        return False
    own = {name: tensor for name, tensor in parts.items() if name not in _COMMON}
    rows, columns = Change(kind, own, 1.0).size()
    indices, size = parts["bias_indices"].long(), parts["bias_size"].long().flatten().tolist()
    inside = not indices.numel() or (
        int(indices.min()) >= 0 and int(indices[0].max()) < rows and int(indices[1].max()) < columns
    )
    return size == [rows, columns] and parts["bias_values"].shape == indices.shape[1:] and inside


def _fit(kind: str, p: dict[str, Tensor]) -> bool:
    if kind == "full":
        return p["diff"].ndim in (2, 4)
    if kind == "lora":
        down, up = p["down"], p["up"]
        if down.ndim not in (2, 4) or up.ndim not in (2, 4) or up.shape[2:].numel() != 1:
            return False
        if "mid" in p:
            mid = p["mid"]
            return mid.ndim == 4 and mid.shape[:2] == (up.shape[1], down.shape[0]) and down.shape[2:].numel() == 1
        return down.shape[0] == up.shape[1] and down.ndim == up.ndim
    if kind == "loha":
        return _loha_fits(p)
    return _lokr_fits(p)


def _loha_fits(p: dict[str, Tensor]) -> bool:
    if not all(p[f"hada_w{i}_{x}"].ndim == 2 for i in "12" for x in "ab"):
        return False
    axis = 1 if "hada_t1" in p else 0  # in Tucker form w_a is (r, out)
    if ("hada_t1" in p) != ("hada_t2" in p) or p["hada_w1_a"].shape[axis] != p["hada_w2_a"].shape[axis]:
        return False
    if p["hada_w1_b"].shape[1] != p["hada_w2_b"].shape[1]:
        return False
    for i in "12":
        a, b = p[f"hada_w{i}_a"], p[f"hada_w{i}_b"]
        if axis:
            t = p[f"hada_t{i}"]
            if t.ndim != 4 or t.shape[:2] != (a.shape[0], b.shape[0]) or t.shape[2:] != p["hada_t1"].shape[2:]:
                return False
        elif a.shape[1] != b.shape[0]:
            return False
    return True


def _lokr_fits(p: dict[str, Tensor]) -> bool:
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


# ---- the products


def _lora_factors(parts: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    down, up = parts["down"], parts["up"]
    if "mid" not in parts:
        return down, up
    merged = torch.einsum("mnkl,nj->mjkl", parts["mid"], down.flatten(1))
    return merged, up.reshape(up.shape[0], up.shape[1], 1, 1)


def _tucker(t: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """a (r, out), b (r, in), t (r, r, k, k) -> (out, in · k · k)"""
    return torch.einsum("ijkl,ip,jr->prkl", t, a, b).flatten(1)


def _half(parts: dict[str, Tensor], i: str) -> Tensor:
    a, b = parts[f"hada_w{i}_a"], parts[f"hada_w{i}_b"]
    return _tucker(parts[f"hada_t{i}"], a, b) if f"hada_t{i}" in parts else a @ b


def _first(parts: dict[str, Tensor]) -> Tensor:
    return parts["lokr_w1"] if "lokr_w1" in parts else parts["lokr_w1_a"] @ parts["lokr_w1_b"]


def _second(parts: dict[str, Tensor]) -> Tensor:
    if "lokr_w2" in parts:
        return parts["lokr_w2"].flatten(1)
    a, b = parts["lokr_w2_a"], parts["lokr_w2_b"]
    return _tucker(parts["lokr_t2"], a, b) if "lokr_t2" in parts else a @ b.flatten(1)


def _loha_factors(parts: dict[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    """The Hadamard product of two products has rank r1 · r2: its factors are the pairs of columns and of rows."""
    if "hada_t1" in parts:
        return None
    a1, b1, a2, b2 = (parts[f"hada_w{i}_{x}"] for i in "12" for x in "ab")
    up = (a1[:, :, None] * a2[:, None, :]).flatten(1)
    return (b1[:, None, :] * b2[None, :, :]).flatten(0, 1), up


def _lokr_factors(parts: dict[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    """w1 ⊗ (a · b) = (w1 ⊗ a) · (1 ⊗ b)"""
    if "lokr_w2_a" not in parts or "lokr_t2" in parts:
        return None
    first, a, b = _first(parts), parts["lokr_w2_a"], parts["lokr_w2_b"].flatten(1)
    return torch.kron(torch.eye(first.shape[1], dtype=b.dtype), b), torch.kron(first, a)

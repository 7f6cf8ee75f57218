"""The change that one layer's tensors describe, for every kind of file (``forms``): LoRA, LoCon, LoHa, LoKr, DoRA …

All matrices here are (out, in · kernel): a convolution's weight with its last three axes as one. A change is
scale · product of its form's tensors, and what any form may have beside:
    remainder  a LoRA that LyCORIS extracted may have a sparse one, S: scale · (up · down + S), in bias_indices,
               bias_values, bias_size
    scalar     that LyCORIS trained; it multiplies the change
    magnitude  DoRA's m, of any form: the new weight is m · (W + change) / norm(W + change), Liu et al. 2024
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sdlora.adapters.form import Form
from sdlora.adapters.table import PLAIN
from sdlora.lorafiles.forms import FORMS, leaf_of
from sdlora.messages import say

Factors = tuple[Tensor, Tensor, float]  # down (r, in[, k, k]), up (out, r[, 1, 1]), scale

_NUMBERS = ("alpha", "scale", "scalar")  # of any dtype: every tool takes their ``item()``
_SPARSE = ("bias_indices", "bias_values", "bias_size")
_COMMON = {*_NUMBERS, "magnitude", *_SPARSE}
_FORM_OF = {part: form.name for form in FORMS.values() for part in form.parts}


@dataclass(frozen=True)
class Change:
    """One layer's change. kind: the name of its form in ``forms.FORMS``. parts: its tensors, in the file's dtype.

    scale: what the product is multiplied with. magnitudes: DoRA's, or None. sparse: a remainder beside the product as
    (indices (2, n), values (n,)), or None.
    """

    kind: str
    parts: dict[str, Tensor] = field(repr=False)
    scale: float
    magnitudes: Tensor | None = None
    sparse: tuple[Tensor, Tensor] | None = None

    @property
    def form(self) -> Form:
        """How its tensors are to be read."""
        return FORMS[self.kind]

    @property
    def rank(self) -> int:
        """Inner width of the factors; 0 if there are none."""
        return _rank(self.kind, self.parts)

    @property
    def is_plain(self) -> bool:
        """Is it a plain LoRA's: two factors and nothing else?"""
        return self.parts.keys() == set(PLAIN.factors) and self.magnitudes is None and self.sparse is None

    def matrix(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """The change, (out, in · kernel), without DoRA's magnitude."""
        if self.sparse is None:
            return self._product(dtype)
        indices, values = self.sparse
        rest = torch.zeros(self.size(), dtype=dtype)
        rest.index_put_(tuple(indices.long()), values.to(dtype), accumulate=True)
        return self._product(dtype) + rest * self.scale

    def _product(self, dtype: torch.dtype) -> Tensor:
        return self.form.product({name: tensor.to(dtype) for name, tensor in self.parts.items()}) * self.scale

    def compact(self) -> Factors | None:
        """Exact factors in float32, where they are smaller than the matrix; None otherwise. Without the magnitude."""
        if self.sparse is not None:
            return None
        pair = self.form.factors({name: tensor.float() for name, tensor in self.parts.items()})
        if pair is None:
            return None
        down, up = pair
        if self.kind == PLAIN.name:
            return down, up, self.scale
        rows, columns, rank = up.shape[0], down.shape[1], down.shape[0]
        return (down, up, self.scale) if rank * (rows + columns) < rows * columns else None

    def size(self) -> tuple[int, int]:
        """The shape of the change as a matrix: (out, in · kernel)."""
        return self.form.size(self.parts)

    def kernel(self) -> tuple[int, ...] | None:
        """() for a linear layer, (k, k) for a convolution, None where the tensors don't tell."""
        return self.form.kernel(self.parts)


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


def kind_of_parts(parts: set[str]) -> str:
    """The kind that the names of the parts belong to; "" if to none or to two."""
    kinds = {_FORM_OF.get(name, "") for name in parts - _COMMON}
    return kinds.pop() if len(kinds) == 1 else ""


def what_is_wrong(name: str, parts: dict[str, Tensor]) -> str:
    """What a sentence that begins with the file's name says about a layer that makes no change; empty if it does."""
    kind = kind_of_parts(set(parts))
    if not kind:
        return (
            say("lorafiles.fault_mixed_kinds", name=name)
            if set(parts) - _COMMON
            else say("lorafiles.fault_no_factors", name=name)
        )
    form = FORMS[kind]
    if missing := sorted(form.needed - set(parts)) or form.missing(set(parts)):
        return say("lorafiles.fault_half_missing", name=name, part=_shown(missing[0]))
    if numbers := [part for part, tensor in parts.items() if not _usable(part, tensor)]:
        return say("lorafiles.fault_no_numbers", name=name, part=_shown(numbers[0]))
    if not form.fits(parts) or not _magnitude_fits(kind, parts) or not _sparse_fits(kind, parts):
        shapes = ", ".join(f"{_shown(part)} {list(tensor.shape)}" for part, tensor in parts.items() if tensor.ndim)
        return say("lorafiles.fault_shapes", name=name, shapes=shapes)
    broken = [part for part, tensor in parts.items() if not tensor.float().isfinite().all()]
    return say("lorafiles.fault_not_finite", name=name, part=_shown(broken[0])) if broken else ""


def _usable(part: str, tensor: Tensor) -> bool:
    if part in _NUMBERS:
        return tensor.numel() == 1 and tensor.dtype != torch.bool
    if part in ("bias_indices", "bias_size"):
        return not tensor.is_floating_point() and tensor.dtype != torch.bool
    return tensor.is_floating_point() and (tensor.numel() > 0 or part == "bias_values")


def make_change(parts: dict[str, Tensor], scale: float | None = None) -> Change:
    """The change of parts that ``what_is_wrong`` has nothing against. scale: given by the metadata, as peft's is."""
    kind = kind_of_parts(set(parts))
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
    return next((parts[part].shape[0] for part in FORMS[kind].ranked if part in parts), 0)


def _shown(part: str) -> str:
    return leaf_of(part).removesuffix(".weight")


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

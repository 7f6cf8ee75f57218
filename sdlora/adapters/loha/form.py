"""LoHa in files: (w1_a · w1_b) ∘ (w2_a · w2_b), Hyeon-Woo et al. 2022; with t1 and t2, each half in Tucker form."""

from torch import Tensor

from sdlora.adapters.form import Form, Tensors, tucker


def _half(parts: Tensors, i: str) -> Tensor:
    a, b = parts[f"hada_w{i}_a"], parts[f"hada_w{i}_b"]
    return tucker(parts[f"hada_t{i}"], a, b) if f"hada_t{i}" in parts else a @ b


def _size(parts: Tensors) -> tuple[int, int]:
    if "hada_t1" in parts:
        return parts["hada_w1_a"].shape[1], parts["hada_w1_b"].shape[1] * parts["hada_t1"].shape[2:].numel()
    return parts["hada_w1_a"].shape[0], parts["hada_w1_b"][0].numel()


def _factors(parts: Tensors) -> tuple[Tensor, Tensor] | None:
    """The Hadamard product of two products has rank r1 · r2: its factors are the pairs of columns and of rows."""
    if "hada_t1" in parts:
        return None
    a1, b1, a2, b2 = (parts[f"hada_w{i}_{x}"] for i in "12" for x in "ab")
    up = (a1[:, :, None] * a2[:, None, :]).flatten(1)
    return (b1[:, None, :] * b2[None, :, :]).flatten(0, 1), up


def _fits(p: Tensors) -> bool:
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


FORM = Form(
    name="loha",
    shown=lambda names: "LoHa",
    needed=frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}),
    optional=frozenset({"hada_t1", "hada_t2"}),
    product=lambda parts: _half(parts, "1") * _half(parts, "2"),
    size=_size,
    kernel=lambda parts: tuple(parts["hada_t1"].shape[2:]) if "hada_t1" in parts else None,
    fits=_fits,
    ranked=("hada_w1_b",),
    factors=_factors,
)

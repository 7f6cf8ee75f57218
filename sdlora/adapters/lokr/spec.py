"""LoKr: Yeh et al. 2023, "Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model Evaluation"."""

from math import isqrt

from sdlora.adapters.kind import Kind, Shape

SQUARE = -1  # the factor with which both halves are as large as each other, as far as can be


def divided(side: int, factor: int) -> tuple[int, int]:
    """(m, n) with m · n = side and m <= n, as LyCORIS chooses them.

    m: the factor, or side / factor, if the factor divides the side; else the largest divisor up to it, and up to the
    square root. ``SQUARE`` sets no limit.
    """
    if factor > 0 and side % factor == 0:
        return min(factor, side // factor), max(factor, side // factor)
    limit = min(isqrt(side), side if factor < 0 else factor)
    m = next((m for m in range(limit, 1, -1) if side % m == 0), 1)
    return m, side // m


def blocks(shape: Shape, factor: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The sides of both halves, (a, b) and (c, d), of a weight (a · c, b · d[, k, k]); the kernel is the second's."""
    (a, c), (b, d) = divided(shape[0], factor), divided(shape[1], factor)
    return (a, b), (c, d)


def full_rank(shape: Shape, factor: int = SQUARE) -> int:
    """The rank from which on the second half is a matrix of its own and no product, as in LyCORIS: half its side."""
    return -(-max(blocks(shape, factor)[1]) // 2)


def count_parameters(shape: Shape, rank: int, factor: int = SQUARE) -> int:
    """Parameters of one layer."""
    (a, b), (c, d) = blocks(shape, factor)
    for side in shape[2:]:
        d *= side
    return a * b + (rank * (c + d) if rank < full_rank(shape, factor) else c * d)


KIND = Kind(
    name="lokr",
    title="LoKr",
    layer="sdlora.adapters.lokr.layer:LoKrLayer",
    file_form="sdlora.adapters.lokr.form:FORM",
    factors={"lokr_w1": None, "lokr_w2_a": 1, "lokr_w2_b": 0, "lokr_w2": None},
    choices=(("lokr_w1", "lokr_w2_a", "lokr_w2_b"), ("lokr_w1", "lokr_w2")),
    options=("factor",),
    size=count_parameters,
    full=full_rank,
    spread=lambda shape, rank, factor=SQUARE: rank**0.5 if rank < full_rank(shape, factor) else 1.0,
    readers=("A1111", "Forge", "ComfyUI", "InvokeAI", "stable-diffusion.cpp"),
    network_module="lycoris.kohya",
    network_args={"algo": "lokr"},
)

"""Arithmetic of low-rank changes: concatenate, truncate, measure, TIES, DARE. Pure functions, no files.

A change is ``scale · up · down`` with down (r, in) or (r, in, k, k) and up (out, r) or (out, r, 1, 1); as a matrix it
is (out, in · k · k). Where factors are given, the matrix itself is never made: QR of the factors leaves a problem of
the size of the ranks. Sums and decompositions run in float64 unless said otherwise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Factors = tuple[Tensor, Tensor, float]


def delta(down: Tensor, up: Tensor, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """The change as a weight: (out, in) or (out, in, k, k)."""
    matrix = up.to(dtype).flatten(1) @ down.to(dtype).flatten(1) * scale
    return matrix.view(up.shape[0], *down.shape[1:])


def concat(parts: Sequence[Factors]) -> Factors:
    """The exact sum of changes of one layer: the ranks add up. The scales go into up; float32.

    Factors of different layout (2-D and 4-D with a 1x1 kernel) take that of the first.
    """
    shape = parts[0][0].shape[1:]
    down = torch.cat([d.float().reshape(d.shape[0], *shape) for d, _, _ in parts], dim=0)
    up = torch.cat([(u.double().flatten(1) * scale).float() for _, u, scale in parts], dim=1)
    return down, up.reshape(*up.shape, *(1 for _ in shape[1:])), 1.0


def balance_exactly(down: Tensor, up: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, bool]:
    """(down, up, is their product kept to the last digit?): nearly equal norms, in ``dtype``, rounded only if need be.

    Factors whose norms are within 2^5 of each other stay as they are; others move by a power of two, which changes no
    digit unless a number leaves the dtype's range.
    """
    ratio = float((up.double().norm() / down.double().norm()).sqrt()) if down.any() and up.any() else 1.0
    exponent = round(math.log2(ratio)) if math.isfinite(ratio) and ratio > 0 else 0
    kept = down.to(dtype), up.to(dtype)
    whole = kept[0].double().equal(down.double()) and kept[1].double().equal(up.double())
    if abs(exponent) <= 2 and (whole or all(t.isfinite().all() for t in kept)):
        return *kept, whole
    wide = down.double() * 2.0**exponent, up.double() / 2.0**exponent
    moved = wide[0].to(dtype), wide[1].to(dtype)
    same = moved[0].double().equal(wide[0]) and moved[1].double().equal(wide[1])
    return (*kept, True) if whole and not same else (*moved, same)


# ---- singular values


@dataclass(frozen=True)
class Decomposed:
    """u · diag(s) · v, float64: u (out, n), v (n, in · kernel) of orthonormal columns and rows, s (n,) descending."""

    u: Tensor
    s: Tensor
    v: Tensor


def decompose(down: Tensor, up: Tensor, scale: float = 1.0) -> Decomposed:
    """Singular values of a change given by factors, by QR of both and the SVD of an r x r core."""
    left, right = up.double().flatten(1), down.double().flatten(1).mT
    qu, ru = torch.linalg.qr(left)
    qd, rd = torch.linalg.qr(right)
    u, s, v = torch.linalg.svd(ru @ rd.mT * scale)
    n = len(s)
    return Decomposed(qu @ u[:, :n], s, v[:n] @ qd.mT)


def decompose_matrix(matrix: Tensor) -> Decomposed:
    """Singular values of any matrix (out, columns).

    By the eigenvectors of the smaller Gram matrix in float64: several times faster than an SVD, and singular values
    down to 1e-8 of the largest are right, which is below float32's own rounding.
    """
    a = matrix.double()
    if a.shape[0] > a.shape[1]:
        turned = decompose_matrix(a.mT)
        return Decomposed(turned.v.mT, turned.s, turned.u.mT)
    _, vectors = torch.linalg.eigh(a @ a.mT)
    u = vectors.flip(1)
    v = u.mT @ a
    s = v.norm(dim=1)
    order = s.argsort(descending=True)
    u, v, s = u[:, order], v[order], s[order]
    return Decomposed(u, s, v / s.clamp_min(1e-300)[:, None])


def spectrum(down: Tensor, up: Tensor, scale: float = 1.0) -> Tensor:
    """The singular values, descending, float64."""
    r_up = torch.linalg.qr(up.double().flatten(1), mode="r").R
    r_down = torch.linalg.qr(down.double().flatten(1).mT, mode="r").R
    return torch.linalg.svdvals(r_up @ r_down.mT * scale)


def choose_rank(s: Tensor, rank: int | None = None, energy: float | None = None, ratio: float | None = None) -> int:
    """How many singular values to keep: at least 1, at most ``rank`` where that is given too.

    energy: share (0 to 1] of the squared Frobenius norm that must stay; the square of kohya's ``sv_fro``.
    ratio: keep what is larger than the largest / ratio, as kohya's ``sv_ratio``.
    """
    keep = len(s)
    if energy is not None:
        whole = (s**2).sum()
        kept = (s**2).cumsum(0) / whole if whole > 0 else torch.ones_like(s)
        keep = int((kept < energy - 1e-12).sum()) + 1
    if ratio is not None:
        keep = min(keep, int((s > s[0] / ratio).sum()))
    return max(1, min(keep, len(s), rank or len(s)))


def truncate(found: Decomposed, rank: int, shape: Sequence[int]) -> tuple[Tensor, Tensor, float]:
    """(down, up, lost): the best approximation of that rank (Eckart and Young 1936), in float32, balanced.

    shape: of the layer's weight without its first axis, (in,) or (in, k, k). lost: Frobenius norm of what is cut off.
    """
    root = found.s[:rank].sqrt()
    down = (root[:, None] * found.v[:rank]).float().reshape(rank, *shape)
    up = (found.u[:, :rank] * root).float()
    return down, up.reshape(*up.shape, *(1 for _ in shape[1:])), float(found.s[rank:].norm())


def norm(down: Tensor, up: Tensor, scale: float = 1.0) -> float:
    """Frobenius norm of the change."""
    left, right = up.double().flatten(1), down.double().flatten(1)
    return abs(scale) * math.sqrt(max(float(((left.mT @ left) * (right @ right.mT)).sum()), 0.0))


def inner(a: Factors, b: Factors) -> float:
    """Frobenius inner product of two changes of one layer."""
    (da, ua, sa), (db, ub, sb) = a, b
    left = ua.double().flatten(1).mT @ ub.double().flatten(1)
    right = da.double().flatten(1) @ db.double().flatten(1).mT
    return sa * sb * float((left * right).sum())


def distance(a: Factors, b: Factors) -> float:
    """Frobenius norm of the difference of two changes of one layer, exact also where they nearly agree."""
    return float(spectrum(*concat_double([a, (b[0], b[1], -b[2])])).norm())


def concat_double(parts: Sequence[Factors]) -> Factors:
    """The sum of changes as factors (``concat``), flat and in float64: for measuring."""
    down = torch.cat([d.double().flatten(1) for d, _, _ in parts], dim=0)
    return down, torch.cat([u.double().flatten(1) * s for _, u, s in parts], dim=1), 1.0


def effective_rank(s: Tensor) -> float:
    """exp of the entropy of the singular values' shares (Roy and Vetterli 2007): 1 for rank one, n for n equal ones."""
    shares = s[s > 0] / s.sum()
    return math.exp(-float((shares * shares.log()).sum())) if len(shares) else 0.0


# ---- TIES and DARE, on changes as matrices of one shape


def trim(change: Tensor, density: float) -> Tensor:
    """Keep the ``density`` share (0 to 1] of the entries with the largest magnitude, the others are 0."""
    keep = int(density * change.numel())
    if keep >= change.numel():
        return change
    kept = torch.zeros_like(change).flatten()
    if keep:
        index = change.abs().flatten().topk(keep).indices
        kept[index] = change.flatten()[index]
    return kept.view_as(change)


def ties(changes: Sequence[Tensor], weights: Sequence[float], density: float = 0.2) -> Tensor:
    """TIES merging (Yadav et al. 2023): trim, elect a sign per entry, take the mean of those that agree with it.

    The elected sign is that of the weighted sum of the trimmed entries. Trimmed is per layer; the paper's lambda is in
    the weights.
    """
    stacked = torch.stack([trim(c, density) * w for c, w in zip(changes, weights, strict=True)])
    sign = torch.where(stacked.sum(0) >= 0, 1.0, -1.0)
    agree = (stacked.sign() == sign) & (stacked != 0)
    return (stacked * agree).sum(0) / agree.sum(0).clamp_min(1)


def dare(change: Tensor, density: float, generator: torch.Generator) -> Tensor:
    """DARE (Yu et al. 2024): each entry stays with probability ``density``, divided by it, so the mean stays."""
    kept = torch.rand(change.shape, generator=generator) < density
    return change * kept / density

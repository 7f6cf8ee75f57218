"""Low-rank arithmetic against dense float64, torch's SVD and peft's merge functions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft.utils import merge_utils

from sdlora.lorafiles import algebra


def factors(seed: int, out: int = 20, columns: int = 14, rank: int = 4, scale: float = 0.5):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rank, columns, generator=draw), torch.randn(out, rank, generator=draw), scale


def dense(parts) -> torch.Tensor:
    down, up, scale = parts
    return up.double().flatten(1) @ down.double().flatten(1) * scale


@settings(max_examples=30, deadline=None)
@given(
    ranks=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    scales=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    seed=st.integers(0, 1000),
)
def test_concatenation_is_the_exact_sum(ranks, scales, seed):
    parts = [factors(seed + i, rank=r, scale=s) for i, (r, s) in enumerate(zip(ranks, scales))]  # noqa: B905
    merged = algebra.concat(parts)
    assert merged[0].shape[0] == sum(ranks)
    torch.testing.assert_close(dense(merged), sum(dense(p) for p in parts), rtol=1e-5, atol=1e-5)


def test_convolutions_keep_their_axes():
    down, up = torch.randn(3, 5, 3, 3), torch.randn(6, 3, 1, 1)
    merged = algebra.concat([(down, up, 1.0), (down, up, 1.0)])
    assert merged[0].shape == (6, 5, 3, 3) and merged[1].shape == (6, 6, 1, 1)
    assert algebra.delta(down, up).shape == (6, 5, 3, 3)
    new_down, new_up, _ = algebra.truncate(algebra.decompose(*merged), 2, (5, 3, 3))
    assert new_down.shape == (2, 5, 3, 3) and new_up.shape == (6, 2, 1, 1)


@pytest.mark.parametrize(("out", "columns"), [(20, 14), (14, 20), (16, 16)])
@pytest.mark.parametrize("rank", [1, 2, 4, 7])
def test_truncation_is_torchs_svd_and_no_matrix_of_that_rank_is_nearer(out, columns, rank):
    parts = factors(1, out, columns, rank=7)
    matrix = dense(parts)
    u, s, v = torch.linalg.svd(matrix)
    best = u[:, :rank] @ torch.diag(s[:rank]) @ v[:rank]
    for found in (algebra.decompose(*parts), algebra.decompose_matrix(matrix.float())):
        torch.testing.assert_close(found.s[:7], s[:7], rtol=1e-5, atol=1e-5)
        down, up, lost = algebra.truncate(found, rank, (columns,))
        torch.testing.assert_close(dense((down, up, 1.0)), best, rtol=1e-4, atol=1e-4)
        assert math.isclose(lost, float((matrix - best).norm()), rel_tol=1e-3, abs_tol=1e-4)
        assert math.isclose(float(down.norm()), float(up.norm()), rel_tol=1e-4)


def test_measures_are_those_of_the_dense_matrices():
    a, b = factors(1), factors(2, rank=6, scale=-1.5)
    assert math.isclose(algebra.norm(*a), float(dense(a).norm()), rel_tol=1e-9)
    assert math.isclose(algebra.inner(a, b), float((dense(a) * dense(b)).sum()), rel_tol=1e-9)
    assert math.isclose(algebra.distance(a, b), float((dense(a) - dense(b)).norm()), rel_tol=1e-9)
    near = (a[0], a[1] * (1 + 1e-6), a[2])
    assert math.isclose(algebra.distance(a, near), float((dense(a) - dense(near)).norm()), rel_tol=1e-6)
    torch.testing.assert_close(algebra.spectrum(*a)[:4], torch.linalg.svdvals(dense(a))[:4])


@pytest.mark.parametrize(
    ("choice", "rank"),
    [
        ({"rank": 3}, 3), ({"rank": 9}, 4), ({"energy": 1.0}, 4), ({"energy": 0.5}, 1), ({"energy": 0.9}, 2),
        ({"ratio": 3.0}, 2), ({"ratio": 1.0}, 1), ({"ratio": 1e9}, 4), ({"energy": 1.0, "rank": 2}, 2),
        ({"energy": 0.9, "ratio": 1e9}, 2), ({}, 4),
    ],
)  # fmt: skip
def test_ranks_are_chosen_by_hand_counted_spectra(choice, rank):
    s = torch.tensor([4.0, 2.0, 1.0, 0.5])  # squares 16, 4, 1, 0.25: shares 0.753, 0.941, 0.988, 1
    assert algebra.choose_rank(s, **choice) == rank


def test_no_change_has_rank_one():
    assert algebra.choose_rank(torch.zeros(4), energy=0.9) == 1
    assert algebra.choose_rank(torch.zeros(4), ratio=2.0) == 1


def test_effective_rank_of_equal_values_is_their_number():
    assert math.isclose(algebra.effective_rank(torch.full((5,), 3.0)), 5.0, rel_tol=1e-6)
    assert math.isclose(algebra.effective_rank(torch.tensor([2.0, 0.0])), 1.0)
    assert algebra.effective_rank(torch.zeros(3)) == 0


@pytest.mark.parametrize("density", [1.0, 0.5, 0.2])
def test_ties_is_pefts(density):
    draw = torch.Generator().manual_seed(0)
    changes = [torch.randn(12, 9, generator=draw) for _ in range(3)]
    weights = [0.7, 0.7, 0.7]  # peft elects signs before weighing, so equal weights compare
    theirs = merge_utils.ties(changes, torch.tensor(weights), density)
    torch.testing.assert_close(algebra.ties(changes, weights, density), theirs)


def test_ties_elects_the_sign_of_the_weighted_sum():
    a, b = torch.tensor([[3.0, 2.0, 0.1, -4.0]]), torch.tensor([[-4.0, 1.0, 0.0, 5.0]])
    # Half of each stays: a keeps 3 and -4, b -4 and 5.
    assert algebra.ties([a, b], [1.0, 1.0], 0.5).tolist() == [[-4.0, 0.0, 0.0, 5.0]]
    assert algebra.ties([a, b], [1.0, -1.0], 0.5).tolist() == [[3.5, 0.0, 0.0, -4.5]]
    assert algebra.ties([a, b], [2.0, 1.0], 0.5).tolist() == [[6.0, 0.0, 0.0, -8.0]]


def test_dare_keeps_the_mean_and_the_share():
    change = torch.full((400, 300), 2.0)
    dropped = algebra.dare(change, 0.25, torch.Generator().manual_seed(1))
    assert set(dropped.unique().tolist()) == {0.0, 8.0}
    assert abs(float((dropped != 0).float().mean()) - 0.25) < 0.01  # 5 standard deviations are 0.006
    assert algebra.dare(change, 1.0, torch.Generator()).equal(change)
    again = algebra.dare(change, 0.25, torch.Generator().manual_seed(1))
    assert dropped.equal(again)

"""How many operations a step launches: the counts are exact, so that no noise hides a step that grew."""

import pytest
import torch
from torch import nn

from benchmarks.speed import count


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def row(request):
    return request.param, count.count(request.param)


def test_the_bare_unet_is_counted_as_it_was_measured(row):
    """Counts of the full-size models, SD 1.5 3,259 and 1,397, SDXL 10,340 and 3,750; they differ by a loss alone."""
    family, found = row
    operations, kernels = {"sd1": (3259, 1397), "sdxl": (10340, 3750)}[family]
    assert found["operations"]["base"] == pytest.approx(operations, rel=0.02)
    assert found["kernels"]["base"] == pytest.approx(kernels, rel=0.02)


def test_the_default_adapter_costs_half_of_the_unet_at_most(row):
    family, found = row
    assert found["layers"] == {"sd1": 192, "sdxl": 722}[family]
    assert found["ratio"]["kernels"] <= 1.5 and found["ratio"]["operations"] <= 1.5
    assert found["kernels"]["base_and_adapter"] <= {"sd1": 2100, "sdxl": 5600}[family]


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_so_it_does_in_bf16_where_factors_and_gradients_are_cast(family):
    found = count.count(family, autocast=True)
    assert found["ratio"]["kernels"] <= 1.5 and found["ratio"]["operations"] <= 1.5
    assert found["more_kernels"]["aten._foreach_copy_"] == 2  # all there, and all back
    assert "aten._to_copy" not in found["more_kernels"]


def test_clip_and_update_are_a_few_operations_for_all_factors(row):
    _, found = row
    assert found["operations"]["clip"] <= 10 and found["operations"]["optimizer"] <= 10


def test_views_and_reserved_memory_are_no_kernels():
    x, layer = torch.zeros(2, 3, 4), nn.Linear(4, 5)
    found = count.counted(lambda: layer(x).transpose(1, 2).add_(1) + x.new_empty(1))
    assert found.kernels == {"aten.addmm": 1, "aten.add_": 1, "aten.add": 1}
    assert found.operations - found.kernels == {"aten.view": 2, "aten.t": 1, "aten.transpose": 1, "aten.new_empty": 1}
    # addmm: bias, x, weight, output; add_: its tensor in, and out; add: two in, one out
    assert found.bytes == 4 * ((5 + 24 + 20 + 30) + (30 + 30) + (30 + 1 + 30))


def test_work_at_full_size_needs_no_memory():
    found = count.work("sd1", pixels=64)
    assert found["base"]["gflop"] == pytest.approx(24, rel=0.1)  # as measured on real tensors
    # Two skinny products in place of one of full size, forward and backward: a few per cent.
    assert 1 < found["base_and_adapter"]["gflop"] / found["base"]["gflop"] < 1.1
    assert found["base"]["gb"] < found["base_and_adapter"]["gb"] < 1.3 * found["base"]["gb"]

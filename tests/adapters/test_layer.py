"""The layer against the formula written out with explicit matrices and convolutions."""

import pytest
import torch
from said import saying
from torch import nn
from torch.nn import functional as F

from sdlora.adapters.lora.layer import LoRALayer
from sdlora.errors import UserError

CONVOLUTIONS = [
    {"kernel_size": 1},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": (3, 5), "padding": (0, 2), "stride": (1, 2), "dilation": (2, 1)},
    {"kernel_size": 3, "padding": "same"},
    {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
]


def filled(base: nn.Module, rank: int, alpha: float) -> LoRALayer:
    layer = LoRALayer(base, rank, alpha, torch.Generator().manual_seed(0))
    nn.init.normal_(layer.up.weight, generator=torch.Generator().manual_seed(1))
    return layer


def test_linear_is_alpha_over_rank_b_a():
    layer = filled(nn.Linear(7, 5), rank=3, alpha=6)
    x = torch.randn(2, 4, 7, dtype=torch.float64)
    down, up = layer.down.weight.double(), layer.up.weight.double()
    assert down.shape == (3, 7) and up.shape == (5, 3)
    expected = 6 / 3 * (x @ down.T @ up.T)
    torch.testing.assert_close(layer(x.float()).double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.delta().double(), 2 * up @ down, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_convolution_equals_one_with_the_weight_written_out(options):
    base = nn.Conv2d(4, 6, **options)
    layer = filled(base, rank=2, alpha=3)
    down, up = layer.down.weight.double(), layer.up.weight.double()
    weight = 1.5 * torch.einsum("or,rikl->oikl", up[:, :, 0, 0], down)
    torch.testing.assert_close(layer.delta().double(), weight, rtol=1e-5, atol=1e-6)
    x = torch.randn(2, 4, 11, 12, dtype=torch.float64)
    padding = options.get("padding", 0)
    if options.get("padding_mode") == "reflect":
        expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight)
    else:
        rest = {k: v for k, v in options.items() if k in ("stride", "dilation")}
        expected = F.conv2d(x, weight, padding=padding, **rest)
    torch.testing.assert_close(layer(x.float()).double(), expected, rtol=1e-5, atol=1e-5)


def test_starts_at_zero_with_gaussian_of_std_one_over_rank():
    layer = LoRALayer(nn.Linear(4000, 8), rank=16, alpha=8)
    assert not layer.up.weight.any()
    assert layer.down.weight.std().item() == pytest.approx(1 / 16, rel=0.03)
    assert layer.down.weight.mean().abs().item() < 0.002
    assert not layer(torch.randn(3, 4000)).any()


def test_same_generator_seed_same_numbers_and_the_global_generator_is_untouched():
    before = torch.random.get_rng_state()
    one, two, other = (
        LoRALayer(nn.Conv2d(4, 4, 3, device="meta").to_empty(device="cpu"), 4, 4, torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.down.weight, two.down.weight)
    assert not torch.equal(one.down.weight, other.down.weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_base_keeps_float32_factors_and_its_own_dtype(dtype):
    layer = filled(nn.Linear(8, 8).to(dtype), rank=2, alpha=2)
    assert layer.down.weight.dtype == layer.up.weight.dtype == torch.float32
    x = torch.randn(3, 8)
    change = layer(x.to(dtype))
    assert change.dtype == dtype
    torch.testing.assert_close(change.float(), layer(x), rtol=0.03, atol=0.03)


def test_autocast_computes_in_its_own_dtype_and_trains_float32_factors():
    layer = filled(nn.Linear(8, 8), rank=2, alpha=2)
    x = torch.randn(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        change = layer(x)
    assert change.dtype == torch.bfloat16
    torch.testing.assert_close(change.float(), layer(x), rtol=0.03, atol=0.03)
    change.float().sum().backward()
    assert layer.down.weight.grad.dtype == layer.up.weight.grad.dtype == torch.float32
    assert layer.down.weight.grad.any() and layer.up.weight.grad.any()


@pytest.mark.parametrize(
    ("base", "rank", "alpha", "words"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), 2, 1.0, saying("adapters.convolution_grouped", count="2")),
        (nn.Embedding(3, 3), 2, 1.0, saying("adapters.layer_unfit", kind="Embedding")),
        (nn.Linear(2, 2), 0, 1.0, saying("adapters.rank_invalid", name="here", given="0")),
        (nn.Linear(2, 2), 2.5, 1.0, saying("adapters.rank_invalid", given="2.5")),
        (nn.Linear(2, 2), 2, -1.0, saying("adapters.alpha_invalid", name="here", given="-1.0")),
        (nn.Linear(2, 2), 2, 0.0, saying("adapters.alpha_invalid", given="0.0")),
        (nn.Linear(2, 2), 2, float("nan"), saying("adapters.alpha_invalid", given="nan")),
    ],
)
def test_what_can_not_be_is_said(base, rank, alpha, words):
    with pytest.raises(UserError, match=words):
        LoRALayer(base, rank, alpha, name="here")

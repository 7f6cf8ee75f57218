"""Packed convolutions against PyTorch's own, forward and backward."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sdlora.adapters import packed as room
from sdlora.adapters.inject import inject
from sdlora.adapters.packed import Packed, packable, packed_bytes
from sdlora.messages import say

BF16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
DTYPES = [torch.float32, torch.bfloat16]
# in, out, kernel, stride, padding, dilation, groups, bias, height, width
SHAPES = {
    "3x3": (8, 16, 3, 1, 1, 1, 1, True, 9, 7),
    "1x1": (16, 8, 1, 1, 0, 1, 1, True, 5, 6),
    "without padding": (8, 8, 3, 1, 0, 1, 1, False, 6, 6),
    "strided": (8, 12, 3, 2, 1, 1, 1, True, 9, 8),
    "groups": (8, 12, 3, 1, 1, 1, 4, True, 6, 6),
    "dilated": (8, 8, 3, 1, 2, 2, 1, True, 9, 9),
    "much padding": (8, 8, 1, 1, 1, 1, 1, True, 5, 5),
    "uneven kernel": (8, 8, (1, 3), 1, (0, 1), 1, 1, True, 5, 5),
}


def frozen(dtype=torch.float32, ins=8, out=8, *how, bias=True, seed=0):
    torch.manual_seed(seed)
    return nn.Conv2d(ins, out, *(how or (3, 1, 1)), bias=bias).to(dtype).requires_grad_(False)


def calls(monkeypatch):
    """Where the packed kernels are counted."""
    seen, original = [], room._convolution
    monkeypatch.setattr(room, "_convolution", lambda *args: seen.append(1) or original(*args))
    return seen


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_output_and_gradient_are_pytorchs(shape, dtype, monkeypatch):
    seen = calls(monkeypatch)
    ins, out, kernel, stride, padding, dilation, groups, bias, height, width = shape
    module = frozen(dtype, ins, out, kernel, stride, padding, dilation, groups, bias=bias)
    x = torch.randn(2, ins, height, width).to(dtype)
    exact, mine = x.double().requires_grad_(), x.clone().requires_grad_()
    own = None if module.bias is None else module.bias.double()
    true = functional.conv2d(exact, module.weight.double(), own, stride, padding, dilation, groups)
    gradient = torch.randn(true.shape).to(dtype)
    true.backward(gradient.double())
    Packed(module, 1)
    for _ in range(2):  # what is packed is used again
        mine.grad = None
        y = module(mine)
        y.backward(gradient)
        assert y.dtype == mine.grad.dtype == dtype
        near = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
        torch.testing.assert_close(y.double(), true.detach(), **near)
        torch.testing.assert_close(mine.grad.double(), exact.grad, **near)
    backward = stride == 1 and shape != SHAPES["much padding"]
    packs = dtype == torch.float32 or BF16  # else the plain way, with the same result
    assert len(seen) == packs * (4 if backward else 2)


def test_images_that_lie_channels_last_and_other_sizes_are_the_same():
    module, plain = frozen(), frozen()
    Packed(module, 1)
    for size in (6, 11, 4):
        x = torch.randn(2, 8, size, size + 1).to(memory_format=torch.channels_last).requires_grad_()
        other = x.detach().clone().requires_grad_()
        module(x).square().sum().backward()
        plain(other).square().sum().backward()
        torch.testing.assert_close(x.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_under_autocast_the_input_is_cast(monkeypatch):
    seen = calls(monkeypatch)
    module = frozen(torch.bfloat16)
    Packed(module, 1)
    x = torch.randn(1, 8, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = module(x)
    y.float().sum().backward()
    assert y.dtype == torch.bfloat16 and x.grad.dtype == torch.float32 and len(seen) == 2 * BF16


def test_nothing_is_packed_before_the_first_step_nor_in_another_dtype(monkeypatch):
    seen = calls(monkeypatch)
    module = frozen()
    Packed(module, 1)
    with torch.no_grad():
        before = module(torch.ones(1, 8, 4, 4))
    assert not seen
    module(torch.ones(1, 8, 4, 4))
    with torch.no_grad():
        torch.testing.assert_close(module(torch.ones(1, 8, 4, 4)), before)
    assert len(seen) == 2
    with torch.autocast("cpu", torch.bfloat16):  # a float32 weight is cast by autocast, which is not packed
        module(torch.ones(1, 8, 4, 4))
    assert len(seen) == 2


def test_a_weight_that_is_replaced_is_packed_anew():
    module, other = frozen(), frozen(seed=1)
    Packed(module, 1)
    x = torch.randn(1, 8, 5, 5, requires_grad=True)
    module(x)
    module.weight.data = other.weight.data.clone()  # as merging does
    module(x).sum().backward()
    expected = x.detach().clone().requires_grad_()
    nn.functional.conv2d(expected, other.weight, None, 1, 1).sum().backward()
    torch.testing.assert_close(x.grad, expected.grad)
    with torch.no_grad():
        module.weight.mul_(2)
    torch.testing.assert_close(module(x), nn.functional.conv2d(x, 2 * other.weight, module.bias, 1, 1))


def test_checkpointing_and_state_dict_go_on_as_before():
    module, plain = frozen(), frozen()
    Packed(module, 1)
    x, other = (torch.ones(1, 8, 5, 5, requires_grad=True) for _ in range(2))
    checkpoint(lambda x: module(x).tanh(), x, use_reentrant=False).sum().backward()
    plain(other).tanh().sum().backward()
    torch.testing.assert_close(x.grad, other.grad)
    assert {name: t.shape for name, t in module.state_dict().items()} == {
        name: t.shape for name, t in plain.state_dict().items()
    }


def test_what_is_not_frozen_small_or_adapted_is_left_alone():
    net = nn.Sequential(frozen(), frozen().requires_grad_(True), nn.Conv2d(8, 8, 3, padding_mode="circular"), frozen())
    net[2].requires_grad_(False)
    assert list(packable(net, 1)) == [net[0], net[3]]
    assert list(packable(net, 577)) == [] and list(packable(net)) == []
    assert packed_bytes(net, 1) == 2 * 2 * 8 * 8 * 9 * 4
    inject({"net": net}, ["*.3"], rank=2, alpha=2.0)  # freezes the rest
    assert list(packable(net, 1)) == [net[0], net[1]]


def test_an_adapter_that_comes_later_acts_and_goes():
    net = nn.Sequential(frozen())
    before = Packed(net, 1)
    x = torch.randn(1, 8, 5, 5)
    plain = net(x)
    adapter = inject({"net": net}, ["*.0"], rank=2, alpha=2.0)
    with torch.no_grad():
        next(iter(adapter.layers.values())).up.weight.fill_(1.0)
    changed = functional.conv2d(x, net[0].weight + adapter.delta("net.0"), net[0].bias, 1, 1)
    torch.testing.assert_close(net(x), changed, rtol=1e-4, atol=1e-4)
    adapter.remove()
    torch.testing.assert_close(net(x), plain)
    before.remove()
    assert "forward" not in vars(net[0])
    torch.testing.assert_close(net(x), plain)


def test_a_failure_is_told_once_and_goes_the_plain_way(monkeypatch):
    def refuse(*args):
        raise RuntimeError("could not create a primitive\nat length")

    monkeypatch.setattr(room, "_laid_out", refuse)
    net, plain = nn.Sequential(frozen(), frozen()), nn.Sequential(frozen(), frozen())
    done = Packed(net, 1)
    x, other = (torch.ones(1, 8, 5, 5, requires_grad=True) for _ in range(2))
    net(x).sum().backward()
    plain(other).sum().backward()
    assert torch.equal(x.grad, other.grad)
    assert done.notes == [say("training.packing_failed", reason="could not create a primitive")]

"""A LoRA as wide as its layer learns what the layer itself would learn."""

import pytest
import torch
from torch import nn

from sdlora.adapters.inject import inject


@pytest.mark.parametrize("shape", ["linear", "convolution"])
def test_rank_of_full_width_reproduces_full_fine_tuning(shape):
    """With A held at an orthogonal matrix, gradient descent on B moves B·A as it moves W: dB = dW·Aᵀ, dB·A = dW."""
    draw = torch.Generator().manual_seed(4)
    base, twin = ((nn.Linear(6, 5) if shape == "linear" else nn.Conv2d(3, 4, 2)).double() for _ in range(2))
    twin.load_state_dict(base.state_dict())
    size = (9, 6) if shape == "linear" else (3, 3, 5, 5)
    x = torch.randn(size, generator=draw, dtype=torch.float64)
    target = torch.randn(base(x).shape, generator=draw, dtype=torch.float64)
    width = base.weight[0].numel()
    adapter = inject({"unet": base}, ["*"], rank=width, alpha=float(width))
    layer, start = adapter.layers["unet"].double(), base.weight.detach().clone()
    turn = torch.linalg.qr(torch.randn(width, width, generator=draw, dtype=torch.float64)).Q
    with torch.no_grad():
        layer.down.weight.copy_(turn.view(layer.down.weight.shape))
    ours, theirs = torch.optim.SGD([layer.up.weight], lr=0.05), torch.optim.SGD([twin.weight], lr=0.05)
    for _ in range(20):
        for model, optimizer in ((base, ours), (twin, theirs)):
            optimizer.zero_grad()
            (model(x) - target).square().mean().backward()
            optimizer.step()
    change = (layer.up.weight.flatten(1) @ layer.down.weight.flatten(1)).view(start.shape)
    torch.testing.assert_close(change, twin.weight - start, rtol=1e-9, atol=1e-12)
    assert change.norm() > 0.01 * start.norm()

"""A compiler sees the UNet with an adapter as one graph, and compiles it once for every size of the images."""

import pytest
import torch
from small_models import ONE_BLOCK, make_unet, unet_inputs
from torch._dynamo.utils import counters

from sdlora.adapters.inject import inject
from sdlora.adapters.table import KINDS

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def forgetful():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def with_adapter(kind):
    unet = make_unet(**ONE_BLOCK, mid_block_type=None).requires_grad_(False)
    return unet, inject({"unet": unet}, "full", rank=2, kind=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_no_adapter_breaks_the_graph(kind):
    unet, _ = with_adapter(kind)
    seen = torch._dynamo.explain(unet)(*unet_inputs(unet))
    assert (seen.graph_count, seen.graph_break_count, seen.break_reasons) == (1, 0, [])


def test_every_size_is_compiled_once_and_learns_as_without():
    unet, adapter = with_adapter("lora")
    x, t, text = unet_inputs(unet)
    compiled = torch.compile(unet, backend="eager", dynamic=False)
    sizes = [(8, 8), (8, 4), (8, 8), (8, 4)]
    for step, (height, width) in enumerate(sizes):
        noisy = x[..., :height, :width]
        gradients = []
        for model in (compiled, unet):
            adapter.zero_grad()
            model(noisy, t, text).sample.pow(2).mean().backward()
            gradients.append([p.grad.clone() for p in adapter.parameters()])
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other)
        with torch.no_grad():  # as an optimizer does: that must not compile again
            for parameter in adapter.parameters():
                parameter.add_(0.01)
        assert counters["stats"]["unique_graphs"] == min(step + 1, 2)
    assert not counters["graph_break"]

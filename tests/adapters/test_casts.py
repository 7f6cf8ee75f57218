"""Factors cast all at once give the bits that they give when each is cast where it is used."""

from contextlib import nullcontext
from functools import partial

import pytest
import torch
from small_models import make_models, make_unet, unet_inputs
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from benchmarks.speed.count import Counting
from sdlora.adapters.inject import inject
from sdlora.adapters.table import KINDS

HALF = partial(torch.autocast, "cpu", torch.bfloat16)


def learning(unet, targets="attn-mlp", kind="lora", **options):
    """An adapter on it with no factor as it began."""
    adapter = inject({"unet": unet}, targets, rank=3, alpha=2.0, kind=kind, **options)
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in adapter.tensors().values():
            tensor.add_(torch.randn(tensor.shape, generator=draw) * 0.05)
    return adapter


def step(adapter, call, *inputs, autocast=HALF):
    """(output, gradients): a step with a square loss."""
    adapter.zero_grad(set_to_none=True)
    with autocast():
        output = call(*inputs)
        output = getattr(output, "sample", output)
        output.float().square().sum().backward()
    return output.detach(), {name: p.grad for name, p in adapter.tensors().items()}


def equal(one, other):
    assert torch.equal(one[0], other[0]) and one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        there = other[1][name]
        assert gradient is there is None or (gradient.dtype == there.dtype and torch.equal(gradient, there)), name
    assert any(gradient is not None and gradient.any() for gradient in one[1].values())


def copies(adapter, call, *inputs):
    """How often something was cast by itself in a step, and how often all at once."""
    with Counting() as counting:
        step(adapter, call, *inputs)
    return counting.kernels["aten._to_copy"], counting.kernels["aten._foreach_copy_"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", ["attn-mlp", "full"])
@pytest.mark.parametrize("recomputed", [False, True])
def test_a_step_gives_the_same_bits(kind, targets, recomputed):
    unet = make_unet().to(torch.bfloat16)
    adapter = learning(unet, targets, kind)
    if recomputed:
        unet.enable_gradient_checkpointing()
        unet.train()
    inputs = unet_inputs(unet)
    alone, together = step(adapter, unet, *inputs), step(adapter, partial(adapter, unet), *inputs)
    equal(together, alone)
    single, _ = copies(adapter, unet, *inputs)
    fewer, at_once = copies(adapter, partial(adapter, unet), *inputs)
    if kind == "lora":
        assert fewer < single and at_once == 2
    else:
        assert (fewer, at_once) == (single, 0)


@pytest.mark.parametrize("reentrant", [False, True])
def test_layers_called_twice_add_up_in_float32(reentrant):
    """As a text encoder is for a caption of several pieces; and as what is computed again in the backward pass is."""
    net = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Conv1d(1, 1, 1), nn.Linear(8, 8)).to(torch.bfloat16)
    adapter = learning(net, ["unet.0", "unet.3"])
    x = torch.randn(5, 1, 8, requires_grad=True)

    def twice(x):
        again = partial(checkpoint, net, use_reentrant=reentrant)
        return net(x) + net(2 * x) + again(3 * x)

    equal(step(adapter, partial(adapter, twice), x), step(adapter, twice, x))


def test_what_does_not_learn_is_left_alone_and_gets_no_gradient():
    unet = make_unet().to(torch.bfloat16)
    adapter = learning(unet)
    for number, layer in enumerate(adapter.layers.values()):
        layer.requires_grad_(number % 3 > 0)  # some of each stack
    inputs = unet_inputs(unet)
    found = step(adapter, partial(adapter, unet), *inputs)
    equal(found, step(adapter, unet, *inputs))
    learns = {name: p.requires_grad for name, p in adapter.tensors().items()}
    assert learns == {name: gradient is not None for name, gradient in found[1].items()} and not all(learns.values())


def test_layers_that_a_step_leaves_out_get_no_gradient():
    unet = make_unet().to(torch.bfloat16)
    adapter = learning(unet)
    projection = unet.down_blocks[0].attentions[0].transformer_blocks[0].ff.net[2]
    x = torch.randn(2, projection.in_features)
    _, gradients = step(adapter, partial(adapter, projection), x)
    assert {name for name, gradient in gradients.items() if gradient is not None} == {
        f"unet.down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.{part}" for part in ("down", "up")
    }
    assert not any(owner.ready for owner in adapter._casts.owners)


def test_the_next_step_sees_what_the_factors_are_by_then():
    """Whoever changes them, and in whatever way; and a picture drawn between two steps, without gradients."""
    unet = make_unet().to(torch.bfloat16)
    adapter = learning(unet)
    inputs, call = unet_inputs(unet), partial(adapter, unet)
    before = step(adapter, call, *inputs)[0]
    for parameter in adapter.parameters():
        parameter.data = parameter.data * 1.5
    with torch.no_grad(), HALF():
        drawn, expected = call(*inputs).sample, unet(*inputs).sample
    assert torch.equal(drawn, expected) and not torch.equal(drawn, before)
    equal(step(adapter, call, *inputs), step(adapter, unet, *inputs))
    adapter.enabled = False
    with HALF():
        assert torch.equal(call(*inputs).sample, unet(*inputs).sample)


def test_gradients_add_up_over_batches_and_half_a_step_spoils_nothing():
    unet = make_unet().to(torch.bfloat16)
    adapter = learning(unet)
    inputs, found = unet_inputs(unet), []
    for call in (unet, partial(adapter, unet)):
        adapter.zero_grad(set_to_none=True)
        with HALF():
            first, second = (call(inputs[0] * n, *inputs[1:]).sample for n in (1, 2))  # both before a backward
            call(*inputs)  # and one that is given up
            for output in (first, second, call(*inputs).sample):
                output.float().square().sum().backward()
        found.append([p.grad.clone() for p in adapter.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_text_encoders_are_cast_with_the_unet():
    models = make_models("sd1")
    for model in models.values():
        model.to(torch.bfloat16)
    adapter = inject(models, ["unet.*attn2.to_[kv]", "text_encoder.*.fc1"], rank=2)
    tokens, inputs = torch.arange(8)[None], unet_inputs(models["unet"])

    def both():
        states = models["text_encoder"](tokens).last_hidden_state
        text = functional.pad(states, (0, inputs[2].shape[-1] - states.shape[-1]))
        return models["unet"](*inputs[:2], text.expand(len(inputs[0]), -1, -1)).sample

    equal(step(adapter, partial(adapter, both)), step(adapter, both))
    assert copies(adapter, partial(adapter, both))[1] == 2


def test_nothing_is_cast_at_once_where_nothing_is_cast():
    unet = make_unet()
    adapter = learning(unet)
    inputs, call = unet_inputs(unet), partial(adapter, unet)
    equal(step(adapter, call, *inputs, autocast=nullcontext), step(adapter, unet, *inputs, autocast=nullcontext))
    with Counting() as counting:
        step(adapter, call, *inputs, autocast=nullcontext)
    assert not counting.kernels["aten._foreach_copy_"]


def test_a_compiler_sees_no_break_in_it():
    unet = make_unet()
    adapter = learning(unet)
    torch._dynamo.reset()
    seen = torch._dynamo.explain(adapter)(unet, *unet_inputs(unet))
    assert (seen.graph_count, seen.graph_break_count) == (1, 0), seen.break_reasons

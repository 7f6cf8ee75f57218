"""The adapters' arithmetic, joined as it is, against plain formulas and peft: outputs, gradients, every way of use."""

import copy

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from peft import LoraConfig
from small_models import ONE_BLOCK, make_unet, randomise, unet_inputs
from torch import nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from sdlora.adapters.adapter import Adapter
from sdlora.adapters.attention import StackedAttention, Texts
from sdlora.adapters.inject import inject
from sdlora.adapters.table import KINDS
from sdlora.adapters.targets import target_patterns

DOUBLE = {"rtol": 1e-9, "atol": 1e-9}
LAYERS = {
    "linear": (lambda: nn.Linear(7, 5), (2, 3, 7)),
    "linear without bias": (lambda: nn.Linear(7, 5, bias=False), (4, 7)),
    "one position": (lambda: nn.Linear(7, 5), (7,)),
    "1x1": (lambda: nn.Conv2d(7, 5, 1), (2, 7, 4, 3)),
    "3x3": (lambda: nn.Conv2d(7, 5, 3, padding=1, bias=False), (2, 7, 4, 5)),
    "strided": (lambda: nn.Conv2d(7, 5, (3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 2)), (2, 7, 9, 8)),
    "same": (lambda: nn.Conv2d(7, 5, 3, padding="same"), (2, 7, 4, 5)),
    "reflect": (lambda: nn.Conv2d(7, 5, 3, padding=1, padding_mode="reflect"), (2, 7, 4, 5)),
}


def wide(unet: nn.Module, adapter: Adapter) -> None:
    """All in float64, so that what differs is the formula and not its rounding."""
    unet.double()
    adapter.double()


def gradients_of(unet: nn.Module, adapter: Adapter, inputs, run=None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """(output, gradient of every factor) of one step with a square loss."""
    adapter.zero_grad(set_to_none=True)
    output = (unet if run is None else run)(*inputs).sample
    output.square().sum().backward()
    return output.detach(), {name: parameter.grad for name, parameter in adapter.tensors().items()}


def one_by_one(unet: nn.Module) -> None:
    """Attention as diffusers has it, which calls every projection by itself."""
    for module in unet.modules():
        if isinstance(getattr(module, "processor", None), StackedAttention):
            module.set_processor(AttnProcessor2_0())


@pytest.mark.parametrize("which", LAYERS)
@pytest.mark.parametrize("alpha", [3.0, 2.0])
def test_a_layer_is_its_formula_with_its_gradients(which, alpha):
    make, shape = LAYERS[which]
    base = make().double()
    adapter = inject({"layer": base}, ["layer"], rank=2, alpha=alpha)
    adapter.double()
    randomise(adapter)
    layer, x = adapter.layers["layer"], torch.randn(shape, dtype=torch.float64, requires_grad=True)
    output = base(x)
    down, up, other = (t.detach().clone().requires_grad_() for t in (layer.down.weight, layer.up.weight, x))
    weight = base.weight + alpha / 2 * (up.flatten(1) @ down.flatten(1)).view(base.weight.shape)
    expected = linear(other, weight, base.bias) if which in list(LAYERS)[:3] else base._conv_forward(
        other, weight, base.bias
    )  # fmt: skip
    torch.testing.assert_close(output, expected, **DOUBLE)
    push = torch.randn_like(output)
    (output * push).sum().backward()
    (expected * push).sum().backward()
    for ours, theirs in ((x, other), (layer.down.weight, down), (layer.up.weight, up)):
        torch.testing.assert_close(ours.grad, theirs.grad, **DOUBLE)
    assert base.weight.grad is None


@pytest.mark.parametrize("targets", ["attn-mlp", "cross-attn", "full"])
@pytest.mark.parametrize("linear_projection", [False, True])
def test_a_unet_learns_as_with_peft(targets, linear_projection):
    unet, other = (make_unet(use_linear_projection=linear_projection) for _ in range(2))
    adapter = inject({"": unet}, targets, rank=3, alpha=2.0)
    randomise(adapter)
    wide(unet, adapter)
    names = list(adapter.layers)
    other.double().requires_grad_(False)
    other.add_adapter(LoraConfig(r=3, lora_alpha=2, target_modules=names))
    theirs = dict(other.named_parameters())
    with torch.no_grad():
        for name, layer in adapter.layers.items():
            for mine, peft in (("down", "lora_A"), ("up", "lora_B")):
                theirs[f"{name}.{peft}.default.weight"].data = layer.tensors()[mine].detach().clone()
    latents, times, text = unet_inputs(unet)
    inputs = (latents.double(), times, text.double())
    output, gradients = gradients_of(unet, adapter, inputs)
    expected = other(*inputs).sample
    expected.square().sum().backward()
    torch.testing.assert_close(output, expected, **DOUBLE)
    for name in names:
        for mine, peft in (("down", "lora_A"), ("up", "lora_B")):
            torch.testing.assert_close(
                gradients[f"{name}.{mine}"], theirs[f"{name}.{peft}.default.weight"].grad, rtol=1e-8, atol=1e-7
            )


@pytest.fixture
def trained():
    unet = make_unet()
    adapter = inject({"unet": unet}, "attn-mlp", rank=3, alpha=2.0)
    randomise(adapter)
    wide(unet, adapter)
    latents, times, text = unet_inputs(unet)
    inputs = (latents.double(), times, text.double())
    plain = copy.copy(gradients_of(unet, adapter, inputs))
    return unet, adapter, inputs, plain


def same(found, expected, **tolerance) -> None:
    torch.testing.assert_close(found[0], expected[0], **(tolerance or DOUBLE))
    assert found[1].keys() == expected[1].keys()
    for name in found[1]:
        torch.testing.assert_close(found[1][name], expected[1][name], msg=name, **(tolerance or DOUBLE))


def test_stacked_is_one_by_one(trained):
    unet, adapter, inputs, stacked = trained
    processors = [part for part in adapter._stacks if isinstance(part, StackedAttention)]
    texts = next(part for part in adapter._stacks if isinstance(part, Texts))
    # Two transformers and the middle one: each with self- and cross-attention; their texts are of one width.
    assert len(processors) == 2 * sum(name.endswith("attn1.to_q") for name in adapter.layers)
    assert sum(len(group) for _, group in texts.groups) == len(processors) / 2
    assert texts._found
    one_by_one(unet)
    same(gradients_of(unet, adapter, inputs), stacked)


def test_gradient_checkpointing_changes_nothing(trained):
    unet, adapter, inputs, plain = trained
    unet.enable_gradient_checkpointing()
    unet.train()
    same(gradients_of(unet, adapter, inputs), plain)
    unet.disable_gradient_checkpointing()
    whole = gradients_of(unet, adapter, inputs, lambda *args: checkpoint(unet, *args, use_reentrant=False))
    same(whole, plain)


def test_two_uses_of_one_layer_add_up(trained):
    unet, adapter, inputs, plain = trained
    adapter.zero_grad(set_to_none=True)
    outputs = [unet(*inputs).sample, unet(*inputs).sample]
    (outputs[0].square().sum() + 2 * outputs[1].square().sum()).backward()
    for name, parameter in adapter.tensors().items():
        torch.testing.assert_close(parameter.grad, 3 * plain[1][name], **DOUBLE)


def test_gradients_flow_to_a_text_that_learns(trained):
    unet, _, (latents, times, text), _ = trained
    found = []
    for _ in range(2):
        own = text.clone().requires_grad_()
        unet(latents, times, own).sample.square().sum().backward()
        found.append(own.grad)
        one_by_one(unet)
    torch.testing.assert_close(*found, **DOUBLE)
    assert found[0].any()


def test_moved_factors_are_found_and_put_together_again(trained):
    unet, adapter, inputs, plain = trained
    sides = [side for part in adapter._stacks if isinstance(part, StackedAttention)
             for side in part.stack.sides.values()]  # fmt: skip
    assert all(side._lie_together() for side in sides)
    for parameter in adapter.parameters():
        parameter.data = parameter.data.clone()
    unet.to(torch.float32).double()
    assert not any(side._lie_together() for side in sides)
    same(gradients_of(unet, adapter, inputs), plain, rtol=1e-4, atol=1e-3)
    adapter.to(torch.float32)
    adapter.double()
    assert all(side._lie_together() for name, side in sides_of(adapter) if name != "weights")
    same(gradients_of(unet, adapter, inputs), plain, rtol=1e-4, atol=1e-3)


def sides_of(adapter):
    return [pair for part in adapter._stacks if isinstance(part, StackedAttention)
            for pair in part.stack.sides.items()]  # fmt: skip


@torch.no_grad()
def test_an_update_of_a_factor_acts_at_once(trained):
    unet, adapter, inputs, (before, _) = trained
    name = next(name for name in adapter.tensors() if name.endswith("attn2.to_v.up"))
    adapter.tensors()[name].mul_(2)
    after = unet(*inputs).sample
    assert not torch.allclose(after, before)
    one_by_one(unet)
    torch.testing.assert_close(unet(*inputs).sample, after, **DOUBLE)


@torch.no_grad()
def test_two_adapters_add_up_and_go_in_any_order(trained):
    unet, first, inputs, (alone, _) = trained
    bare_first = [first.enabled for first.enabled in (False,)] and unet(*inputs).sample
    first.enabled = True
    second = inject({"unet": unet}, "attn", rank=2, seed=4)
    second.double()
    torch.testing.assert_close(unet(*inputs).sample, alone, **DOUBLE)
    randomise(second, seed=8)
    both = unet(*inputs).sample
    weights = {name: p.detach().clone() for name, p in unet.named_parameters()}
    first.merge()
    second_on_merged = unet(*inputs).sample
    torch.testing.assert_close(second_on_merged, both, rtol=1e-5, atol=1e-5)
    first.unmerge()
    assert all(torch.equal(p, weights[name]) for name, p in unet.named_parameters())
    first.remove()
    assert not torch.allclose(unet(*inputs).sample, both)
    second.remove()
    assert torch.equal(unet(*inputs).sample, bare_first)
    assert not any("forward" in vars(module) for module in unet.modules())
    kinds = {type(m.processor) for m in unet.modules() if hasattr(m, "processor")}
    assert kinds == {AttnProcessor2_0} and not unet._forward_hooks and not unet._forward_pre_hooks


@torch.no_grad()
def test_hooks_on_a_projection_are_still_called(trained):
    unet, _, inputs, (before, _) = trained
    seen = []
    unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_k.register_forward_hook(
        lambda module, args, output: seen.append(output.shape)
    )
    torch.testing.assert_close(unet(*inputs).sample, before, **DOUBLE)
    assert len(seen) == 1


@torch.no_grad()
def test_hooks_on_an_adapter_layer_are_still_called(trained):
    """Such as those with which sharding gathers a layer's tensors."""
    unet, adapter, inputs, (before, _) = trained
    seen = []
    for part in ("attn1.to_k", "ff.net.2"):
        layer = adapter.layers[f"unet.down_blocks.0.attentions.0.transformer_blocks.0.{part}"]
        layer.register_forward_pre_hook(lambda module, args, part=part: seen.append(part))
    torch.testing.assert_close(unet(*inputs).sample, before, **DOUBLE)
    assert seen == ["attn1.to_k", "ff.net.2"]


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_is_near_and_trains_float32_factors(kind):
    unet = make_unet()
    adapter = inject({"unet": unet}, "attn-mlp", rank=3, alpha=2.0, kind=kind)
    inputs = unet_inputs(unet)
    with torch.no_grad():
        for tensor in adapter.tensors().values():
            tensor.add_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(3)) * 0.05)
    exact = gradients_of(unet, adapter, inputs)
    with torch.autocast("cpu", torch.bfloat16):
        output, gradients = gradients_of(unet, adapter, inputs)
    assert (output.float() - exact[0]).norm() < 0.05 * exact[0].norm()
    assert all(gradient.dtype == torch.float32 for gradient in gradients.values())
    ours, theirs = (torch.cat([g.flatten() for g in found.values()]) for found in (gradients, exact[1]))
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_on_meta_tensors_has_shapes_and_no_numbers(kind):
    unet = make_unet().to("meta")
    adapter = inject({"unet": unet}, "full", rank=3, kind=kind)
    latents, times, text = (tensor.to("meta") for tensor in unet_inputs(unet))
    output, gradients = gradients_of(unet, adapter, (latents, times, text))
    assert output.shape == latents.shape and output.is_meta
    assert all(gradients[name].shape == p.shape for name, p in adapter.tensors().items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", ["attn-mlp", "full"])
def test_the_compiler_sees_one_graph(kind, targets):
    unet = make_unet(**ONE_BLOCK)
    adapter = inject({"unet": unet}, targets, rank=2, kind=kind)
    inputs = unet_inputs(unet)
    torch._dynamo.reset()
    seen = torch._dynamo.explain(unet)(*inputs)
    assert seen.graph_count == 1 and seen.graph_break_count == 0, seen.break_reasons
    assert adapter.active


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_step_is_the_plain_one(kind):
    unet = make_unet(**ONE_BLOCK)
    adapter = inject({"unet": unet}, target_patterns("full"), rank=2, kind=kind)
    with torch.no_grad():
        for tensor in adapter.tensors().values():
            tensor.add_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(3)) * 0.05)
    inputs = unet_inputs(unet)
    plain = gradients_of(unet, adapter, inputs)
    torch._dynamo.reset()
    step = torch.compile(unet, backend="aot_eager", fullgraph=True)
    same(gradients_of(unet, adapter, inputs, step), plain, rtol=1e-4, atol=1e-4)
    with torch.no_grad():  # the compiled graph reads the factors where they are
        for tensor in adapter.tensors().values():
            tensor.mul_(1.5)
    same(gradients_of(unet, adapter, inputs, step), gradients_of(unet, adapter, inputs), rtol=1e-4, atol=1e-4)

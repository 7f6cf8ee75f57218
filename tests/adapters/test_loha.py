"""LoHa against LyCORIS's own module: same weights, same change, same output; and our file in LyCORIS."""

import pytest
import torch
from lycoris import create_lycoris_from_weights
from lycoris.modules.loha import LohaModule
from safetensors.torch import load_file
from small_models import make_unet, unet_inputs
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.adapters.loha.layer import LoHaLayer
from sdlora.adapters.targets import target_patterns
from sdlora.lorafiles.write import write_lora

LAYERS = {
    "linear": (nn.Linear(6, 5), (2, 7, 6)),
    "convolution": (nn.Conv2d(6, 5, 3, padding=1, stride=2, dilation=2), (2, 6, 8, 8)),
    "1x1": (nn.Conv2d(6, 5, 1), (2, 6, 4, 4)),
}


def trained(adapter, std=0.1):
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in adapter.tensors().values():
            tensor.add_(torch.randn(tensor.shape, generator=draw).to(tensor) * std)
    return adapter


@pytest.mark.parametrize("multiplier", [1.0, 0.4])
@pytest.mark.parametrize("shape", LAYERS)
def test_change_and_output_are_lycoris_own(shape, multiplier):
    base, size = LAYERS[shape]
    adapter = trained(inject({"layer": base}, ["layer"], rank=3, alpha=2.0, kind="loha"))
    theirs = LohaModule("x", base, multiplier, lora_dim=3, alpha=2.0).eval()
    with torch.no_grad():
        for name, tensor in adapter.layers["layer"].tensors().items():
            getattr(theirs, name).copy_(tensor)
    x = torch.randn(size, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(adapter.delta("layer"), theirs.get_weight(theirs.shape).detach())
    adapter.scale = multiplier
    ours = base(x).detach()
    adapter.remove()
    torch.testing.assert_close(ours, theirs(x).detach(), rtol=1e-4, atol=1e-5)


def test_it_begins_as_lycoris_does():
    base = nn.Conv2d(40, 50, 3)
    ours, theirs = LoHaLayer(base, 16, 8.0).tensors(), LohaModule("x", base, lora_dim=16, alpha=8.0)
    for name, tensor in ours.items():
        other = getattr(theirs, name)
        assert tensor.shape == other.shape and tensor.dtype == torch.float32
        assert tensor.std().item() == pytest.approx(other.std().item(), rel=0.1)
    assert not ours["hada_w2_a"].any()


def test_gradients_are_those_of_the_formula():
    base = nn.Conv2d(4, 3, 3, padding=1)
    adapter = trained(inject({"layer": base}, ["layer"], rank=2, alpha=3.0, kind="loha"))
    x = torch.randn(2, 4, 5, 5)
    base(x).square().sum().backward()
    tensors = adapter.layers["layer"].tensors()
    own = {name: t.detach().double().requires_grad_() for name, t in tensors.items()}
    change = (own["hada_w1_a"] @ own["hada_w1_b"]) * (own["hada_w2_a"] @ own["hada_w2_b"]) * 1.5
    weight = base.weight.detach().double() + change.view(base.weight.shape)
    nn.functional.conv2d(x.double(), weight, base.bias.detach().double(), padding=1).square().sum().backward()
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor.grad.double(), own[name].grad, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("rank", [1, 3])
def test_our_file_does_in_lycoris_what_it_does_here(tmp_path, rank):
    unet = make_unet()
    inputs = unet_inputs(unet)
    before = unet(*inputs).sample
    options = {"rank": rank, "alpha": 2.0, "kind": "loha", "alpha_pattern": {"*.resnets.*": 3.0}}
    adapter = trained(inject({"unet": unet}, target_patterns("full"), **options))
    ours = unet(*inputs).sample
    path = write_lora(adapter, tmp_path / "x.safetensors", configs={"unet": unet.config}, family="sd1", dtype="fp32")
    adapter.remove()
    weights = {key.replace("lora_unet_", "lycoris_"): tensor for key, tensor in load_file(path).items()}
    theirs, _ = create_lycoris_from_weights(1.0, None, unet, weights)
    theirs.apply_to()
    assert len(theirs.loras) == len(adapter.layers)
    torch.testing.assert_close(unet(*inputs).sample, ours, rtol=1e-3, atol=1e-4)
    assert (ours - before).norm() > 0.05 * before.norm()

"""LoKr against LyCORIS's own module: same weights, same change, same output; and our file in LyCORIS."""

import pytest
import torch
from lycoris import create_lycoris_from_weights
from lycoris.functional.general import factorization
from lycoris.modules.lokr import LokrModule
from safetensors.torch import load_file
from small_models import make_unet, unet_inputs
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.adapters.lokr.layer import LoKrLayer
from sdlora.adapters.lokr.spec import divided
from sdlora.adapters.targets import target_patterns
from sdlora.lorafiles.attach import load_lora
from sdlora.lorafiles.write import write_lora

LAYERS = {
    "linear": (nn.Linear(24, 40), (2, 7, 24)),
    "convolution": (nn.Conv2d(24, 20, 3, padding=1, stride=2, dilation=2), (2, 24, 8, 8)),
    "1x1": (nn.Conv2d(24, 20, 1), (2, 24, 4, 4)),
}
every = pytest.mark.parametrize("shape", LAYERS)
cut = pytest.mark.parametrize(("rank", "factor"), [(1, -1), (2, 4), (3, -1), (3, 2), (40, 4)])


def trained(adapter, std=0.1):
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in adapter.tensors().values():
            tensor.add_(torch.randn(tensor.shape, generator=draw).to(tensor) * std)
    return adapter


def test_sides_are_split_as_lycoris_splits_them():
    for side in [*range(1, 300), 320, 640, 768, 1280, 2048, 2560, 5120, 10240]:
        for factor in (-1, 0, 1, 2, 3, 4, 8, 16, 24, 50, 600):
            assert divided(side, factor) == tuple(factorization(side, factor)), (side, factor)


@every
@cut
def test_change_and_output_are_lycoris_own(shape, rank, factor):
    base, size = LAYERS[shape]
    options = {"rank": rank, "alpha": 2.0, "kind": "lokr", "options": {"factor": factor}}
    adapter = trained(inject({"layer": base}, ["layer"], **options))
    theirs = LokrModule("x", base, 1.0, lora_dim=rank, alpha=2.0, factor=factor).eval()
    ours = adapter.layers["layer"].tensors()
    assert ours.keys() == dict(theirs.named_parameters()).keys() - {"org_module.0.weight", "org_module.0.bias"}
    with torch.no_grad():
        for name, tensor in ours.items():
            assert tensor.shape == getattr(theirs, name).shape
            getattr(theirs, name).copy_(tensor)
    x = torch.randn(size, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(adapter.delta("layer"), theirs.get_weight(theirs.shape).detach())
    apart = adapter.layers["layer"](x, 1.0, base).detach()
    whole = base(x).detach()
    adapter.remove()
    torch.testing.assert_close(whole, theirs(x).detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(apart, whole - base(x).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [4, 60])
def test_it_begins_as_lycoris_does(rank):
    base = nn.Conv2d(400, 500, 3)
    ours, theirs = LoKrLayer(base, rank, 8.0), LokrModule("x", base, lora_dim=rank, alpha=8.0)
    for name, tensor in ours.tensors().items():
        other = getattr(theirs, name)
        assert tensor.shape == other.shape and tensor.dtype == torch.float32
        assert tensor.std().item() == pytest.approx(other.std().item(), rel=0.1)
        assert tensor.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.1)
    assert not list(ours.tensors().values())[-1].any()


@every
@cut
def test_gradients_are_those_of_the_formula(shape, rank, factor):
    base, size = LAYERS[shape]
    options = {"rank": rank, "alpha": 3.0, "kind": "lokr", "options": {"factor": factor}}
    adapter = trained(inject({"layer": base}, ["layer"], **options))
    x = torch.randn(size)
    base(x).square().sum().backward()
    tensors = adapter.layers["layer"].tensors()
    own = {name: t.detach().double().requires_grad_() for name, t in tensors.items()}
    second = own["lokr_w2"].flatten(1) if "lokr_w2" in own else own["lokr_w2_a"] @ own["lokr_w2_b"] * (3.0 / rank)
    blocks = own["lokr_w1"][:, None, :, None] * second[None, :, None, :]  # the product's definition
    weight = base.weight.detach().double() + blocks.reshape(base.weight.shape)
    adapter.remove()
    twin = type(base)(
        **{k: getattr(base, k) for k in base.__constants__ if k not in ("padding_mode", "output_padding")}
    )
    twin = twin.double()
    torch.func.functional_call(
        twin, {"weight": weight, "bias": base.bias.double()}, x.double()
    ).square().sum().backward()
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor.grad.double(), own[name].grad, rtol=1e-3, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize(("rank", "factor"), [(1, 2), (3, -1), (30, 4), (300, -1)])
def test_our_file_does_in_lycoris_what_it_does_here(tmp_path, rank, factor):
    """Layers whose second half is a product and those that have it whole, in one file."""
    unet = make_unet()
    inputs = unet_inputs(unet)
    before = unet(*inputs).sample
    options = {"rank": rank, "alpha": rank / 2, "kind": "lokr", "options": {"factor": factor}}
    adapter = trained(inject({"unet": unet}, target_patterns("full"), alpha_pattern={"*.resnets.*": 3.0}, **options))
    ours = unet(*inputs).sample
    path = write_lora(adapter, tmp_path / "x.safetensors", configs={"unet": unet.config}, family="sd1", dtype="fp32")
    adapter.remove()
    weights = {key.replace("lora_unet_", "lycoris_"): tensor for key, tensor in load_file(path).items()}
    theirs, _ = create_lycoris_from_weights(1.0, None, unet, weights)
    theirs.apply_to()
    assert len(theirs.loras) == len(adapter.layers)
    torch.testing.assert_close(unet(*inputs).sample, ours, rtol=1e-3, atol=1e-4)
    theirs.restore()
    assert (ours - before).norm() > 0.01 * before.norm()
    again = load_lora({"unet": unet}, path)
    assert again.kind.name == "lokr"
    torch.testing.assert_close(unet(*inputs).sample, ours, rtol=1e-3, atol=1e-4)

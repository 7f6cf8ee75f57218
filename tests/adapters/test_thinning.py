"""What acts of an adapter on one batch, against the formulas with whole weights and LyCORIS's own mask of T-LoRA."""

import pytest
import torch
from lycoris.modules.tlora import compute_timestep_mask
from small_models import make_unet, unet_inputs
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.adapters.norms import cap_norms, change_norm
from sdlora.adapters.table import KINDS
from sdlora.adapters.thinning import Thinning, rank_at, thinned


def dice(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def trained(adapter, std=0.2):
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in adapter.tensors().values():
            tensor.add_(torch.randn(tensor.shape, generator=draw) * std)
    return adapter


def acting(adapter, thinning, timesteps, images=(1, 2), batch=9):
    return thinned(adapter, thinning, torch.tensor(timesteps), 1000, dice(*images), dice(batch)[0], "unet")


def test_ranks_by_timestep_are_those_of_lycoris():
    times = torch.arange(1000)
    for rank, share in ((1, 0.5), (4, 0.5), (16, 0.25), (64, 0.5), (7, 0.0), (8, 1.0)):
        theirs = [int(compute_timestep_mask(int(t), 1000, rank, max(1, round(share * rank))).sum()) for t in times]
        assert rank_at(times, 1000, rank, share).tolist() == theirs


@torch.no_grad()
@pytest.mark.parametrize("kind", ["lora", "dora"])
@pytest.mark.parametrize("base", [nn.Linear(6, 5), nn.Conv2d(6, 5, 3, padding=1, stride=2)], ids=["linear", "conv"])
def test_an_image_is_changed_by_its_own_ranks_alone(kind, base):
    """As if the other ranks' rows of A were zero, and the rest of them larger by 1 / (1 - chance)."""
    adapter = trained(inject({"unet": base}, ["*"], rank=8, alpha=4.0, kind=kind))
    layer = adapter.layers["unet"]
    x = torch.randn(4, 7, 6) if isinstance(base, nn.Linear) else torch.randn(4, 6, 8, 8)
    with acting(adapter, Thinning(rank_dropout=0.4, rank_at_noise=0.25), [999, 10]):  # two rows of each image
        mask, thin = layer.mask.clone(), base(x)
    assert mask.shape == (2, 8) and layer.mask is None
    assert not mask[0, 2:].any() and mask[1, 2:].any()
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    kept = layer.down.weight.clone()
    rows = []
    for image in (0, 1):
        layer.down.weight.copy_(kept * mask[image].view(-1, *[1] * (kept.ndim - 1)))
        rows.append(base(x[2 * image : 2 * image + 2]) if kind == "lora" else None)
    layer.down.weight.copy_(kept)
    if kind == "lora":
        torch.testing.assert_close(thin, torch.cat(rows), rtol=1e-4, atol=1e-5)
    whole = base(x)
    assert (thin - whole).norm() > 0.01 * whole.norm()
    ones = torch.ones(2, 8)
    layer.mask = ones
    torch.testing.assert_close(base(x), whole, rtol=1e-4, atol=1e-5)


def test_stacked_attention_leaves_the_same_out_and_gradients_are_of_the_rest():
    unet = make_unet()
    adapter = trained(inject({"unet": unet}, "attn", rank=4, alpha=4.0))
    inputs = unet_inputs(unet)
    thinning = Thinning(rank_dropout=0.3, module_dropout=0.4, rank_at_noise=0.5)
    whole = unet(*inputs).sample
    with acting(adapter, thinning, [500] * len(inputs[0]), images=range(len(inputs[0]))):
        out = {name for name, layer in adapter.layers.items() if id(layer) in adapter.left_out}
        masks = {name: layer.mask[0] for name, layer in adapter.layers.items()}
        thin = unet(*inputs).sample
        thin.square().sum().backward()
    assert 0.2 < len(out) / len(adapter.layers) < 0.6 and not torch.equal(thin, whole)
    for name, layer in adapter.layers.items():
        gradient = layer.up.weight.grad
        assert not gradient.any() if name in out else gradient.any() or not masks[name].any()
    again = dict.fromkeys(out)
    with acting(adapter, thinning, [500] * len(inputs[0]), images=range(len(inputs[0]))):
        assert {name for name, layer in adapter.layers.items() if id(layer) in adapter.left_out} == set(again)
        torch.testing.assert_close(unet(*inputs).sample, thin)
    torch.testing.assert_close(unet(*inputs).sample, whole)


def test_the_chances_are_what_they_say():
    adapter = inject({"unet": nn.Sequential(*[nn.Linear(2, 2) for _ in range(400)])}, ["*"], rank=4)
    shares, left = [], []
    for seed in range(5):
        with acting(adapter, Thinning(rank_dropout=0.25, module_dropout=0.1), [1, 2], (seed, seed + 50), seed):
            shares.append(torch.cat([layer.mask for layer in adapter.layers.values()]).eq(0).float().mean())
            left.append(len(adapter.left_out) / 400)
    assert sum(shares) / 5 == pytest.approx(0.25, abs=0.02) and sum(left) / 5 == pytest.approx(0.1, abs=0.02)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_cap_scales_down_what_is_larger_and_nothing_else(kind):
    model = nn.ModuleDict({"a": nn.Linear(12, 8), "b": nn.Conv2d(12, 8, 3), "c": nn.Linear(20, 30)})
    adapter = trained(inject({"unet": model}, ["*"], rank=3, alpha=2.0, kind=kind), std=0.3)

    def change(name):  # with what is beside the factors left neutral
        layer = adapter.layers[name]
        own = layer.low_rank() if hasattr(layer, "low_rank") else layer.delta(None)
        return own.double().clone()

    before, kept = {name: change(name) for name in adapter.layers}, adapter.state_dict()
    kept = {name: tensor.clone() for name, tensor in kept.items()}
    norms = {name: own.norm().item() for name, own in before.items()}
    for name, layer in adapter.layers.items():
        assert change_norm(layer).item() == pytest.approx(norms[name], rel=1e-5)
    most = sorted(norms.values())[1] * 0.999
    assert cap_norms(adapter, most) == 2
    for name, own in before.items():
        expected = own * min(1.0, most / norms[name])
        torch.testing.assert_close(change(name), expected, rtol=1e-5, atol=1e-7)
        tensors = {key: t for key, t in adapter.state_dict().items() if key.startswith(f"{name}.")}
        assert all(torch.equal(t, kept[key]) for key, t in tensors.items()) == (norms[name] <= most)
    assert cap_norms(adapter, most * 1.001) == 0

"""DoRA against the formula in float64, against what tools do with the file, and against the best possible LoRA."""

import pytest
import safetensors.torch
import torch
from said import saying
from small_models import make_models, make_unet, randomise, unet_inputs
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.adapters.plain import as_plain_lora, nearest_lora
from sdlora.adapters.targets import target_patterns
from sdlora.errors import UserError
from sdlora.lorafiles.readers.tools import tool_table
from sdlora.lorafiles.verify import verify_with_diffusers
from sdlora.lorafiles.write import write_lora


def dora_on(models, targets="full", **options):
    adapter = inject(models, targets, **({"rank": 3, "alpha": 2.0, "kind": "dora"} | options))
    randomise(adapter)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for layer in adapter.layers.values():
            layer.magnitude.mul_(1 + 0.1 * torch.randn(layer.magnitude.shape, generator=generator))
    return adapter


def a1111_weight(weight, up, down, alpha, dora_scale):
    """W' as A1111's network.py has it (finalize_updown, apply_weight_decompose), in float64."""
    updown = (up.double().flatten(1) @ down.double().flatten(1)).reshape(weight.shape) * (alpha / down.shape[0])
    merged = weight.double() + updown
    norm = merged.transpose(0, 1).reshape(merged.shape[1], -1).norm(dim=1, keepdim=True)
    norm = norm.reshape(merged.shape[1], *[1] * (merged.ndim - 1)).transpose(0, 1)
    return merged * (dora_scale.double() / norm)


LAYERS = {
    "linear": (nn.Linear(6, 5), (2, 7, 6)),
    "convolution": (nn.Conv2d(6, 5, 3, padding=1, stride=2), (2, 6, 8, 8)),
    "reflecting": (nn.Conv2d(6, 5, 3, padding=1, padding_mode="reflect"), (2, 6, 8, 8)),
    "1x1": (nn.Conv2d(6, 5, 1), (2, 6, 4, 4)),
}


@torch.no_grad()
@pytest.mark.parametrize("kind", LAYERS)
def test_forward_and_weight_are_the_formula(kind):
    base, shape = LAYERS[kind]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    adapter = dora_on({"layer": base}, ["layer"])
    layer = adapter.layers["layer"]
    assert layer.magnitude.shape == (1, 6, *[1] * (base.weight.ndim - 2)) and layer.magnitude.dtype == torch.float32
    expected = a1111_weight(base.weight, layer.up.weight, layer.down.weight, 2.0, layer.magnitude)
    torch.testing.assert_close(adapter.delta("layer").double(), expected - base.weight, rtol=1e-4, atol=1e-6)
    outputs = base(x)
    adapter.merge()
    torch.testing.assert_close(base.weight.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(base(x), outputs, rtol=1e-4, atol=1e-5)
    change = expected - adapter.base_weight("layer").double()  # of the original, though merged
    torch.testing.assert_close(adapter.delta("layer").double(), change, rtol=1e-4, atol=1e-6)
    adapter.remove()


@torch.no_grad()
def test_scale_goes_between_the_base_and_the_dora():
    base = nn.Linear(6, 5)
    x = torch.randn(4, 6)
    before = base(x)
    adapter = dora_on({"layer": base}, ["layer"])
    full = base(x) - before
    adapter.scale = 0.4
    torch.testing.assert_close(base(x) - before, 0.4 * full, rtol=1e-4, atol=1e-6)
    adapter.enabled = False
    assert torch.equal(base(x), before)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_starts_at_the_base_exactly(dtype):
    unet = make_unet().to(dtype)
    latents, times, text = unet_inputs(unet)
    before = unet(latents.to(dtype), times, text.to(dtype)).sample
    adapter = inject(unet, "full", rank=2, kind="dora")
    assert adapter.kind.name == "dora" and torch.equal(unet(latents.to(dtype), times, text.to(dtype)).sample, before)
    dead = nn.Linear(3, 2)
    dead.weight[:, 1] = 0
    adapter = inject({"layer": dead}, ["layer"], rank=1, kind="dora")
    x = torch.randn(5, 3)
    assert torch.equal(dead(x), nn.functional.linear(x, dead.weight, dead.bias))


def test_gradients_are_those_of_the_formula():
    base = nn.Conv2d(4, 3, 3, padding=1)
    adapter = dora_on({"layer": base}, ["layer"])
    layer, x = adapter.layers["layer"], torch.randn(2, 4, 5, 5)
    base(x).square().sum().backward()
    own = [p.clone().detach().double().requires_grad_() for p in (layer.down.weight, layer.up.weight, layer.magnitude)]
    weight = a1111_weight(base.weight.detach(), own[1], own[0], 2.0, own[2])
    nn.functional.conv2d(x.double(), weight, base.bias.detach().double(), padding=1).square().sum().backward()
    for ours, theirs in zip((layer.down.weight, layer.up.weight, layer.magnitude), own, strict=True):
        torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=1e-4, atol=1e-4)
    assert base.weight.grad is None


def test_state_holds_the_magnitudes(tmp_path):
    unet = make_unet()
    adapter = dora_on({"unet": unet}, target_patterns("attn"))
    state = {key: tensor.clone() for key, tensor in adapter.state_dict().items()}
    assert len(state) == 3 * len(adapter.layers)
    assert sum(tensor.numel() for tensor in state.values()) == adapter.trainable
    adapter.remove()
    other = inject({"unet": unet}, target_patterns("attn"), rank=3, kind="dora")
    other.load_state_dict(state)
    assert all(torch.equal(tensor, state[key]) for key, tensor in other.state_dict().items())
    plain = inject({"unet": unet}, target_patterns("attn"), rank=3)
    with pytest.raises(UserError, match=saying("adapters.saved_has_more", name="magnitude")):
        plain.load_state_dict(state)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_file_is_exact_where_tools_read_dora(tmp_path, family):
    models = make_models(family)
    adapter = dora_on(models, target_patterns("full", text_encoder=True))
    configs = {root: model.config for root, model in models.items()}
    path = write_lora(adapter, tmp_path / "x.safetensors", configs=configs, family=family)
    assert verify_with_diffusers(path, adapter, models) < 0.005
    verdicts = {tool: verdict.loads for tool, verdict in tool_table(path, family, configs).items()}
    assert {tool for tool, loads in verdicts.items() if loads == "all"} == set(adapter.kind.readers)
    assert set(verdicts.values()) == {"all", "wrong"}
    tensors = safetensors.torch.load_file(path)
    stem = "lora_unet_mid_block_resnets_0_conv1" if family == "sd1" else "lora_unet_middle_block_0_in_layers_2"
    parts = [tensors[f"{stem}.{part}"] for part in ("lora_up.weight", "lora_down.weight", "alpha", "dora_scale")]
    assert parts[3].dtype == torch.float32 and parts[3].shape[0] == 1 and parts[3].ndim == 4
    name = "unet.mid_block.resnets.0.conv1"
    theirs = a1111_weight(adapter.base_weight(name), *parts) - adapter.base_weight(name)
    ours = adapter.delta(name)
    assert (theirs - ours).norm() < 0.002 * ours.norm()


@pytest.mark.parametrize("damage", ["dora_scale", "alpha", "lora_up.weight"])
def test_a_wrong_file_is_an_error(tmp_path, damage):
    unet = make_unet()
    adapter = dora_on({"unet": unet}, target_patterns("attn"))
    path = write_lora(adapter, tmp_path / "x.safetensors", configs={"unet": unet.config}, family="sd1")
    tensors = {key: tensor.clone() for key, tensor in safetensors.torch.load_file(path).items()}
    key = next(key for key in tensors if key.endswith(damage))
    tensors[key] = tensors[key] * 1.1
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(UserError, match=saying("saving.reads_back_differently")):
        verify_with_diffusers(path, adapter, {"unet": unet})


def test_the_diffusers_container_is_refused(tmp_path):
    unet = make_unet()
    with pytest.raises(
        UserError,
        match=saying("settings.container_unfit", container="diffusers", kind="DoRA")
        + ".*"
        + saying("settings.use_other_container", container="kohya"),
    ):
        write_lora(dora_on({"unet": unet}, target_patterns("attn")), tmp_path / "x.safetensors",
                    configs={"unet": unet.config}, family="sd1", container="diffusers")  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_merged_to_a_plain_lora_with_its_error(tmp_path):
    unet = make_unet()
    adapter = dora_on({"unet": unet}, target_patterns("full"))
    tensors, errors, total = nearest_lora(adapter, 4)
    lost = whole = 0.0
    for name, own in tensors.items():
        down, up = own["down"], own["up"]
        change = adapter.delta(name).double()
        left = change - (up.double().flatten(1) @ down.double().flatten(1)).view(change.shape)
        assert float(left.norm() / change.norm()) == pytest.approx(errors[name], rel=1e-3, abs=1e-6)
        lost, whole = lost + float(left.norm()) ** 2, whole + float(change.norm()) ** 2
    assert total == pytest.approx((lost / whole) ** 0.5, rel=1e-3) and 0 < total < 1
    assert nearest_lora(adapter, 8)[2] < total
    _, _, nothing = nearest_lora(adapter, 10_000)
    assert nothing < 1e-6
    plain, lost = as_plain_lora(adapter, {"unet": unet}, 4)
    assert lost == total
    path = write_lora(plain, tmp_path / "x.safetensors", configs={"unet": unet.config}, family="sd1")
    assert all(verdict.loads == "all" for verdict in tool_table(path, "sd1", {"unet": unet.config}).values())
    assert plain.kind.name == "lora" and not any(
        key.endswith("dora_scale") for key in safetensors.torch.load_file(path)
    )

"""Scale, merging, state: bit for bit where that is promised; forward against peft's own."""

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from said import saying, says
from small_models import make_unet, randomise, unet_inputs

from sdlora.adapters.inject import inject
from sdlora.errors import UserError


def bits(model) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def trained(unet, **options):
    adapter = inject(unet, "full", **({"rank": 4, "alpha": 2.0, "rank_pattern": {"mid_block.*": 2}} | options))
    randomise(adapter)
    return adapter


@torch.no_grad()
def test_forward_equals_peft_at_the_same_weights():
    ranks, alphas = {"mid_block.resnets.0.conv1": 2}, {"mid_block.attentions.0.proj_in": 7}
    unet, theirs = make_unet(), make_unet()
    adapter = inject(unet, "full", rank=4, alpha=6.0, rank_pattern=ranks, alpha_pattern=alphas)
    randomise(adapter)
    config = LoraConfig(
        r=4, lora_alpha=6, target_modules=list(adapter.layers), rank_pattern=ranks, alpha_pattern=alphas
    )
    inject_adapter_in_model(config, theirs)
    for name, layer in adapter.layers.items():
        module = theirs.get_submodule(name)
        module.lora_A["default"].weight.copy_(layer.down.weight)
        module.lora_B["default"].weight.copy_(layer.up.weight)
    inputs = unet_inputs(unet)
    torch.testing.assert_close(unet(*inputs).sample, theirs(*inputs).sample, rtol=1e-5, atol=1e-6)
    adapter.enabled = False
    assert not torch.allclose(unet(*inputs).sample, theirs(*inputs).sample, atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("how", ["scale 0", "disabled"])
def test_switched_off_is_the_base_bit_for_bit(unet, how):
    inputs = unet_inputs(unet)
    before = unet(*inputs).sample
    adapter = trained(unet)
    assert not torch.equal(unet(*inputs).sample, before)
    if how == "disabled":
        adapter.enabled = False
    else:
        adapter.scale = 0
    assert torch.equal(unet(*inputs).sample, before)


def test_scale_0_hands_on_the_very_object():
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(2, 2))
    adapter = inject(model, ["1"], rank=1)
    made = []
    model[1].register_forward_hook(lambda module, args, output: made.append(output), prepend=True)
    adapter.scale = 0
    assert model(torch.ones(1, 2)) is made[0]


@torch.no_grad()
def test_scale_multiplies_the_change():
    model = torch.nn.Linear(4, 4)
    adapter = inject({"proj": model}, ["proj"], rank=2, alpha=2)
    randomise(adapter)
    x = torch.randn(3, 4)
    adapter.scale = 0
    base = model(x)
    adapter.scale = 1
    change = model(x) - base
    adapter.scale = -2.5
    torch.testing.assert_close(model(x) - base, -2.5 * change, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_merged_equals_runtime_and_unmerge_restores_the_bits(unet):
    state, inputs = bits(unet), unet_inputs(unet)
    adapter = trained(unet)
    adapter.scale = 0.7
    runtime = unet(*inputs).sample
    adapter.merge()
    assert adapter.merged
    torch.testing.assert_close(unet(*inputs).sample, runtime, rtol=1e-4, atol=1e-5)
    weight = unet.mid_block.resnets[0].conv1.weight
    delta = adapter.layers["mid_block.resnets.0.conv1"].delta()
    torch.testing.assert_close(weight, state["mid_block.resnets.0.conv1.weight"] + 0.7 * delta)
    adapter.merge()  # again: not twice
    torch.testing.assert_close(unet(*inputs).sample, runtime, rtol=1e-4, atol=1e-5)
    adapter.unmerge()
    assert not adapter.merged and all(torch.equal(v, state[k]) for k, v in unet.state_dict().items())
    torch.testing.assert_close(unet(*inputs).sample, runtime)
    adapter.unmerge()  # nothing to do


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_merge_into_half_precision_adds_in_float32_and_unmerges_the_bits(dtype):
    model = torch.nn.Linear(16, 16).to(dtype)
    state = bits(model)
    adapter = inject({"proj": model}, ["proj"], rank=2, alpha=2)
    randomise(adapter)
    adapter.merge()
    expected = (state["weight"].float() + adapter.layers["proj"].delta()).to(dtype)
    assert model.weight.dtype == dtype and torch.equal(model.weight, expected)
    adapter.unmerge()
    assert torch.equal(model.weight, state["weight"])


@torch.no_grad()
def test_merge_then_remove_bakes_the_weights_in(unet):
    inputs = unet_inputs(unet)
    adapter = trained(unet)
    runtime = unet(*inputs).sample
    adapter.merge()
    adapter.remove()
    torch.testing.assert_close(unet(*inputs).sample, runtime, rtol=1e-4, atol=1e-5)


def test_state_roundtrip_is_exact(unet):
    adapter = trained(unet)
    state = {k: v.clone() for k, v in adapter.state_dict().items()}
    assert {k.rpartition(".")[2] for k in state} == {"down", "up"}
    assert {k.rpartition(".")[0] for k in state} == set(adapter.layers)
    adapter.remove()
    other = trained(unet, seed=3)
    randomise(other, seed=8)
    assert not torch.equal(other.state_dict()["mid_block.resnets.0.conv1.up"], state["mid_block.resnets.0.conv1.up"])
    other.load_state_dict(state)
    assert all(torch.equal(v, state[k]) for k, v in other.state_dict().items())


def test_state_of_another_rank_names_key_and_both_ranks_and_changes_nothing(unet):
    adapter = trained(unet)
    before = {k: v.clone() for k, v in adapter.state_dict().items()}
    other = inject(make_unet(), "full", rank=8, rank_pattern={"*.resnets.*": 4, "mid_block.*": 2})
    with pytest.raises(UserError, match=saying("adapters.saved_rank_differs", there="8", here="4")) as caught:
        adapter.load_state_dict(other.state_dict())
    assert "more" in caught.value.problems[-1].what and len(caught.value.problems) == 6
    assert all(torch.equal(v, before[k]) for k, v in adapter.state_dict().items())


def test_missing_unknown_and_misshapen_keys_all_at_once(unet):
    adapter = inject(unet, "cross-attn", rank=2)
    state = dict(adapter.state_dict())
    first = next(iter(state))
    del state[first]
    state["elsewhere.up"] = torch.zeros(1)
    wide = next(k for k in state if k.endswith("to_k.down"))
    state[wide] = torch.zeros(2, 1024)
    with pytest.raises(UserError) as caught:
        adapter.load_state_dict(state)
    text = str(caught.value)
    assert says(text, "adapters.saved_lacks", name=first) and says(text, "adapters.saved_has_more", name="elsewhere.up")
    assert says(text, "adapters.saved_shape_differs", name=wide, there="[2, 1024]", here="[2, 24]")


def test_distributed_wrapper_finds_the_parameters_and_runs_the_model(unet):
    adapter = trained(unet)
    inputs = unet_inputs(unet)
    assert torch.equal(adapter(unet, *inputs).sample, unet(*inputs).sample)

"""The read-back: it leaves no trace, and it sees every wrong file we can think of."""

import pytest
import safetensors.torch
import torch
from said import saying
from small_models import ONE_BLOCK, make_text_encoder, make_unet, randomise

from sdlora.adapters.inject import inject
from sdlora.adapters.targets import target_patterns
from sdlora.errors import UserError
from sdlora.lorafiles.verify import verify_with_diffusers
from sdlora.lorafiles.write import write_lora


@pytest.fixture
def trained(tmp_path):
    """(path, adapter, models) with a right file."""
    models = {"unet": make_unet(**ONE_BLOCK), "text_encoder": make_text_encoder(1)}
    adapter = inject(models, target_patterns("attn-mlp", True), rank=4, alpha=2.0)
    randomise(adapter)
    path = tmp_path / "x.safetensors"
    write_lora(adapter, path, configs=configs_of(models), family="sd1")
    return path, adapter, models


def configs_of(models):
    return {root: model.config for root, model in models.items()}


def snapshot(model):
    return {
        "modules": {name: id(m) for name, m in model.named_modules()},
        "own": set(vars(model)),
        "hooks": [len(m._forward_hooks) for m in model.modules()],
        "modes": [m.training for m in model.modules()],
        "parameters": {n: (id(p), p.data_ptr(), p.requires_grad, p._version) for n, p in model.named_parameters()},
    }


@pytest.mark.parametrize("outcome", ["match", "mismatch", "unreadable"])
def test_models_and_adapter_are_as_before(trained, outcome):
    path, adapter, models = trained
    unet = models["unet"]
    unet.train()
    unet.mid_block.eval()
    adapter.scale = 0.3
    if outcome == "mismatch":
        randomise(adapter, seed=99)
    if outcome == "unreadable":
        path.write_bytes(path.read_bytes()[:1000])
    before = [snapshot(m) for m in models.values()]
    state = {k: v.clone() for k, v in unet.state_dict().items()}
    if outcome == "match":
        verify_with_diffusers(*trained)
    else:
        with pytest.raises(UserError, match="x.safetensors"):
            verify_with_diffusers(*trained)
    assert [snapshot(m) for m in models.values()] == before
    assert all(torch.equal(v, state[k]) for k, v in unet.state_dict().items())
    assert (adapter.scale, adapter.enabled) == (0.3, True)
    assert all(p.requires_grad for p in adapter.parameters())


def change_alpha(tensors):
    for key in tensors:
        if key.endswith(".alpha"):
            tensors[key] = tensors[key] * 2


def change_one_alpha(tensors):
    tensors["lora_unet_mid_block_attentions_0_proj_in.alpha"] *= 1.5


def drop_text_encoder(tensors):
    for key in [k for k in tensors if k.startswith("lora_te_")]:
        del tensors[key]


def drop_a_layer(tensors):
    for key in [k for k in tensors if k.startswith("lora_unet_mid_block_attentions_0_proj_in")]:
        del tensors[key]


def swap_two_layers(tensors):
    one, two = (f"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_{x}.lora_up.weight" for x in "qk")
    tensors[one], tensors[two] = tensors[two], tensors[one]


def change_one_number(tensors):
    tensors["lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight"][0, 0] += 1


def flatten_a_convolution(tensors):
    for part in ("down", "up"):
        key = f"lora_unet_mid_block_attentions_0_proj_in.lora_{part}.weight"
        tensors[key] = tensors[key].flatten(1)


def misspell(tensors):
    for key in [k for k in tensors if "_to_out_0" in k]:
        tensors[key.replace("_to_out_0", "_to_out")] = tensors.pop(key)


def add_something(tensors):
    tensors["bundle_emb.x"] = torch.zeros(2)


def zero_up(tensors):
    for key in tensors:
        if key.endswith("lora_up.weight"):
            tensors[key].zero_()


@pytest.mark.parametrize(
    "damage",
    [
        change_alpha,
        change_one_alpha,
        drop_text_encoder,
        drop_a_layer,
        swap_two_layers,
        change_one_number,
        flatten_a_convolution,
        misspell,
        add_something,
        zero_up,
    ],
)
def test_a_wrong_file_is_an_error(trained, damage):
    path = trained[0]
    verify_with_diffusers(*trained)
    tensors = {k: v.clone() for k, v in safetensors.torch.load_file(path).items()}
    damage(tensors)
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(UserError, match="x.safetensors"):
        verify_with_diffusers(*trained)


def test_a_lora_for_the_unet_alone_does_not_match_a_file_with_text_encoder(trained):
    path, adapter, models = trained
    adapter.remove()
    alone = inject({"unet": models["unet"]}, "attn-mlp", rank=4, alpha=2.0)
    alone.load_state_dict({k: v for k, v in adapter.state_dict().items() if k.startswith("unet.")})
    with pytest.raises(UserError, match=saying("saving.not_loadable")):
        verify_with_diffusers(path, alone, models)


def test_a_strong_and_a_faint_lora_both_match(trained):
    path, adapter, models = trained
    for factor in (1e-5, 1e6):  # 1e-6 and then 0.1 · 10 of what it was
        with torch.no_grad():
            for layer in adapter.layers.values():
                layer.up.weight.mul_(factor)
        write_lora(adapter, path, configs=configs_of(models), family="sd1")
        verify_with_diffusers(*trained)


def test_a_merged_adapter_is_refused(trained):
    trained[1].merge()
    with pytest.raises(ValueError, match="unmerge"):
        verify_with_diffusers(*trained)


@pytest.mark.parametrize("size", [3.0, 10.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_lora_as_large_as_the_weights_matches_though_the_network_amplifies_rounding(tmp_path, seed, size):
    """In float32, where little is allowed: what a network makes of the last digits grows with the LoRA."""
    models = {"unet": make_unet()}
    adapter = inject(models, target_patterns("attn-mlp", False), rank=4)
    randomise(adapter, size, seed=seed)
    path = tmp_path / "x.safetensors"
    write_lora(adapter, path, configs=configs_of(models), family="sd1", dtype="fp32")
    before = {name: value.clone() for name, value in adapter.state_dict().items()}
    assert verify_with_diffusers(path, adapter, models) < 0.25
    assert all(torch.equal(value, before[name]) for name, value in adapter.state_dict().items())

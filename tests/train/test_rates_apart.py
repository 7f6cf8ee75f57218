"""Rates of single factors and layers: LoRA+ against peft's own optimizer, patterns against what they say."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.train.optim_state import give_state, optimizer_name, take_state
from sdlora.train.optimizers.groups import make_optimizer


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        draw = torch.Generator().manual_seed(5)
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 4)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.3)

    def forward(self, x):
        return self.b(self.a(x).tanh())


def test_lora_plus_moves_both_factors_as_pefts_optimizer_does():
    ours, theirs = Model(), get_peft_model(Model(), LoraConfig(r=3, lora_alpha=3, target_modules=["a", "b"]))
    adapter = inject({"unet": ours}, ["unet.*"], rank=3, alpha=3.0)
    modules = {name: theirs.base_model.model.get_submodule(name) for name in "ab"}
    with torch.no_grad():
        for name, module in modules.items():
            module.lora_A["default"].weight.copy_(adapter.layers[f"unet.{name}"].down.weight)
    one = make_optimizer(adapter, {"unet": 1e-3}, 0.02, lora_plus=16)
    other = create_loraplus_optimizer(
        theirs, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=16, loraplus_weight_decay=0.02
    )
    x = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
    for _ in range(5):
        for model, optimizer in ((ours, one), (theirs, other)):
            (model(x) - x[:, :4]).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    for name, module in modules.items():
        layer = adapter.layers[f"unet.{name}"]
        torch.testing.assert_close(layer.down.weight, module.lora_A["default"].weight, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(layer.up.weight, module.lora_B["default"].weight, rtol=1e-5, atol=1e-7)
        assert layer.up.weight.any()


@pytest.mark.parametrize("kind", ["lora", "dora", "loha", "lokr"])
def test_rates_by_pattern_and_ratio_reach_every_tensor_once(kind):
    adapter = inject({"unet": Model(), "text_encoder": Model()}, ["*"], rank=2, alpha=2.0, kind=kind)
    rates = {"unet": 1e-3, "text_encoder": 5e-4}
    made = make_optimizer(adapter, rates, 0.1, lr_pattern={"unet.b": 4e-3, "*.b": 7e-3}, lora_plus=4)
    rate_of = {id(p): group["lr"] for group in made.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in made.param_groups) == len(rate_of) == len(adapter.tensors())
    assert len({group["name"] for group in made.param_groups}) == len(made.param_groups)
    expected = {"unet.a": 1e-3, "unet.b": 4e-3, "text_encoder.a": 5e-4, "text_encoder.b": 7e-3}
    for name, layer in adapter.layers.items():
        tensors = layer.tensors()
        for part, tensor in tensors.items():
            faster = 4 if part == adapter.kind.last_in(tensors) else 1
            assert rate_of[id(tensor)] == pytest.approx(expected[name] * faster), (name, part)
    decayed = {id(p) for g in made.param_groups if g["weight_decay"] for p in g["params"]}
    assert all((id(t) in decayed) == (not name.endswith("magnitude")) for name, t in adapter.tensors().items())
    assert made.param_groups[0]["lr"] == 1e-3 and made.param_groups[0]["name"] == "unet"
    for parameter in adapter.parameters():
        parameter.grad = torch.ones_like(parameter)
    made.step()
    other = make_optimizer(adapter, rates, 0.1, lr_pattern={"unet.b": 4e-3, "*.b": 7e-3}, lora_plus=4)
    give_state(adapter, other, *take_state(adapter, made), optimizer_name(made))
    for parameter, entry in made.state.items():
        assert torch.equal(other.state[parameter]["exp_avg"], entry["exp_avg"])


def test_usual_settings_make_the_groups_that_there_were():
    adapter = inject({"unet": Model(), "text_encoder": Model()}, ["*"], rank=2, kind="dora")
    made = make_optimizer(adapter, {"unet": 1e-3, "text_encoder": 5e-4}, 0.1)
    told = [(g["name"], g["lr"], g["weight_decay"], len(g["params"])) for g in made.param_groups]
    assert told == [
        ("unet", 1e-3, 0.1, 4), ("unet.magnitude", 1e-3, 0.0, 2),
        ("text_encoder", 5e-4, 0.1, 4), ("text_encoder.magnitude", 5e-4, 0.0, 2),
    ]  # fmt: skip

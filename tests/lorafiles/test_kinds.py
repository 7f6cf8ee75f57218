"""Every kind of change against LyCORIS's own modules and peft's, in float64 closed form where there is one."""

import pytest
import torch
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from torch import nn

from sdlora.lorafiles.changes import Change, decomposed, kind_of_parts, make_change, what_is_wrong

_OURS = {"lora_down.weight": "down", "lora_up.weight": "up", "lora_mid.weight": "mid", "dora_scale": "magnitude"}


def layers() -> dict[str, nn.Module]:
    torch.manual_seed(3)
    return {"linear": nn.Linear(24, 36), "conv": nn.Conv2d(12, 20, 3, padding=1), "conv1": nn.Conv2d(8, 18, 1)}


def trained(module_class, layer: nn.Module, **options) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """A LyCORIS module with random weights, and its tensors under our names of the parts."""
    module = module_class("x", layer, 1.0, **options)
    draw = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if not name.startswith("org_module") and "dora" not in name:
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.3)
            elif "dora" in name:
                parameter.mul_(1 + 0.2 * torch.rand(parameter.shape, generator=draw))
    state = {k: v.detach().clone() for k, v in module.custom_state_dict().items()}
    return module, {_OURS.get(name, name): tensor for name, tensor in state.items()}


CASES = [
    (LoConModule, {"lora_dim": 4, "alpha": 2.0}),
    (LoConModule, {"lora_dim": 4, "alpha": 2.0, "use_tucker": True}),
    (LoConModule, {"lora_dim": 4, "alpha": 2.0, "rs_lora": True}),
    (LohaModule, {"lora_dim": 2, "alpha": 1.0}),
    (LohaModule, {"lora_dim": 6, "alpha": 1.0}),
    (LohaModule, {"lora_dim": 3, "alpha": 1.0, "use_tucker": True}),
    (LokrModule, {"lora_dim": 2, "alpha": 1.0, "factor": 4}),
    (LokrModule, {"lora_dim": 1, "alpha": 0.5, "factor": 4, "decompose_both": True}),
    (LokrModule, {"lora_dim": 2, "alpha": 1.0, "factor": 2, "use_tucker": True}),
    (LokrModule, {"lora_dim": 1000, "alpha": 1.0, "factor": 4}),
    (LokrModule, {"lora_dim": 4, "alpha": 1.0, "factor": 2, "full_matrix": True}),
]


@pytest.mark.parametrize("shape", ["linear", "conv", "conv1"])
@pytest.mark.parametrize(("module_class", "options"), CASES)
def test_changes_are_lycoris_own(module_class, options, shape):
    layer = layers()[shape]
    module, parts = trained(module_class, layer, **options)
    truth = module.make_weight() * module.scale if module_class is LoConModule else module.get_weight(module.shape)
    assert not what_is_wrong("x", parts)
    change = make_change(parts)
    theirs = truth.detach().reshape(layer.weight.shape[0], -1)
    assert change.size() == tuple(theirs.shape)
    torch.testing.assert_close(change.matrix(torch.float64), theirs.double(), rtol=1e-4, atol=1e-6)
    if factors := change.compact():
        down, up, scale = factors
        torch.testing.assert_close(up.flatten(1) @ down.flatten(1) * scale, theirs, rtol=1e-4, atol=1e-5)
        assert down.shape[0] * sum(theirs.shape) < theirs.numel() or change.kind == "lora"


def test_high_rank_loha_has_no_smaller_factors_and_low_rank_has():
    torch.manual_seed(0)
    loha = {f"hada_w{i}_a": torch.randn(64, 2) for i in "12"} | {f"hada_w{i}_b": torch.randn(2, 48) for i in "12"}
    assert make_change(loha).compact()[0].shape == (4, 48)
    wide = {f"hada_w{i}_a": torch.randn(64, 8) for i in "12"} | {f"hada_w{i}_b": torch.randn(8, 48) for i in "12"}
    assert make_change(wide).compact() is None


@pytest.mark.parametrize("on_output", [True, False])
@pytest.mark.parametrize("shape", ["linear", "conv"])
@pytest.mark.parametrize("module_class", [LoConModule, LohaModule, LokrModule])
def test_dora_of_both_axes_is_lycoris_own(module_class, shape, on_output):
    layer = layers()[shape]
    options = {"lora_dim": 2, "alpha": 1.0, "weight_decompose": True, "wd_on_out": on_output}
    module, parts = trained(module_class, layer, **options)
    plain = module.make_weight() * module.scale if module_class is LoConModule else module.get_weight(module.shape)
    truth = module.apply_weight_decompose(layer.weight + plain.view(layer.weight.shape)) - layer.weight
    change = make_change(parts)
    weight = layer.weight.detach().flatten(1)
    ours = decomposed(weight, change.matrix(), change.magnitudes)
    torch.testing.assert_close(ours, truth.detach().flatten(1), rtol=1e-4, atol=1e-5)


def test_a_magnitude_equal_to_the_new_norms_is_the_plain_change():
    torch.manual_seed(2)
    weight, change = torch.randn(6, 12, dtype=torch.float64), torch.randn(6, 12, dtype=torch.float64)
    rows = (weight + change).norm(dim=1, keepdim=True)
    inputs = (weight + change).view(6, 3, 4).norm(dim=(0, 2)).view(1, 3, 1, 1)
    for magnitude in (rows, inputs, rows.flatten()):
        torch.testing.assert_close(decomposed(weight, change, magnitude), change)


def test_rows_without_weight_stay_finite():
    weight, change = torch.ones(2, 3), torch.zeros(2, 3)
    weight[0] = 0
    assert decomposed(weight, change, torch.tensor([[0.0], [2.0]])).isfinite().all()


def test_the_full_difference_and_the_scale_key():
    diff = torch.randn(4, 3, 1, 1)
    assert make_change({"diff": diff}).matrix().equal(diff.flatten(1))
    down, up = torch.randn(2, 3), torch.randn(4, 2)
    change = make_change({"down": down, "up": up, "alpha": torch.tensor(8.0), "scale": torch.tensor(0.25)})
    torch.testing.assert_close(change.matrix(), up @ down * 0.25)


def lora(**more) -> dict[str, torch.Tensor]:
    return {"down": torch.ones(2, 3), "up": torch.ones(4, 2)} | more


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"down": torch.ones(2, 3)}, "only one half of x .lora_up is missing"),
        ({"alpha": torch.ones(())}, "has no factors"),
        (lora(diff=torch.ones(4, 3)), "mixes two kinds"),
        (lora(up=torch.ones(4, 3)), "don't fit"),
        (lora(up=torch.ones(4, 2, 3, 3)), "don't fit"),
        (lora(up=torch.ones(4, 2), down=torch.full((2, 3), float("nan"))), "not finite in x .lora_down"),
        (lora(alpha=torch.ones(2)), "no usable numbers"),
        (lora(up=torch.ones(4, 2, dtype=torch.int8)), "no usable numbers"),
        (lora(magnitude=torch.ones(5, 1)), "don't fit.*dora_scale"),
        ({"lokr_w1": torch.ones(2, 2), "lokr_w2_a": torch.ones(2, 2)}, "only one half of x .lokr_w2"),
        ({f"hada_w{i}_{s}": torch.ones(3, 2) for i in "12" for s in "ab"}, "don't fit"),
    ],
)
def test_what_makes_no_change_is_said(parts, words):
    import re

    assert re.search(words, what_is_wrong("x", parts))


def test_kinds_are_told_by_the_names_of_the_parts():
    assert kind_of_parts({"down", "up", "alpha"}) == "lora" and kind_of_parts({"lokr_w1", "lokr_w2_a"}) == "lokr"
    assert kind_of_parts({"hada_w1_a"}) == "loha" and kind_of_parts({"diff", "alpha"}) == "full"
    assert isinstance(make_change(lora()), Change) and make_change(lora()).is_plain

"""Names, patterns and what injection leaves alone."""

import pytest
import torch
from said import saying, says
from small_models import make_text_encoder, make_unet, randomise, unet_inputs
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.adapters.targets import TEXT_ENCODER, UNET_SETS, target_patterns
from sdlora.errors import UserError


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))


def test_the_base_keeps_its_tree_its_state_and_its_outputs():
    model = mlp()
    names, state = [n for n, _ in model.named_modules()], {k: v.clone() for k, v in model.state_dict().items()}
    x = torch.randn(3, 4)
    before = model(x)
    adapter = inject(model, ["*"], rank=2, alpha=2)
    assert [n for n, _ in model.named_modules()] == names
    assert list(model.state_dict()) == list(state)
    assert torch.equal(model(x), before)  # up is zero
    randomise(adapter)
    assert not torch.allclose(model(x), before)
    adapter.remove()
    assert torch.equal(model(x), before)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_only_the_adapter_learns_and_it_counts_right():
    model = mlp()
    base = sum(p.numel() for p in model.parameters())
    adapter = inject(model, ["0", "4"], rank=2, alpha=2)
    assert list(adapter.layers) == ["0", "4"]
    assert not any(p.requires_grad for p in model.parameters())
    assert adapter.trainable == sum(p.numel() for p in adapter.parameters()) == 2 * (4 + 8) + 2 * (8 + 2)
    assert adapter.total == base + adapter.trainable
    model(torch.randn(3, 4)).sum().backward()
    assert all(p.grad is not None for p in adapter.parameters())
    assert all(p.grad is None for p in model.parameters())


def test_first_pattern_that_fits_decides_rank_and_alpha():
    adapter = inject(mlp(), ["*"], rank=4, alpha=1, rank_pattern={"[02]": 2, "*": 3, "0": 9}, alpha_pattern={"4": 6.0})
    assert {n: (layer.rank, layer.alpha) for n, layer in adapter.layers.items()} == {
        "0": (2, 1),
        "2": (2, 1),
        "4": (3, 6),
    }
    assert adapter.layers["4"].scale == 2.0


def test_same_seed_same_factors():
    one, two, other = (inject(mlp(), ["*"], rank=2, alpha=2, seed=seed).state_dict() for seed in (7, 7, 8))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not torch.equal(one["0.down"], other["0.down"])


def test_roots_give_names_and_groups():
    unet, text_encoder = make_unet(), make_text_encoder()
    adapter = inject({"unet": unet, "text_encoder": text_encoder}, target_patterns("attn", text_encoder=True), rank=2)
    assert "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q" in adapter.layers
    both = adapter.parameters_of("unet") + adapter.parameters_of("text_encoder")
    assert {id(p) for p in both} == {id(p) for p in adapter.parameters()} and len(both) == len(
        list(adapter.parameters())
    )
    assert len(adapter.parameters_of("text_encoder")) == 2 * 2 * 6
    assert adapter.parameters_of("vae") == []
    assert not any(p.requires_grad for m in (unet, text_encoder) for p in m.parameters())


def test_sets_hold_what_their_names_say():
    unet = make_unet()
    kinds = {name: set(inject(unet, name, rank=1).layers) for name in UNET_SETS}
    assert kinds["cross-attn"] < kinds["attn"] < kinds["attn-mlp"] < kinds["full"]
    assert all(".attn2.to_" in name for name in kinds["cross-attn"])
    convolutions = kinds["full"] - kinds["attn-mlp"]
    assert {name.split(".")[-1] for name in convolutions} == {
        "conv1",
        "conv2",
        "conv_shortcut",
        "time_emb_proj",
        "conv",
    }
    rest = {n for n, m in unet.named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))} - kinds["full"]
    assert rest == {"conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2"}
    assert len(inject({"text_encoder": make_text_encoder(3)}, TEXT_ENCODER, rank=1).layers) == 18


def test_all_problems_at_once():
    model = nn.ModuleDict({"a": nn.Conv2d(4, 4, 3, groups=4), "b": nn.Linear(2, 2), "c": nn.Linear(2, 2)})
    with pytest.raises(UserError) as caught:
        inject(model, ["*"], rank=4, rank_pattern={"b": 0, "nowhere": 3}, alpha_pattern={"c": -2.0})
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert says(text, "adapters.convolution_grouped", name="a", count=4) and says(
        text, "adapters.rank_invalid", name="b", given=0
    )
    assert says(text, "adapters.alpha_invalid", name="c", given="-2.0") and "'nowhere'" in text


KNOWN = "attn, cross-attn, attn-qv, attn-mlp, full"


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ("atn", saying("adapters.targets_known", names=KNOWN, hint=" Did you mean attn?")),
        ("attn", saying("adapters.nothing_matches")),
        (["nothing*"], saying("adapters.layer_names", names="0, 2, 4")),
        (["1"], saying("adapters.nothing_trainable_matches", kinds="ReLU")),
        ([], saying("adapters.nothing_matches")),
    ],
)
def test_targets_that_fit_nothing(targets, words):
    with pytest.raises(UserError, match=words):
        inject(mlp(), targets)


def test_attention_that_never_calls_its_linear_is_left_out():
    model = nn.ModuleDict({"attention": nn.MultiheadAttention(4, 1), "mlp": nn.Linear(4, 4)})
    assert list(inject(model, "*", rank=1).layers) == ["mlp"]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_those_of_finite_differences_with_gradient_checkpointing_too(checkpointing):
    unet = make_unet()
    adapter = inject(unet, "full", rank=2, alpha=2)
    randomise(adapter)
    if checkpointing:
        unet.enable_gradient_checkpointing()
    unet.train()
    inputs = unet_inputs(unet)  # none of them requires a gradient
    loss = unet(*inputs).sample.square().mean()
    loss.backward()
    assert all(p.grad is not None for p in adapter.parameters())
    slope = sum((p.grad**2).sum() for p in adapter.parameters()).item()
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            for p in adapter.parameters():
                p.add_(p.grad, alpha=sign * 1e-2)
            values.append(unet(*inputs).sample.square().mean().item())
            for p in adapter.parameters():
                p.sub_(p.grad, alpha=sign * 1e-2)
    assert (values[0] - values[1]) / 2e-2 == pytest.approx(slope, rel=0.02)


def test_text_encoder_learns_under_gradient_checkpointing():
    text_encoder = make_text_encoder()
    adapter = inject({"text_encoder": text_encoder}, TEXT_ENCODER, rank=2)
    text_encoder.gradient_checkpointing_enable()
    text_encoder.train()
    text_encoder(torch.arange(8)[None]).last_hidden_state.square().sum().backward()
    assert all(layer.up.weight.grad.any() for layer in adapter.layers.values())


def test_module_called_with_its_input_by_keyword():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x):
            return self.inner(input=x)

    model = Outer()
    adapter = inject(model, ["inner"], rank=1, alpha=1)
    randomise(adapter)
    x = torch.randn(2, 3)
    torch.testing.assert_close(
        model(x), nn.functional.linear(x, model.inner.weight, model.inner.bias) + adapter.layers["inner"](x)
    )

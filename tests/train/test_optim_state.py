"""The optimizer's whole state through a checkpoint: the steps after it are bit for bit as without a stop."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from said import Said, saying, says
from small_training import OPTIMIZERS, Net, made, same, steps

from sdlora.adapters.inject import inject
from sdlora.errors import Unstable, UserError
from sdlora.messages import say
from sdlora.train.checkpoint import load_checkpoint, load_what_fits, save_checkpoint
from sdlora.train.optim_state import give_state, take_state


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_run_through_a_checkpoint_is_bit_exact(tmp_path, kind):
    net, adapter, optimizer = made(kind)
    steps(net, optimizer, range(3))
    folder = save_checkpoint(tmp_path, 3, adapter, optimizer, {"epoch": 0.5})
    steps(net, optimizer, range(3, 6))
    again, other, fresh = made(kind)
    assert load_checkpoint(folder, other, fresh)["epoch"] == 0.5
    steps(again, fresh, range(3, 6))
    assert same(adapter.state_dict(), other.state_dict())
    first, second = take_state(adapter, optimizer), take_state(other, fresh)
    assert same(first[0], second[0]) and first[1] == second[1]
    assert {k: v.dtype for k, v in first[0].items()} == {k: v.dtype for k, v in second[0].items()}


def test_tensors_lie_under_their_parameters_names_and_numbers_in_state_json(tmp_path):
    net, adapter, optimizer = made("Halved")
    steps(net, optimizer, range(2))
    folder = save_checkpoint(tmp_path, 2, adapter, optimizer, {})
    tensors, state = load_file(folder / "optimizer.safetensors"), json.loads((folder / "state.json").read_text())
    assert set(tensors) == {f"{name}.mean" for name in adapter.state_dict()}
    assert tensors["net.first.down.mean"].dtype == torch.bfloat16
    values = state["optimizer"]["values"]
    assert state["optimizer"]["kind"] == "Halved" and values["net.first.up.seen"] == 2
    assert values["group 0.d"] == 1.5**2


def test_a_state_of_another_optimizer_or_with_a_hole_is_an_error(tmp_path):
    net, adapter, optimizer = made("AdamW(amsgrad)")
    steps(net, optimizer, range(1))
    tensors, plain = take_state(adapter, optimizer)
    _, other, sgd = made("SGD(momentum)")
    with pytest.raises(UserError, match=saying("runs.optimizer_differs", kind="AdamW", other="SGD")):
        give_state(other, sgd, tensors, plain, "AdamW")
    _, other, fresh = made("AdamW(amsgrad)")
    for lost in ("net.first.up.max_exp_avg_sq", "net.second.down.exp_avg"):
        part, _, key = lost.rpartition(".")
        with pytest.raises(UserError, match=saying("runs.state_lacks", entry=key, name=part)):
            give_state(other, fresh, {k: v for k, v in tensors.items() if k != lost}, plain, "AdamW")
    with pytest.raises(UserError, match=saying("runs.state_of_unknown", name="net.third.up")):
        give_state(other, fresh, tensors | {"net.third.up.exp_avg": torch.ones(1)}, plain, "AdamW")
    assert not fresh.state
    plain_adamw = torch.optim.AdamW(other.parameters())
    steps_less = {k: v for k, v in tensors.items() if "max_" not in k}
    give_state(other, plain_adamw, steps_less, plain, "AdamW")
    with pytest.raises(UserError, match=saying("runs.state_lacks", entry="max_exp_avg_sq")):
        give_state(other, fresh, steps_less, plain, "AdamW")


def test_what_never_got_a_gradient_needs_no_state(tmp_path):
    net, adapter, optimizer = made("AdamW")
    adapter.layers["net.second"].requires_grad_(False)
    steps(net, optimizer, range(2))
    folder = save_checkpoint(tmp_path, 2, adapter, optimizer, {})
    _, other, fresh = made("AdamW")
    load_checkpoint(folder, other, fresh)
    assert len(fresh.state) == 3


def test_something_that_can_not_be_saved_is_never_passed_over(tmp_path):
    _, adapter, optimizer = made("AdamW")
    optimizer.state[adapter.layers["net.first"].down.weight]["odd"] = object()
    with pytest.raises(ValueError, match=saying("runs.fault_of_file", file="net.first.down.odd")):
        save_checkpoint(tmp_path, 1, adapter, optimizer, {})


@pytest.mark.parametrize("where", ["weights", "optimizer"])
def test_no_checkpoint_is_written_that_is_not_finite(tmp_path, where):
    net, adapter, optimizer = made("AdamW")
    steps(net, optimizer, range(2))
    folder = save_checkpoint(tmp_path, 2, adapter, optimizer, {})
    before = (folder / "state.json").read_bytes()
    parameter = adapter.layers["net.first"].up.weight
    with torch.no_grad():
        (parameter if where == "weights" else optimizer.state[parameter]["exp_avg_sq"])[0, 0] = float("inf")
    for step in (2, 3):
        with pytest.raises(
            Unstable, match=saying("training.unstable_not_saved", step=step, name=Said("net.first.up.*"))
        ):
            save_checkpoint(tmp_path, step, adapter, optimizer, {})
    assert (folder / "state.json").read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["000002"]


# ---- with other settings


def test_another_alpha_keeps_what_the_lora_does_and_starts_the_optimizer_anew(tmp_path):
    net, adapter, optimizer = made("SGD(momentum)")
    steps(net, optimizer, range(3))
    folder = save_checkpoint(tmp_path, 3, adapter, optimizer, {})
    x = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(9))
    again, other, fresh = made("SGD(momentum)", alpha=8.0)
    _, said = load_what_fits(folder, other, fresh)
    torch.testing.assert_close(again(x), net(x), rtol=1e-6, atol=1e-6)
    assert said[0] == say("runs.optimizer_begins_strength") and not fresh.state
    _, twin, fresh = made("SGD(momentum)")
    assert load_what_fits(folder, twin, fresh)[1] == [] and len(fresh.state) == 4


def test_layers_of_one_side_are_named_and_the_others_go_on(tmp_path):
    net, adapter, optimizer = made("SGD(momentum)")
    steps(net, optimizer, range(3))
    folder = save_checkpoint(tmp_path, 3, adapter, optimizer, {})
    less = inject({"net": Net()}, ["net.first"], rank=2, alpha=2.0)
    fresh = torch.optim.SGD(less.parameters(), lr=1e-2, momentum=0.9)
    assert says(load_what_fits(folder, less, fresh)[1][0], "runs.layers_left_out", names_of_layers=Said("net.second.*"))
    assert (
        torch.equal(less.state_dict()["net.first.up"], adapter.state_dict()["net.first.up"]) and len(fresh.state) == 2
    )
    folder = save_checkpoint(tmp_path, 4, less, fresh, {})
    _, more, fresh = made("SGD(momentum)")
    assert "start anew: net.second" in load_what_fits(folder, more, fresh)[1][0]
    assert len(fresh.state) == 2 and not more.state_dict()["net.second.up"].any()
    _, wide, fresh = made("SGD(momentum)", rank=3)
    with pytest.raises(UserError, match=saying("adapters.saved_rank_differs", there="2", here="3")):
        load_what_fits(folder, wide, fresh)
    _, dora, fresh = made("AdamW")
    with pytest.raises(UserError, match=saying("adapters.saved_lacks", name="magnitude")):
        load_what_fits(folder, dora, fresh)


def test_a_checkpoint_of_the_first_format_is_read(tmp_path):
    """As 0.1.0 wrote it: AdamW's moments by name, no digests."""
    net, adapter, optimizer = made("AdamW", kind="lora")
    steps(net, optimizer, range(2))
    tensors, _ = take_state(adapter, optimizer)
    folder = tmp_path / "000002"
    folder.mkdir()
    save_file({k: v.contiguous() for k, v in adapter.state_dict().items()}, folder / "lora.safetensors")
    save_file(tensors, folder / "optimizer.safetensors")
    (folder / "state.json").write_text(json.dumps({"step": 2, "epoch": 1.0, "precision": "no"}))
    again, other, fresh = made("AdamW", kind="lora")
    load_checkpoint(folder, other, fresh)
    steps(net, optimizer, range(2, 4))
    steps(again, fresh, range(2, 4))
    assert same(adapter.state_dict(), other.state_dict())

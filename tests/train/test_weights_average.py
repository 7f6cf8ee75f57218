"""What is exported where that is an average: EMA against diffusers, schedule-free AdamW against its paper, Muon."""

import numpy as np
import pytest
import torch
from diffusers.training_utils import EMAModel
from driving import drive, same, weights
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.events import Validated
from sdlora.train.average import Average, holding
from sdlora.train.optimizers import OPTIMIZERS

QUICK = {
    "train.steps": 5, "train.warmup": 0, "train.lr": 1e-3, "sample.prompts": ["-"], "sample.every": 0,
    "sample.steps": 2, "adapter.text_encoder": False, "adapter.targets": "cross-attn", "save.every": 0,
    "save.dtype": "fp32",
}  # fmt: skip
AVERAGING = [{"train.ema_decay": 0.5}, {"train.optimizer": "schedule_free_adamw"}]


def products(tensors, up, down):
    """||up @ down|| of every layer, ascending: what the LoRA adds, however its factors are scaled."""
    ups = {name.removesuffix(up): value for name, value in tensors.items() if name.endswith(up)}
    return sorted((value @ tensors[name + down]).norm().item() for name, value in ups.items())


def small_adapter():
    return inject({"unet": nn.ModuleDict({"a": nn.Linear(6, 4)})}, targets=["*"], rank=2, alpha=2)


@pytest.mark.parametrize("decay", [0.3, 0.9999])
def test_the_average_is_that_of_diffusers(decay):
    adapter, g = small_adapter(), torch.Generator().manual_seed(1)
    ours, parameters = Average(decay), list(adapter.tensors().values())
    ours.begin(adapter)
    theirs = EMAModel(parameters, decay=decay)
    for step in range(1, 21):
        with torch.no_grad():
            for parameter in parameters:
                parameter += torch.randn(parameter.shape, generator=g)
        ours.update(adapter, step)
        theirs.step(parameters)
    for mine, other in zip(ours.tensors.values(), theirs.shadow_params, strict=True):
        torch.testing.assert_close(mine, other)


def test_the_adapter_gets_its_own_numbers_back():
    adapter = small_adapter()
    own = {name: p.detach().clone() for name, p in adapter.tensors().items()}
    other = {name: torch.full_like(p, 1 / 3) for name, p in list(own.items())[:1]}
    with pytest.raises(KeyError), holding(adapter, other):
        assert same({**own, **other}, {n: p.detach() for n, p in adapter.tensors().items()})
        raise KeyError
    assert same(own, {n: p.detach() for n, p in adapter.tensors().items()})


def test_schedule_free_adamw_is_the_papers():
    """Defazio et al. 2024, algorithm 1, in float64: y, z and x of a quadratic, with decay at y and equal rates."""
    rate, decay, (beta, beta2), target = 0.05, 0.1, (0.9, 0.999), np.array([3.0, -2.0, 0.5])
    x = z = np.array([1.0, 1.0, 1.0])
    squares = np.zeros(3)
    parameter = nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = OPTIMIZERS["schedule_free_adamw"].make([{"params": [parameter], "lr": rate}], weight_decay=decay)
    averaged = OPTIMIZERS["schedule_free_adamw"].averaged
    assert averaged(optimizer, parameter) is None
    for step in range(1, 31):
        y = (1 - beta) * z + beta * x
        assert parameter.detach().numpy() == pytest.approx(y)
        gradient = y - target
        squares = beta2 * squares + (1 - beta2) * gradient**2
        z = z - rate * (gradient / (np.sqrt(squares / (1 - beta2**step)) + 1e-8) + decay * y)
        x = (1 - 1 / step) * x + z / step
        parameter.grad = parameter.detach() - torch.from_numpy(target)
        optimizer.step()
        assert averaged(optimizer, parameter).numpy() == pytest.approx(x)


@pytest.mark.parametrize("shape", [(4, 32), (32, 4)])
def test_muon_is_torchs_on_a_factor(shape):
    """torch.optim.Muon with the same scale. Both orthogonalise in bf16, so they agree to its precision."""
    g = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(shape, generator=g), torch.randn((5, *shape), generator=g)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = OPTIMIZERS["muon"].make([{"params": [ours], "lr": 1e-2}], weight_decay=0.1)
    other = torch.optim.Muon([theirs], lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        other.step()
    moved = (theirs - start).norm()
    assert moved > 0.05 and (ours - theirs).norm() < 0.02 * moved


def test_muon_leaves_vectors_to_adam():
    matrix, vector = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(3))
    optimizer = OPTIMIZERS["muon"].make([{"params": [matrix, vector], "lr": 1e-2, "name": "unet"}], weight_decay=0.0)
    assert [group["name"] for group in optimizer.param_groups] == ["unet", "unet.vectors"]
    vector.grad = torch.tensor([1.0, -2.0, 3.0])
    optimizer.step()
    assert vector.tolist() == pytest.approx([0.99, 1.01, 0.99])  # Adam's first step is the rate times the sign


@pytest.mark.slow
@pytest.mark.parametrize("how", AVERAGING, ids=["ema", "schedule-free"])
def test_a_run_measures_draws_and_exports_the_average_and_trains_on_from_its_own(make_run, how):
    whole, settings = make_run(**QUICK, **how, **{"validation.every": 1})
    events = drive(whole, settings)
    unmeasured, settings = make_run(**QUICK, **how, **{"validation.every": 0})
    drive(unmeasured, settings, stop_after=3)
    drive(unmeasured, settings)
    last = [run.checkpoints()[-1][1] for run in (whole, unmeasured)]
    trained = [load_file(folder / "trained.safetensors") for folder in last]
    assert same(*trained) and same(weights(whole), weights(unmeasured))
    assert not same(trained[0], weights(whole))
    with safe_open(whole.folder / "test.safetensors", "pt") as file:
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
        assert file.metadata().get("ss_ema_decay") == ("0.5" if "train.ema_decay" in how else None)
    assert products(stored, "lora_up.weight", "lora_down.weight") == pytest.approx(
        products(weights(whole), "up", "down"), rel=1e-4
    )
    plain, settings = make_run(**QUICK, **{"validation.every": 1})
    others = [event.loss for event in drive(plain, settings) if isinstance(event, Validated)]
    found = [event.loss for event in events if isinstance(event, Validated)]
    assert len(found) == len(others) and found[0] == others[0] and found[1:] != others[1:]

"""A tiny network with an adapter and any optimizer: enough to train, save and go on in milliseconds."""

import torch
from torch import nn

from sdlora.adapters.inject import inject
from sdlora.train.optimizers.groups import make_optimizer


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Linear(6, 5), nn.Conv2d(5, 4, 3, padding=1)

    def forward(self, x):
        return self.second(self.first(x).transpose(1, 2).unflatten(2, (2, 2)))


class Halved(torch.optim.Optimizer):
    """What other optimizers keep: bf16 beside fp32, plain numbers, a counter in the group (as Prodigy's d)."""

    def __init__(self, params, lr=1e-2, d=1.0):
        super().__init__(params, {"lr": lr, "d": d})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["d"] = group["d"] * 1.5
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                state.setdefault("mean", torch.zeros_like(p, dtype=torch.bfloat16))
                state.setdefault("seen", 0)
                state.setdefault("note", None)
                state["seen"] += 1
                state["mean"].mul_(0.9).add_(p.grad)
                p.sub_(state["mean"].float() * group["lr"] * group["d"] / state["seen"])


OPTIMIZERS = {
    "AdamW": lambda a: make_optimizer(a, {"net": 1e-2}, 0.01),
    "AdamW(amsgrad)": lambda a: torch.optim.AdamW(a.parameters(), lr=1e-2, amsgrad=True),
    "SGD(momentum)": lambda a: torch.optim.SGD(a.parameters(), lr=1e-2, momentum=0.9),
    "Adafactor": lambda a: torch.optim.Adafactor(a.parameters(), lr=1e-2),
    "Halved": lambda a: Halved(a.parameters()),
}


def made(optimizer="AdamW", **options):
    net = Net()
    adapter = inject(
        {"net": net}, ["*"], **{"rank": 2, "alpha": 2.0, "kind": "dora" if optimizer == "AdamW" else "lora", **options}
    )
    return net, adapter, OPTIMIZERS[optimizer](adapter)


def steps(net, optimizer, numbers):
    for number in numbers:
        x = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(number))
        (net(x) - 1).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)

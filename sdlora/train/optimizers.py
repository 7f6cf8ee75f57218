"""The optimizer and its learning rate, as functions of the step."""

import torch
from diffusers.optimization import get_scheduler

from sdlora.adapters.adapter import Adapter


def make_optimizer(adapter: Adapter, rates: dict[str, float], weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019), one group per root ("unet", "text_encoder") with its own learning rate.

    DoRA's magnitudes have groups without weight decay: towards zero would be towards weights of no size.
    """
    sizes = {id(layer.magnitude) for layer in adapter.layers.values() if getattr(layer, "magnitude", None) is not None}
    groups = []
    for root, lr in rates.items():
        learning = [p for p in adapter.parameters_of(root) if p.requires_grad]
        factors = [p for p in learning if id(p) not in sizes]
        magnitudes = [p for p in learning if id(p) in sizes]
        groups.append({"params": factors, "lr": lr, "name": root})
        groups.append({"params": magnitudes, "lr": lr, "name": f"{root}.magnitude", "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)


def make_scheduler(
    optimizer: torch.optim.Optimizer, kind: str, warmup: int, steps: int, done: int = 0, cycles: int = 1
):
    """diffusers.get_scheduler, set to where it stands after ``done`` steps.

    cycles: falls of cosine_with_restarts (Loshchilov & Hutter 2017, of equal length).

    A LambdaLR is a function of its step count alone, so resuming needs no saved state.
    """
    scheduler = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=steps, num_cycles=cycles)
    put_at(scheduler, done)
    return scheduler


def put_at(scheduler, done: int) -> None:
    """Set a scheduler to where it stands after ``done`` steps, and the optimizer's rates with it."""
    groups, scheduler.last_epoch = scheduler.optimizer.param_groups, done
    for group, base_lr, factor in zip(groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True):
        group["lr"] = base_lr * factor(done)

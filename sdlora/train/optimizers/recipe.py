"""What one optimizer is. No torch is imported here: settings, page and checks read the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Recipe:
    """How an optimizer is made, and what else has to be known of it.

    name: as train.optimizer has it. title: as its paper writes it.
    make: (groups, weight_decay=…) -> the optimizer; groups are torch's, with "params" and "lr", some with their own
    "weight_decay". It imports what it needs.
    moments: shape of a parameter -> how many float32 numbers the state keeps of it, for the disk estimate.
    recorded: ss_optimizer in the file's metadata, as kohya writes it.
    highest_lr: rates above ruin a LoRA within a few steps; None where the rate means something else.
    own_schedule: it sets its rate by itself, so that train.scheduler and train.warmup do nothing.
    averaged: (optimizer, parameter) -> the average of a parameter that is measured, drawn and exported in place of what
    is trained, or None as long as that is the same; None where there is no such average.
    finds_rate: it works out how far to go from the gradients; train.lr is a factor of that, usually 1, and the same for
    all that is trained.
    """

    name: str
    title: str
    make: Callable[..., torch.optim.Optimizer]
    moments: Callable[[Sequence[int]], int]
    recorded: str
    highest_lr: float | None = 0.01  # measured with AdamW: 0.003 draws well, 0.02 doubles the loss in 20 steps
    own_schedule: bool = False
    finds_rate: bool = False
    averaged: Callable[[torch.optim.Optimizer, torch.nn.Parameter], torch.Tensor | None] | None = None

    @property
    def text_encoder_share(self) -> float:
        """The text encoder's rate where none is set, as a share of train.lr."""
        return 1.0 if self.finds_rate else 0.5

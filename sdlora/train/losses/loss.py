"""What one loss is. No torch is imported here: settings, page and checks read the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """How far a prediction is from its target.

    name: as train.loss has it. of: (predicted, target) -> the loss of each element, same shape, float32.
    of_nothing: its mean where 0 is predicted for unit noise; a run whose loss nears it has learnt to draw nothing.
    recorded: what the file's metadata says of it, in kohya's keys without "ss_".
    """

    name: str
    of: Callable[[Tensor, Tensor], Tensor]
    of_nothing: float
    recorded: Mapping[str, object] = field(default_factory=dict)

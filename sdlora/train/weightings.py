"""How much an image counts by the noise that is on it: ways by name, as train.weighting has them. No torch at import.

a: alpha_bar at the timesteps, float32 (B,), 0 where a schedule ends in pure noise. All weights are float32 (B,).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdlora.messages import Message, say
from sdlora.objectives.objective import Objective, snr_of

if TYPE_CHECKING:
    from torch import Tensor

Weigh = Callable[[Objective, "Tensor"], "Tensor"]  # (objective, a) -> weights of the errors


@dataclass(frozen=True)
class Weighting:
    """One way to weigh timesteps.

    of: (objective, a, strength) -> weights. described: strength -> what the log says.
    strength: the setting of [train] that is its strength; "" for none.
    recorded: what the file's metadata says of it, in kohya's keys without "ss_".
    """

    name: str
    of: Callable[[Objective, Tensor, float], Tensor]
    described: Callable[[str], Message]
    strength: str = ""
    recorded: Mapping[str, object] = field(default_factory=dict)

    def in_force(self, train: object) -> bool:
        """Does it weigh anything? A strength of 0 makes all weights 1. train: settings with the strengths, resolved."""
        return not self.strength or bool(self._strength(train))

    def weigh(self, train: object) -> Weigh | None:
        """The weights under these settings; None where all of them are 1."""
        strength = self._strength(train)
        return (lambda objective, a: self.of(objective, a, strength)) if self.in_force(train) else None

    def told(self, train: object) -> Message:
        """What the log says of it under these settings."""
        if not self.in_force(train):
            return say("models.no_weighting")
        return self.described(f"{self._strength(train):g}")

    def _strength(self, train: object) -> float:
        return getattr(train, self.strength) or 0.0 if self.strength else 0.0


WEIGHTINGS: dict[str, Weighting] = {
    entry.name: entry
    for entry in (
        Weighting(  # Hang et al. 2023, eq. 4
            "min_snr",
            lambda objective, a, gamma: objective.weight(a, gamma),
            lambda gamma: say("models.min_snr_gamma", gamma=gamma),
            "min_snr_gamma",
        ),
        Weighting(  # Yu et al. 2023
            "debiased",
            lambda objective, a, _: objective.debiased(a),
            lambda _: say("models.debiased"),
            recorded={"debiased_estimation": True},
        ),
        Weighting(  # Choi et al. 2022, eq. 8, with k = 1: on top of what the objective weighs anyway
            "p2",
            lambda objective, a, gamma: (1 + snr_of(a)).pow(-gamma),
            lambda gamma: say("models.p2", gamma=gamma),
            "p2_gamma",
        ),
    )
}

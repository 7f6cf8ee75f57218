"""How a run computes, where that was measured: kept in its folder, so that it goes on as it began, bit for bit.

No torch. What measures is ``train.fastest``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdlora.errors import UserError
from sdlora.files.intact import Damaged, read_json, write_json
from sdlora.messages import Message, say

FILE = "arithmetic.json"
PRECISIONS = ("fp32", "fp16", "bf16")


@dataclass(frozen=True)
class Arithmetic:
    """precision: "fp32", "fp16" or "bf16". packed: are the frozen convolutions laid out for the processor?

    seconds: what was measured, of a piece of a step, by the name of the way ("bf16+packed"); empty for what was not.
    processor, threads: on what. earlier: had that been measured for another run? It is not kept.
    """

    precision: str
    packed: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    processor: str = ""
    threads: int = 0
    earlier: bool = field(default=False, compare=False)

    @property
    def way(self) -> str:
        """Its key in ``seconds``."""
        return way_of(self.precision, self.packed)

    @property
    def described(self) -> Message | str:
        """One line for people: the precision, whether convolutions are packed, and how fast that was found to be."""
        if not self.seconds:
            return self.precision
        found = self._found
        return say("training.arithmetic_earlier", arithmetic=found) if self.earlier else found

    @property
    def _found(self) -> Message:
        slowest = max(self.seconds, key=self.seconds.__getitem__)
        times = self.seconds[slowest] / self.seconds[self.way]
        if times < 1.05:
            return say("training.arithmetic_plain", precision=self.precision)
        key = "training.arithmetic_packed" if self.packed else "training.arithmetic_faster"
        return say(key, precision=self.precision, of=slowest, times=f"{times:.1f}")


def way_of(precision: str, packed: bool) -> str:
    """A precision with packed convolutions or without, as one word or two."""
    return f"{precision}+packed" if packed else precision


def recorded_arithmetic(folder: Path) -> Arithmetic | None:
    """What a run's folder says; None where nothing was measured.

    UserError where what was written is damaged: in another arithmetic the run would not go on as it began.
    """
    if not (folder / FILE).exists():
        return None
    try:
        found = read_json(folder / FILE)
        made = Arithmetic(
            found["precision"], found["packed"] is True, {str(k): float(v) for k, v in found["seconds"].items()},
            str(found["processor"]), int(found["threads"]),
        )  # fmt: skip
    except (OSError, Damaged, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder) from error
    if made.precision not in PRECISIONS or made.way not in made.seconds or min(made.seconds.values()) <= 0:
        raise _damaged(folder)
    return made


def _damaged(folder: Path) -> UserError:
    return UserError(say("runs.arithmetic_damaged", path=folder / FILE), fix=say("runs.remove_for_fp32"))


def record_arithmetic(folder: Path, arithmetic: Arithmetic) -> None:
    """Write it into a run's folder, whole or not at all."""
    told = {"precision": arithmetic.precision, "packed": arithmetic.packed, "seconds": dict(arithmetic.seconds)}
    write_json(folder / FILE, told | {"processor": arithmetic.processor, "threads": arithmetic.threads})

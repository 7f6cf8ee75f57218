"""What a run does to need less memory than it might: kept in its folder, so that it goes on as it had come to compute.

No torch. What does it is ``train.ladder``.
"""

from dataclasses import dataclass
from pathlib import Path

from sdlora.files.intact import Damaged, read_json, write_json

FILE = "memory.json"
NAMES = ("unpacked", "checkpointing", "split")  # the rungs, from the one that costs the least time; each keeps those above


@dataclass(frozen=True)
class Memory:
    """rungs: those of NAMES that are taken. pieces: into how many each batch is split.

    sparing: are test pictures drawn piece by piece?
    """

    rungs: tuple[str, ...] = ()
    pieces: int = 1
    sparing: bool = False


def recorded_memory(folder: Path) -> Memory | None:
    """What a run's folder says; None where memory never ran out. Raises Damaged for what was not written so."""
    if not (folder / FILE).exists():
        return None
    try:
        found = read_json(folder / FILE)
        made = Memory(tuple(map(str, found["rungs"])), int(found["pieces"]), found["sparing"] is True)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(FILE) from error
    if not set(made.rungs) <= set(NAMES) or made.pieces < 1:
        raise Damaged(FILE)
    return made


def record_memory(folder: Path, memory: Memory) -> None:
    """Write it into a run's folder, whole or not at all."""
    write_json(folder / FILE, {"rungs": list(memory.rungs), "pieces": memory.pieces, "sparing": memory.sparing})

"""What can happen in a run. The loop yields these; terminals, files and the page read them."""

import dataclasses
import json
import math
import zlib
from dataclasses import dataclass
from typing import ClassVar

from sdlora.messages import Message, packed, unpacked


@dataclass(frozen=True)
class Started:
    """The trainer begins (or goes on) with ``steps`` in all, after ``step`` of them."""

    kind: ClassVar[str] = "started"
    step: int
    steps: int
    images: int
    trainable: int  # parameters
    total: int  # parameters of everything the adapter sits in
    file_size: int  # bytes of the LoRA file to come
    device: str
    base: str = ""  # the base model in words, and how its prediction is known
    arithmetic: str = ""  # the precision in words, and how it was chosen where that was measured


@dataclass(frozen=True)
class Progress:
    """Work before or beside the steps: ``what`` is one of WORK. Where ``of`` is 1 it has no parts to count."""

    kind: ClassVar[str] = "progress"
    what: str
    done: int
    of: int


@dataclass(frozen=True)
class StepDone:
    """One optimizer step."""

    kind: ClassVar[str] = "step"
    step: int
    loss: float  # mean over the step's images, before weighting
    lr: float
    seconds: float  # wall time of this step
    memory: int = 0  # bytes in use: the GPU's peak, or the process's on a CPU


@dataclass(frozen=True)
class Validated:
    """The loss on fixed images with fixed noise and timesteps: unlike StepDone's, it compares from step to step."""

    kind: ClassVar[str] = "validated"
    step: int
    loss: float  # mean squared error
    held_out: int  # how many of its images are not trained on: all of them, or 0 for none
    training: float = math.nan  # the same on training images, where ``loss`` is of held-out ones
    drift: float = math.nan  # of the predictions for neutral prompts from the base's, mean squared
    seconds: float = 0.0  # wall time of measuring


@dataclass(frozen=True)
class ByHeart:
    """Whether the images are learnt by heart, looked at after the last step; each number beside the base model's.

    Root mean square differences of scaled latents, drawn with training captions: ``own`` to the caption's image,
    ``spread`` between seeds. ``why`` says why it was not looked at; the numbers are then none.
    """

    kind: ClassVar[str] = "by_heart"
    step: int
    captions: int = 0
    own: float = math.nan
    own_base: float = math.nan
    spread: float = math.nan
    spread_base: float = math.nan
    seconds: float = 0.0  # wall time of drawing
    why: str = ""


@dataclass(frozen=True)
class Sampled:
    """Test pictures written; ``files`` are relative to the run folder, one per prompt."""

    kind: ClassVar[str] = "sampled"
    step: int
    files: list[str]


@dataclass(frozen=True)
class Saved:
    """A checkpoint (folder) or the final file, relative to the run folder."""

    kind: ClassVar[str] = "saved"
    step: int
    path: str
    final: bool = False


@dataclass(frozen=True)
class Warned:
    """Something the user should know; training goes on."""

    kind: ClassVar[str] = "warned"
    text: str


@dataclass(frozen=True)
class Paused:
    """Training waits (``on``) or goes on again."""

    kind: ClassVar[str] = "paused"
    step: int
    on: bool


@dataclass(frozen=True)
class Stopping:
    """A stop was asked for and taken up after ``step``; what is left is to save, to draw and to write the file."""

    kind: ClassVar[str] = "stopping"
    step: int


@dataclass(frozen=True)
class Finished:
    """The end: ``why`` is "done" (``text`` says what ended it early), "stopped" or "failed" (``text`` says it)."""

    kind: ClassVar[str] = "finished"
    step: int
    why: str
    text: str = ""
    file: str = ""  # the LoRA, relative to the run folder


Event = Started | Progress | StepDone | Validated | ByHeart | Sampled | Saved | Warned | Paused | Stopping | Finished
# What ``Progress`` can be about: before the steps, between them, at the end.
WORK = ("start", "model", "class", "latents", "text", "validation", "by_heart", "samples", "save", "export")
CHECKSUM = ', "crc32": "'
SAID = "said"
KINDS = {cls.kind: cls for cls in Event.__args__}


def _checksum(text: str) -> str:
    """The end of a line: CRC-32 of the JSON object without it."""
    return f'{zlib.crc32(text.encode("utf-8", "surrogatepass")):08x}"}}'


def to_line(event: Event, time: float) -> str:
    """One JSON line without the newline; numbers that are not finite become null. It ends with a checksum of itself.

    Where a field is a message, "said" holds what it takes to say it in another language, by the field's name.
    """
    record = {"kind": event.kind, "time": round(time, 3), **dataclasses.asdict(event)}
    if said := {name: packed(value) for name, value in record.items() if isinstance(value, Message)}:
        record[SAID] = said
    clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
    text = json.dumps(clean, ensure_ascii=False, allow_nan=False)
    return f"{text[:-1]}{CHECKSUM}{_checksum(text)}"


def from_line(line: str) -> tuple[float, Event] | None:
    """(time, event), or None for a line that is torn, changed or of a kind this version does not know.

    Lines of version 0.1.0 have no checksum.
    """
    text, there, claimed = line.rstrip().rpartition(CHECKSUM)
    if there and claimed != _checksum(text + "}"):
        return None
    try:
        record = json.loads(line)
        cls = KINDS[record.pop("kind")]
        time = float(record.pop("time"))
        for name, stored in record.pop(SAID, {}).items():
            record[name] = unpacked(stored, record[name])
        known = {f.name for f in dataclasses.fields(cls)}
        event = cls(**{k: math.nan if v is None else v for k, v in record.items() if k in known})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return time, event

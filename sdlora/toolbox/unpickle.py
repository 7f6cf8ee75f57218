"""Old LoRA files in pickles (.bin, .pt, .ckpt), read as tensors alone: no object of theirs is made, nothing runs.

``torch.load(weights_only=True)`` takes tensors, numbers and containers and refuses the rest.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdlora.errors import UserError, explain
from sdlora.files.kinds import PICKLE, told_by_first_bytes
from sdlora.files.regular import open_regular
from sdlora.lorafiles.stream import InMemory, spec_of
from sdlora.messages import say

_DEEPEST = 8  # containers within containers
_INSIDE = ("state_dict", "lora", "unet", "module", "model")  # names that some savers put around the tensors


def is_pickle(path: Path | str) -> bool:
    """Do the file's first bytes say so? False if it can't be opened."""
    try:
        return told_by_first_bytes(path) == PICKLE
    except OSError:
        return False


def read_pickle(path: Path | str) -> InMemory:
    """The tensors of a pickled LoRA by key, on the CPU.

    Taken: a dictionary of tensors, as diffusers and kohya wrote it, or dictionaries around one; a list of tensors, up
    and down in turn, as the first trainer (cloneofsimo) wrote it. Raises UserError: anything but tensors, numbers and
    containers in it; no tensors; a damaged file.
    """
    path = Path(path)
    try:
        with open_regular(path) as file:  # by its name torch would choose another reader
            content = torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except OSError as error:
        raise explain(error) from error
    except Exception as error:  # whatever a hostile or damaged pickle makes the reader raise
        reason = " ".join(str(error).split())
        if "weights_only" in reason or "Unsupported" in reason:
            raise UserError(
                say("toolbox.pickle_not_tensors", file=path.name),
                fix=say("toolbox.get_as_safetensors"),
                where=str(path),
            ) from None
        raise UserError(
            say("toolbox.pickle_damaged", file=path.name, kind=type(error).__name__),
            fix=say("lorafiles.get_again"),
            where=str(path),
        ) from None
    tensors = _numbered(content) if isinstance(content, (list, tuple)) else dict(_flat(content))
    room = path.stat().st_size
    if odd := next((key for key, tensor in tensors.items() if not _is_whole(tensor, room)), None):
        raise UserError(say("toolbox.pickle_tensor", file=path.name, key=odd[:120]), where=str(path))
    if not tensors:
        raise UserError(say("toolbox.pickle_empty", file=path.name), fix=say("files.check_path"), where=str(path))
    return InMemory(path, {key: tensor.detach().contiguous() for key, tensor in tensors.items()})


def _flat(content: Any, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(content, Mapping) or depth > _DEEPEST:
        return
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield str(key), value
        elif isinstance(value, float) and str(key).endswith(".alpha"):
            yield str(key), torch.tensor(value)
        elif key in _INSIDE:
            yield from _flat(value, depth + 1)


def _numbered(content: list | tuple) -> dict[str, Tensor]:
    """up, down, up, down …; of a text encoder where all layers are square and each has the four of attention."""
    if len(content) % 2 or not all(isinstance(value, Tensor) and value.ndim >= 2 for value in content):
        return {}
    pairs = list(zip(content[::2], content[1::2], strict=True))
    square = all(up.shape[0] == down.shape[1] for up, down in pairs) and len({up.shape[0] for up, _ in pairs}) == 1
    root = "text_encoder" if square and len(pairs) % 4 == 0 else "unet"
    found: dict[str, Any] = {}
    for n, (up, down) in enumerate(pairs):
        found |= {f"{root}:{n}:up": up, f"{root}:{n}:down": down}
    return found


def _is_whole(tensor: Tensor, room: int) -> bool:
    """Of a dtype that a file can hold, and no larger than the file: a few bytes can claim to be any shape."""
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return False
    try:
        return spec_of(tensor).nbytes <= room
    except KeyError:
        return False

"""What to do about a layer that is no plain LoRA: the command that really does it."""

from sdlora.lorafiles.read import LoraFile
from sdlora.messages import say


def plain_fix(file: LoraFile, name: str) -> str:
    """What to do about a layer that ``convert``, ``merge`` and ``quantize`` can't write exactly as a plain LoRA."""
    change = file.changes[name]
    if change.magnitudes is not None:
        return say("toolbox.resize_with_base")
    if change.sparse is not None:
        return say("toolbox.resize_or_leave_out")
    return say("toolbox.resize")

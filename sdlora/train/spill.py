"""Windows lends a full GPU the computer's own memory, which is many times slower, and no error says so: noticed here.

NVIDIA's driver does it from version 536.40 on, unless its "CUDA - Sysmem Fallback Policy" forbids it. CUDA tells of the
GPU's own memory alone, so what can be known is that this process holds more than was free there, and now nothing is.
"""

import sys

from sdlora.families.shared.device import free_memory, held_memory
from sdlora.messages import Message, say

FULL = 0.02  # of what was free: as little as this is left on a GPU that is full


class Spill:
    """Looks, from when the model is on the GPU, whether the process outgrows it. kind: the device's type."""

    def __init__(self, kind: str):
        self.kind = kind
        self.room: int | None = None  # bytes of the GPU's memory that the process can have; None: nothing to tell
        free, held = free_memory(kind), held_memory(kind)
        if sys.platform == "win32" and free is not None and held is not None:
            self.room = free + held

    def note(self) -> Message | None:
        """What is to be said, once."""
        free, held = free_memory(self.kind), held_memory(self.kind)
        if self.room is None or free is None or held is None or held <= self.room or free > FULL * self.room:
            return None
        room, self.room = self.room, None
        return say("training.memory_spills", held=f"{held / 1e9:.1f}", room=f"{room / 1e9:.1f}")

"""Several processes on one run (accelerate launch, torchrun): one makes the run folder, all train in it."""

import os
from collections.abc import Callable

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from sdlora.errors import UserError
from sdlora.families.shared.device import choose


def count() -> int:
    """How many processes were launched together; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    return os.environ.get("RANK", "0") == "0"


def trains_on_cpu(device: str) -> bool:
    """Is ``train.device`` the CPU here, by choice or because there is nothing else?"""
    return device == "cpu" or choose() == "cpu"


def made_by_main(make: Callable[[], str], device: str) -> str:
    """What ``make`` returns in the main process, in all of them; an error there is raised there and ends the others."""
    state = PartialState(cpu=trains_on_cpu(device))
    told: list[str | None] = [None]
    try:
        if state.is_main_process:
            told = [make()]
    finally:
        broadcast_object_list(told)
    if told[0] is None:
        raise UserError("The main process could not start the run; it says why.")
    return told[0]

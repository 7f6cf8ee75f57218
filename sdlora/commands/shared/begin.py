"""A new run: everything checked, all that was left open resolved, its folder made."""

from sdlora.check import Ready
from sdlora.data.dataset import ENOUGH_IMAGES
from sdlora.messages import say
from sdlora.runs.run import Run
from sdlora.settings import Settings


def begin(ready: Ready) -> tuple[Run, Settings]:
    """(run, resolved settings) of a new run folder, ready to be trained; UserError with all that forbids it."""
    settings = ready.resolved()
    for problem in ready.problems:
        print(say("terminal.note", what=problem.message))
    for key, wish, seed in (
        ("train.seed", ready.settings.train.seed, settings.train.seed),
        ("sample.seed", ready.settings.sample.seed, settings.sample.seed),
    ):
        if wish != seed:
            print(say("terminal.setting_drawn", key=key, seed=seed))
    asked = ready.settings.validation
    if asked.held_out is None and asked.every != 0 and ready.images < ENOUGH_IMAGES:
        print(say("settings.none_held_out", count=ready.images, enough=ENOUGH_IMAGES))
    return Run.begin(settings), settings

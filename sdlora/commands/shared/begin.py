"""A new run: everything checked, all that was left open resolved, its folder made."""

from sdlora.check import Ready
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings


def begin(ready: Ready) -> tuple[Run, Settings]:
    """(run, resolved settings) of a new run folder, ready to be trained; UserError with all that forbids it."""
    settings = ready.resolved()
    for problem in ready.problems:
        print(f"Note: {problem}")
    for key, wish, seed in (
        ("train.seed", ready.settings.train.seed, settings.train.seed),
        ("sample.seed", ready.settings.sample.seed, settings.sample.seed),
    ):
        if wish != seed:
            print(f"{key}: {seed} (drawn)")
    return Run.create(settings.run.folder, settings.run.name, dump_settings(settings)), settings

"""A new run: everything checked, all that was left open resolved, its folder made."""

from collections.abc import Sequence

from sdlora.check import check, resolve
from sdlora.errors import Problem, UserError
from sdlora.families.base import inspect_base
from sdlora.runs.run import Run
from sdlora.settings import Settings, dump_settings


def prepare_run(settings: Settings, problems: Sequence[Problem] = ()) -> tuple[Run, Settings]:
    """(run, resolved settings) of a new run folder, ready to be trained.

    problems: those found before, while the settings were read. UserError with all problems at once; no folder then.
    """
    problems = [*problems, *check(settings)]
    fatal = [p for p in problems if p.fatal]
    if fatal:
        raise UserError(*fatal)
    for problem in problems:
        print(f"Note: {problem}")
    wanted, settings = settings, resolve(settings, inspect_base(settings.model.base, settings.model.revision))
    for key, wish, seed in (
        ("train.seed", wanted.train.seed, settings.train.seed),
        ("sample.seed", wanted.sample.seed, settings.sample.seed),
    ):
        if wish != seed:
            print(f"{key}: {seed} (drawn)")
    return Run.create(settings.run.folder, settings.run.name, dump_settings(settings)), settings

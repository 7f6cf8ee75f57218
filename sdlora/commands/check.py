"""`sdlora check`: every problem of settings and images at once, without training."""

import argparse

from sdlora.commands.shared.flags import add_settings, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Print problems and notes; 1 if there is something to mend before training."""
    from sdlora.check import as_wished, base_in_short, check, usual_gamma
    from sdlora.families.base import inspect_base

    settings, wrong = settings_of(args)
    problems = [*wrong, *check(settings)]
    if not any(problem.fatal and problem.where.startswith("model.") for problem in problems):
        model, gamma = settings.model, settings.train.min_snr_gamma
        base = as_wished(inspect_base(model.base, model.revision, model.vae), model)
        print(f"Base model: {base_in_short(base, usual_gamma(base) if gamma is None else gamma)}.")
    for problem in problems:
        print(("Problem: " if problem.fatal else "Note: ") + str(problem))
    fatal = sum(problem.fatal for problem in problems)
    print(f"{fatal} to mend before training." if fatal else "Ready to train.")
    return 1 if fatal else 0

"""`sdlora check`: every problem of settings and images at once, without training."""

import argparse

from sdlora.commands.shared.flags import add_settings, prepared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Print problems and notes; 1 if there is something to mend before training."""
    from sdlora.check import as_wished, base_in_short, usual_gamma

    ready = prepared(args)
    if ready.base and not any(problem.where.startswith("model.") for problem in ready.fatal):
        gamma, base = ready.settings.train.min_snr_gamma, as_wished(ready.base, ready.settings.model)
        print(f"Base model: {base_in_short(base, usual_gamma(base) if gamma is None else gamma)}.")
    for problem in ready.problems:
        print(("Problem: " if problem.fatal else "Note: ") + str(problem))
    print(f"{len(ready.fatal)} to mend before training." if ready.fatal else "Ready to train.")
    return 1 if ready.fatal else 0

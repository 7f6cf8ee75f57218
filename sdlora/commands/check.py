"""`sdlora check`: every problem of settings and images at once, without training."""

import argparse

from sdlora.commands.shared.flags import add_settings, prepared
from sdlora.messages import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Print problems and notes; 1 if there is something to mend before training."""
    from sdlora.check import as_wished, base_in_short, usual_gamma

    ready = prepared(args)
    if ready.base and not any(problem.where.startswith("model.") for problem in ready.fatal):
        train, base = ready.settings.train.model_copy(), as_wished(ready.base, ready.settings.model)
        if train.min_snr_gamma is None:
            train.min_snr_gamma = usual_gamma(base)
        print(say("terminal.base_model", base=base_in_short(base, train)))
    for problem in ready.problems:
        print(say("terminal.problem" if problem.fatal else "terminal.note", what=problem.message))
    print(say("terminal.to_correct", count=len(ready.fatal)) if ready.fatal else say("terminal.ready"))
    return 1 if ready.fatal else 0

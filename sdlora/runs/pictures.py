"""Which of a long run's test pictures are kept. No torch."""

import re
from collections import defaultdict
from pathlib import Path

KEPT = 400  # steps with pictures; beyond, the older ones are thinned, so that a run of any length keeps 200 to 400
PICTURE = re.compile(r"(\d{6,18})_\d\d\.png")


def kept_steps(steps: list[int], limit: int = KEPT) -> list[int]:
    """The steps, sorted, whose pictures stay: all up to ``limit``; beyond, of the older half every second one.

    The first and the newest half always stay. Asked again after each new picture, older steps lie ever further apart.
    """
    steps = sorted(steps)
    if len(steps) <= limit:
        return steps
    half = len(steps) // 2
    return steps[:half:2] + steps[half:]


def thin_pictures(folder: Path, limit: int = KEPT) -> None:
    """Delete the test pictures in ``folder`` that ``kept_steps`` gives up; what else lies there stays. Raises OSError."""
    by_step = defaultdict(list)
    for path in folder.iterdir() if folder.is_dir() else ():
        if picture := PICTURE.fullmatch(path.name):
            by_step[int(picture[1])].append(path)
    for step in by_step.keys() - set(kept_steps(list(by_step), limit)):
        for path in by_step[step]:
            path.unlink(missing_ok=True)

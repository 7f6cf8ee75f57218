"""What the look at a run's end says: are its images learnt by heart? No torch."""

import math

from sdlora.events import ByHeart
from sdlora.messages import say

# Of the base model's own differences. In our trials on the embedded base 20 images after 150 steps had 0.55 of the
# distance and 0.84 of the spread, 3 images after 300 and 400 steps 0.24 and 0.35, 0.17 and 0.30.
LEARNT = 0.5


def is_learnt(found: ByHeart) -> bool | None:
    """Are both differences less than half of the base model's? None where it was not looked at."""
    numbers = (found.own, found.own_base, found.spread, found.spread_base)
    if not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        return None
    return found.own < LEARNT * found.own_base and found.spread < LEARNT * found.spread_base


def heart_words(found: ByHeart) -> list[str]:
    """The sentences on it: what was measured, and what that means; or why it was not looked at."""
    learnt = is_learnt(found)
    if learnt is None:
        return [say("runs.heart_skipped", why=found.why)] if found.why else []
    measured = say(
        "runs.heart_measured",
        count=found.captions,
        spread=f"{found.spread:.2f}",
        spread_base=f"{found.spread_base:.2f}",
        own=f"{found.own:.2f}",
        own_base=f"{found.own_base:.2f}",
    )
    return [measured, say("runs.heart_learnt") if learnt else say("runs.heart_free")]

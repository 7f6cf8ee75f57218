"""The tracker: is its package there?"""

from importlib.util import find_spec

from sdlora.check.case import Case
from sdlora.errors import Problem
from sdlora.messages import say

# accelerate takes either for TensorBoard.
PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX")}


def tracker(case: Case) -> list[Problem]:
    """A tracker whose package is not installed."""
    name = case.settings.run.tracker
    if name == "none" or any(find_spec(package) for package in PACKAGES.get(name, (name,))):
        return []
    fix = say("settings.install_tracker", tracker=name)
    return [Problem(say("settings.tracker_missing", tracker=name), fix, "run.tracker")]

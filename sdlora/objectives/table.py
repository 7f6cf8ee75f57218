"""The objectives by name, as model.prediction has them: a file each and a line here. No torch at import."""

from sdlora.objectives import epsilon, v_prediction
from sdlora.objectives.objective import Objective

OBJECTIVES: dict[str, Objective] = {
    entry.OBJECTIVE.name: entry.OBJECTIVE
    for entry in (
        epsilon,
        v_prediction,
    )
}  # fmt: skip
USUAL = next(iter(OBJECTIVES))  # what a model is taken to predict that gives no sign

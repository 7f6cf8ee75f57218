"""The losses by name, as train.loss has them: a file each and a line here. No torch at import."""

from sdlora.train.losses import huber, mse, smooth_l1
from sdlora.train.losses.loss import Loss

LOSSES: dict[str, Loss] = {
    entry.LOSS.name: entry.LOSS
    for entry in (
        mse,
        huber,
        smooth_l1,
    )
}  # fmt: skip

"""validation.*: the validation loss: measured on the same images with the same noise each time."""

from sdlora.messages import say
from sdlora.settings.setting import Follows, Section, When, setting


# fmt: off
class ValidationSettings(Section):
    """The validation loss: measured on the same images with the same noise each time."""

    every: int | None = setting(
        None, "Steps between measurements of the validation loss: same images, same noise each time; empty for "
        "as often as a tenth of the time allows, 0 for never.",
        label="Validation loss every … steps", cost=False, ge=0, le=10_000_000
    )
    held_out: int | None = setting(
        None, "Images kept out of training to measure on; empty for 4 out of 12 or more and none out of fewer, 0 to "
        "measure on training images alone.",
        label="Images held out", cost=False, ge=0, le=10_000,
        follows=Follows(("data.folder",)), into=("epochs",)
    )
    drift_bound: float | None = setting(
        None, "How much drift is bearable: the offer that shows more is then the last checkpoint before the drift "
        "passes it; empty for no bound. The drift is told at each measurement.",
        label="Bound of the drift", cost=False, gt=0, le=1000,
        when=When({"validation.every": "not:0"}, say("settings.because_unmeasured"), say("settings.set_every"))
    )
    patience: int = setting(
        0, "End the run when so many measurements in a row have not brought the validation loss on held-out images "
        "below its lowest; 0 for never. A subject may still gain likeness then.",
        label="End after … measurements without gain", cost=False, ge=0, le=100_000,
        when=When({"validation.held_out": "not:0"}, say("settings.because_none_held_out"),
                  say("settings.hold_some_out"))
    )

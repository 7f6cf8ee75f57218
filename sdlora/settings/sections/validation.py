"""validation.*: the validation loss: measured on the same images with the same noise each time."""

from sdlora.settings.setting import Follows, Section, setting


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

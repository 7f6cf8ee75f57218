"""run.*: the run's name and where its folder is."""

from typing import Literal

from sdlora.settings.setting import Section, setting


# fmt: off
class RunSettings(Section):
    """The run's name and where its folder is."""

    name: str = setting(
        "my-lora", "Name of the run and of the LoRA file.", "basic",
        label="Name", group="what", place=1, own=True, cost=False, max_length=200
    )
    folder: str = setting(
        "runs", "Folder that the run's own folder is made in.", "expert",
        label="Runs folder", on_page=False, path="folder", cost=False
    )
    tracker: Literal["none", "tensorboard", "trackio", "wandb", "mlflow"] = setting(
        "none", "Where losses and test pictures are shown besides the page; its package has to be installed.", "expert",
        label="Tracker", group="saving", cost=False
    )

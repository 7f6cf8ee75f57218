"""Every setting once, a file a section: command line, page, checks and docs derive from here."""

from pydantic import Field as PydanticField

from sdlora.settings.sections.adapter import AdapterSettings
from sdlora.settings.sections.data import DataSettings
from sdlora.settings.sections.model import ModelSettings
from sdlora.settings.sections.run import RunSettings
from sdlora.settings.sections.sample import SampleSettings
from sdlora.settings.sections.save import SaveSettings
from sdlora.settings.sections.train import TrainSettings
from sdlora.settings.sections.validation import ValidationSettings
from sdlora.settings.setting import Section


class Settings(Section):
    """All settings of one run."""

    model: ModelSettings = PydanticField(default_factory=ModelSettings)
    data: DataSettings = PydanticField(default_factory=DataSettings)
    adapter: AdapterSettings = PydanticField(default_factory=AdapterSettings)
    train: TrainSettings = PydanticField(default_factory=TrainSettings)
    sample: SampleSettings = PydanticField(default_factory=SampleSettings)
    validation: ValidationSettings = PydanticField(default_factory=ValidationSettings)
    save: SaveSettings = PydanticField(default_factory=SaveSettings)
    run: RunSettings = PydanticField(default_factory=RunSettings)


__all__ = [
    "AdapterSettings",
    "DataSettings",
    "ModelSettings",
    "RunSettings",
    "SampleSettings",
    "SaveSettings",
    "Settings",
    "TrainSettings",
    "ValidationSettings",
]

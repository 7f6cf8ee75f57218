"""Every setting once, and how settings are read, checked and written. No torch."""

from sdlora.settings.machine import (
    MOST_TOLD,
    SettingInfo,
    all_settings,
    dump_settings,
    load_settings,
    make_settings,
    merge,
    parse_toml,
    read_toml,
    salvage,
)
from sdlora.settings.sections import Adapter, Data, Model, RunPlace, Sample, Save, Settings, Train, ValidationLoss
from sdlora.settings.setting import Level, PathText, Section, StackEntry, setting

__all__ = [
    "Adapter",
    "Data",
    "Level",
    "MOST_TOLD",
    "Model",
    "PathText",
    "RunPlace",
    "Sample",
    "Save",
    "Section",
    "SettingInfo",
    "Settings",
    "StackEntry",
    "Train",
    "ValidationLoss",
    "all_settings",
    "dump_settings",
    "load_settings",
    "make_settings",
    "merge",
    "parse_toml",
    "read_toml",
    "salvage",
    "setting",
]

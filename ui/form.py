"""Settings as form fields: labels, help, kinds and defaults come from ``sdlora.config``, sizes of sliders from here."""

from typing import Any

import gradio as gr

from sdlora.config import SettingInfo, Settings, all_settings, make_settings, merge
from ui import text

# The slider's ends are a comfortable range, not the bounds of the setting: those are checked by ``make_settings``.
SLIDERS = {"adapter.rank": (1, 128, 1), "adapter.alpha": (0.5, 128, 0.5)}
FOLDER = "data.folder"


def basic() -> dict[str, SettingInfo]:
    """The settings that the form shows, by key, in the order of declaration."""
    return {info.key: info for info in all_settings() if info.level == "basic"}


def make_field(info: SettingInfo, value: Any = None) -> gr.components.Component:
    """The form field of one setting; ``value`` replaces its default."""
    value = info.default if value is None else value
    common = {
        "label": text.LABELS.get(info.key, info.key),
        "info": text.help_of(info),
        "elem_id": f"field-{info.key.replace('.', '-')}",
    }
    if info.key in SLIDERS:
        low, high, step = SLIDERS[info.key]
        return as_typed(gr.Slider(low, high, value=value, step=step, **common))
    if info.choices:
        return as_typed(gr.Radio(list(info.choices), value=value, **common))
    if info.type is bool:
        return gr.Checkbox(value=value, **common)
    if info.type in (int, float):
        return gr.Number(value=value, precision=0 if info.type is int else None, **common)
    hint = text.HINTS.get(info.key, "")
    if info.type is list:
        return gr.Textbox(value="\n".join(value), lines=4, placeholder=hint, **common)
    return gr.Textbox(value=value, max_lines=1, placeholder=hint, **common)


def as_typed(component: gr.components.Component) -> gr.components.Component:
    """Hand over whatever came in: our own checks answer with a sentence, where Gradio's would with a bare error."""
    component.preprocess = lambda payload: payload
    return component


def to_settings(values: dict[str, Any], runs: str) -> Settings:
    """Settings from the form's values by key; UserError with every problem at once. Empty numbers mean the default."""
    known = {info.key: info for info in all_settings()}
    overrides: dict[str, Any] = {"run.folder": runs}
    for key, value in values.items():
        info = known[key]
        if info.type is list:
            value = [line.strip() for line in str(value or "").splitlines() if line.strip()]
        elif info.type is str:
            value = str(value or "").strip()
        elif value is None:
            continue
        elif info.type is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        overrides[key] = value
    return make_settings(merge({}, overrides), "the form")

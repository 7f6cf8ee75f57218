"""Settings as form fields: all that is said of them here is ``sdlora.settings``'."""

from abc import ABCMeta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import gradio as gr

from sdlora.errors import Problem, UserError
from sdlora.messages import say
from sdlora.settings import SettingInfo, Settings, all_settings, make_settings, merge
from sdlora.settings.numbers import plain_number
from ui import text

FOLDER = "data.folder"


def shown() -> dict[str, SettingInfo]:
    """Every setting that the page has a field for, by key, in the order of declaration."""
    return {info.key: info for info in all_settings() if info.on_page}


def basic() -> dict[str, SettingInfo]:
    """The settings whose fields are seen at first."""
    return {key: info for key, info in shown().items() if info.level == "basic"}


def own() -> list[str]:
    """The settings that belong to a person's own subject: a preset leaves them as they are."""
    return [key for key, info in shown().items() if info.own]


def path_fields() -> list[str]:
    """The settings that are paths, of which a LoRA file knows the last part alone."""
    return [key for key, info in shown().items() if info.path]


def field_id(key: str) -> str:
    """The HTML id of a setting's field."""
    return f"field-{key.replace('.', '-')}"


def make_field(info: SettingInfo, value: Any = None, classes: tuple[str, ...] = ()) -> gr.components.Component:
    """The form field of one setting; ``value``, as a field holds it, replaces its default."""
    value = as_value(info, info.default) if value is None else value
    common = {
        "label": text.LABELS.get(info.key, info.label),
        "info": text.help_of(info),
        "elem_id": field_id(info.key),
        "elem_classes": list(classes),
        "min_width": 100,
    }
    if info.choices:
        return as_typed(gr.Radio(list(info.choices), value=value, **common))
    if info.type is bool:
        return gr.Checkbox(value=value, **common)
    if info.type in (int, float):  # as text: a browser's own number box drops a decimal comma, and rounds seeds
        return gr.Textbox(value=value, max_lines=1, **{**common, "elem_classes": [*classes, "number"]})
    hint = text.HINTS.get(info.key, info.hint)
    if info.type in (list, dict):
        return gr.Textbox(value=value, lines=4 if info.level == "basic" else 2, placeholder=hint, **common)
    return gr.Textbox(value=value, max_lines=1, placeholder=hint, **common)


def as_typed(component: gr.components.Component) -> gr.components.Component:
    """Hand over whatever came in: our own checks answer with a sentence, where Gradio's would with a bare error.

    By its class, not the one object: Gradio makes a new object of that class for each visitor whose field changes.
    """
    component.__class__ = _typed(type(component))
    return component


@lru_cache
def _typed(kind: type) -> type:
    """The class with another ``preprocess``. Made by ABCMeta, since Gradio's own metaclass writes a stub file."""
    body = {"preprocess": lambda self, payload: payload, "is_template": True, "__module__": kind.__module__}
    return ABCMeta.__new__(type(kind), kind.__name__, (kind,), body)


# ---- between settings and fields


def as_value(info: SettingInfo, value: Any) -> Any:
    """A setting's value as its field holds it: lists and tables as lines, numbers as text; "" for what is unset."""
    if value is None:
        return ""
    if info.type is list:
        return "\n".join(value)
    if info.type is dict:
        return "\n".join(f"{pattern}={number:g}" for pattern, number in value.items())
    if info.type in (int, float):
        return number_text(value)
    return value


def number_text(value: float) -> str:
    """A number as people write it: 8, not 8.0; 0.00001, not 1e-05. Reads back as the very same."""
    said = repr(value).removesuffix(".0")
    return format(Decimal(said), "f") if 1e-7 <= abs(value) < 1e16 and "e" in said else said


def field_values(settings: Settings) -> dict[str, Any]:
    """What each field holds for these settings, by key."""
    values = settings.model_dump(mode="python")
    found = {}
    for key, info in shown().items():
        section, name = key.split(".")
        found[key] = as_value(info, values[section][name])
    return found


def fitting(info: SettingInfo, value: Any) -> Any:
    """A value of unknown origin as the field can show it; the default where it can't."""
    if info.choices and value in info.choices:
        return value
    if info.type is bool and isinstance(value, bool):
        return value
    if info.type in (int, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_text(value)
    if not info.choices and info.type is not bool and isinstance(value, (str, int)):
        return str(value)
    return as_value(info, info.default)


def overrides(values: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The form's values as settings: (values by key, problems of those that can't be read at all).

    An emptied number is a problem: what it stands for is for a person to say.
    """
    found, problems = {}, []
    known = shown()
    for key, value in values.items():
        info = known[key]
        value = sound(value)
        if info.type is list:
            value = _lines(value)
        elif info.type is dict:
            value, wrong = _pairs(key, value)
            problems += wrong
        elif info.type is str:
            value = str("" if value is None else value).strip()
        elif info.type in (int, float):
            value = plain_number(str("" if value is None else value), whole=info.type is int).strip()
            if not value and not info.optional:
                what = text.NUMBER_EMPTY.format(key=key)
                problems.append(Problem(what, text.NUMBER_EMPTY_FIX, key))
                continue
            value = value or None
        elif value is None or value == "":
            continue
        found[key] = value
    return found, problems


def sound(value: Any) -> Any:
    """Without lone surrogates, which a browser can send and neither a disk nor TOML takes."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def to_settings(values: dict[str, Any], runs: str) -> Settings:
    """Settings from the form's values by key; UserError with every problem at once."""
    found, problems = overrides(values)
    try:
        made = make_settings(merge({}, found | {"run.folder": runs}), say("settings.source_form"))
    except UserError as error:
        raise UserError(*problems, *error.problems) from None
    if problems:
        raise UserError(*problems)
    return made


def _lines(value: Any) -> list[str]:
    return [line.strip() for line in str(value or "").splitlines() if line.strip()]


def _pairs(key: str, value: Any) -> tuple[dict[str, str], list[Problem]]:
    """Lines of PATTERN=NUMBER."""
    pairs, problems = {}, []
    for line in _lines(value):
        pattern, _, number = line.rpartition("=")
        if pattern.strip():
            pairs[pattern.strip()] = plain_number(number)
        else:
            problems.append(Problem(text.NO_PAIR.format(line=line[:80]), text.NO_PAIR_FIX, key))
    return pairs, problems

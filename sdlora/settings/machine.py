"""Settings read, checked, listed and written."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import tomlkit
from pydantic import ValidationError

from sdlora.errors import Problem, UserError
from sdlora.files.paths import last_part
from sdlora.files.regular import read_regular
from sdlora.settings import toml
from sdlora.settings.renamed import named_as_today, sections_as_today
from sdlora.settings.sections import Settings
from sdlora.settings.setting import Group, Level, PathKind, When, holds

MOST_TOLD = 50  # problems of one kind


@dataclass(frozen=True)
class SettingInfo:
    """One setting as the command line, the page, the checks and the docs see it; what the facts mean: ``setting``."""

    key: str  # "adapter.rank"
    type: type  # int, float, str, bool, list or dict
    default: Any
    help: str
    level: Level
    label: str
    group: Group = ""
    place: int = 99
    path: PathKind = ""
    cost: bool = True
    when: When = field(default_factory=When)
    slider: tuple[float, ...] = ()
    usual: tuple[float, ...] = ()  # (lowest, highest)
    wide: bool = False
    own: bool = False
    hint: str = ""
    page_help: str = ""
    on_page: bool = True
    choices: tuple[str, ...] = ()
    minimum: float | None = None  # inclusive unless the help says otherwise
    maximum: float | None = None
    optional: bool = False  # may be left open (None): the help says what it is then


def all_settings() -> Iterator[SettingInfo]:
    """Every setting in the order of declaration."""
    return iter(_all_of(Settings))


@lru_cache(maxsize=4)
def _all_of(settings: type[Settings]) -> tuple[SettingInfo, ...]:
    return tuple(_infos(settings))


def _infos(settings: type[Settings]) -> Iterator[SettingInfo]:
    for section, holder in settings.model_fields.items():
        for name, declared in holder.annotation.model_fields.items():
            parts = get_args(declared.annotation)
            optional = type(None) in parts
            kind = parts[0] if optional else get_origin(declared.annotation) or declared.annotation
            bounds = {k: getattr(m, k) for m in declared.metadata for k in ("ge", "gt", "le", "lt") if hasattr(m, k)}
            yield SettingInfo(
                key=f"{section}.{name}",
                type=str if kind is Literal else kind,
                default=declared.get_default(call_default_factory=True),
                help=declared.description,
                **declared.json_schema_extra,
                choices=parts if kind is Literal else (),
                minimum=bounds.get("ge", bounds.get("gt")),
                maximum=bounds.get("le", bounds.get("lt")),
                optional=optional,
            )


def make_settings(values: dict[str, Any], source: str = "the settings") -> Settings:
    """Settings from nested values; UserError with every problem at once, each naming key, value and bounds."""
    try:
        return Settings.model_validate(sections_as_today(values))
    except ValidationError as error:
        raise UserError(*_sentences(error.errors(), source)) from None


def salvage(values: dict[str, Any], source: str = "the settings") -> tuple[Settings, list[Problem]]:
    """Settings with whatever is wrong replaced by its default, and the problems, so that later checks add theirs."""
    problems: list[Problem] = []
    values = merge(values, {})
    while True:
        try:
            return Settings.model_validate(values), problems
        except ValidationError as error:
            faults = error.errors()
            problems += _sentences(faults, source)
            for fault in faults:
                section, *rest = fault["loc"]
                if rest and isinstance(values[section], dict):
                    values[section].pop(rest[0], None)
                else:
                    values.pop(section, None)


def load_settings(path: Path | str, overrides: dict[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, with ``overrides`` ({"adapter.rank": 8}) on top; UserError as above."""
    return make_settings(merge(read_toml(path), overrides or {}), Path(path).name)


def read_toml(path: Path | str) -> dict[str, Any]:
    """The nested values of a settings file; UserError if it can't be read or is not TOML."""
    path = Path(path)
    try:
        return parse_toml(read_regular(path).decode("utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"There is no settings file {path}.", fix="Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The settings file {path} can't be read: {error}.") from None
    except ValueError as error:
        raise UserError(f"{path.name} is not valid TOML: {error}.", fix="Mend that line.") from None


def parse_toml(text: str) -> dict[str, Any]:
    """The nested values of a settings file's text, in today's meaning; ValueError (one line) if it is not TOML."""
    return _as_of_today(toml.parse(text))


# What 0.1.0 wrote under [train]: all of it, whenever it wrote settings itself.
_TRAIN_0_1_0 = {
    "steps", "batch_size", "accumulate", "lr", "text_encoder_lr", "scheduler", "warmup", "weight_decay",
    "max_grad_norm", "precision", "gradient_checkpointing", "min_snr_gamma", "noise_offset", "seed", "device",
}  # fmt: skip


def _as_of_today(values: dict[str, Any]) -> dict[str, Any]:
    """Values of an older version's file that mean something else today, as they were meant.

    0.1.0 had no train.cycles: its cosine_with_restarts fell once, and text_encoder_lr 0 stood for half of train.lr.
    Files that hold only some settings were written by hand and are taken as of today.
    """
    train = values.get("train")
    if isinstance(train, dict) and "cycles" not in train and train.keys() >= _TRAIN_0_1_0:
        meant = {key: value for key, value in train.items() if key != "text_encoder_lr" or value != 0}
        return values | {"train": meant | {"cycles": 1}}
    return values


def merge(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """A copy of nested values with dotted overrides put in."""
    merged = {k: dict(v) if isinstance(v, dict) else v for k, v in sections_as_today(values).items()}
    for key, value in named_as_today(overrides).items():
        section, _, name = key.partition(".")
        part = merged.setdefault(section, {})
        if isinstance(part, dict):
            part[name] = value
    return merged


def dump_settings(settings: Settings) -> str:
    """The settings as TOML, complete but for what is left open, in the order of declaration; loads back equal."""
    return tomlkit.dumps(settings.model_dump(mode="python", exclude_none=True))


def value_of(settings: Settings, key: str) -> Any:
    """The value of the setting "section.name"."""
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)


def applies(info: SettingInfo, settings: Settings, family: str = "") -> bool:
    """Does the setting do anything beside these others? family: of the base model; "" if it is not known."""
    rules = info.when.rules
    values = {key: family if key == "base.family" else value_of(settings, key) for key in rules}
    return not rules or any(holds(values[key], test) for key, test in rules.items())


def without_paths(settings: Settings) -> Settings:
    """A copy that gives nobody's folders away: of every path its last part alone. So LoRA files carry the settings."""
    values = settings.model_dump(mode="python")
    for info in all_settings():
        section, name = info.key.split(".")
        if info.path:
            path = values[section][name]
            values[section][name] = [last_part(p) for p in path] if isinstance(path, list) else last_part(path)
    return type(settings).model_validate(values)


def _sentences(errors: list[dict], source: str) -> list[Problem]:
    """A sentence for each, up to as many as anyone reads."""
    problems = [_sentence(error, source) for error in errors[:MOST_TOLD]]
    if len(errors) > MOST_TOLD:
        what = f"{len(errors) - MOST_TOLD} more settings in {source} are wrong."
        problems.append(Problem(what, "Mend those that are named first."))
    return problems


def _sentence(error: dict, source: str) -> Problem:
    key = _short(".".join(str(part) for part in error["loc"]), 200)
    given, context = error.get("input"), error.get("ctx", {})
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) >= 10**80:
        given = _short(hex(given))  # Python refuses to write very long ones in decimals
    match error["type"]:
        case "extra_forbidden":
            known = [info.key for info in all_settings()] + list(Settings.model_fields)
            near = difflib.get_close_matches(key, known, n=1)
            what, fix = f"Unknown setting {key} in {source}.", f"Did you mean {near[0]}?" if near else "Remove it."
        case "greater_than_equal":
            what, fix = f"{key} is {given}.", f"It must be at least {_bound(context['ge'])}."
        case "greater_than":
            what, fix = f"{key} is {given}.", f"It must be more than {_bound(context['gt'])}."
        case "less_than_equal":
            what, fix = f"{key} is {given}.", f"It must be at most {_bound(context['le'])}."
        case "int_parsing" | "int_from_float" | "int_type" | "int_parsing_size":
            what, fix = f"{key} is {_shown(given)}.", "It must be a whole number."
        case "float_parsing" | "float_type" | "finite_number":
            what, fix = f"{key} is {_shown(given)}.", "It must be a number."
        case "literal_error":
            what, fix = f"{key} is {_shown(given)}.", f"It must be one of {context['expected']}."
        case "string_too_long":
            what, fix = f"{key} is {len(given)} characters long.", f"It may have {context['max_length']} at most."
        case _:
            what, fix = f"{key} is {_shown(given)}.", f"{error['msg'].rstrip('.')}."
    return Problem(what, fix, where=key)


def _shown(value: Any) -> str:
    return repr(_short(value)) if isinstance(value, str) else _short(repr(value))


def _short(text: str, most: int = 79) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _bound(bound: float) -> str:
    """A bound as people write it: 0 and not 0.0."""
    return f"{bound:g}" if isinstance(bound, float) else str(bound)

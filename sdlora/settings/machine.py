"""Settings read, checked, listed and written."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

import tomlkit
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sdlora.errors import Problem, UserError
from sdlora.files.paths import last_part
from sdlora.files.regular import read_regular
from sdlora.messages import reason_of, say, words_of
from sdlora.settings import toml
from sdlora.settings.renamed import named_as_today, sections_as_today
from sdlora.settings.sections import Settings
from sdlora.settings.setting import Follows, Group, Level, OneOf, PathKind, Section, Sum, When, declared_facts, holds

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
    follows: Follows | None = None
    into: tuple[Sum, ...] = ()
    recorded: tuple[str, ...] = ()
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
        for name, declared in cast(type[Section], holder.annotation).model_fields.items():
            parts = get_args(declared.annotation)
            optional = type(None) in parts
            kind = parts[0] if optional else get_origin(declared.annotation) or declared.annotation
            choices = parts if kind is Literal else ()
            choices = next((mark.names for mark in declared.metadata if isinstance(mark, OneOf)), choices)
            bounds = {k: getattr(m, k) for m in declared.metadata for k in ("ge", "gt", "le", "lt") if hasattr(m, k)}
            yield SettingInfo(
                key=f"{section}.{name}",
                type=str if kind is Literal else cast(type, kind),
                default=declared.get_default(call_default_factory=True),
                help=declared.description or "",
                **declared_facts(declared),
                choices=choices,
                minimum=bounds.get("ge", bounds.get("gt")),
                maximum=bounds.get("le", bounds.get("lt")),
                optional=optional,
            )


def make_settings(values: dict[str, Any], source: str = say("settings.source_settings")) -> Settings:
    """Settings from nested values; UserError with every problem at once, each naming key, value and bounds."""
    try:
        return Settings.model_validate(sections_as_today(values))
    except ValidationError as error:
        raise UserError(*_sentences(error.errors(), source)) from None


def salvage(values: Mapping[str, Any], source: str = say("settings.source_settings")) -> tuple[Settings, list[Problem]]:
    """Settings with whatever is wrong replaced by its default, and the problems, so that later checks add theirs."""
    problems: list[Problem] = []
    valid = merge(values, {})
    while True:
        try:
            return Settings.model_validate(valid), problems
        except ValidationError as error:
            faults = error.errors()
            problems += _sentences(faults, source)
            for fault in faults:
                section, *rest = map(str, fault["loc"])
                if rest and isinstance(valid[section], dict):
                    valid[section].pop(rest[0], None)
                else:
                    valid.pop(section, None)


def load_settings(path: Path | str, overrides: dict[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, with ``overrides`` ({"adapter.rank": 8}) on top; UserError as above."""
    return make_settings(merge(read_toml(path), overrides or {}), Path(path).name)


def read_toml(path: Path | str) -> dict[str, Any]:
    """The nested values of a settings file; UserError if it can't be read or is not TOML."""
    path = Path(path)
    try:
        return parse_toml(read_regular(path).decode("utf-8-sig"))
    except FileNotFoundError:
        raise UserError(say("settings.file_missing", path=path), fix=say("files.check_path")) from None
    except (OSError, UnicodeDecodeError) as error:
        why = reason_of(error) if isinstance(error, OSError) else error
        raise UserError(say("settings.file_unreadable", path=_short(str(path)), reason=why)) from None
    except ValueError as error:
        raise UserError(
            say("settings.not_toml", file=path.name, reason=words_of(error)), fix=say("settings.correct_line")
        ) from None


def parse_toml(text: str) -> dict[str, Any]:
    """The nested values of a settings file's text, with today's names and meaning.

    ValueError (one line) if it is not TOML.
    """
    return sections_as_today(_as_of_today(toml.parse(text)))


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
        meant = {key: value for key, value in train.items() if key != "text_encoder_lr" or value not in (0, "0")}
        return values | {"train": meant | {"cycles": 1}}
    return values


def merge(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
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


def keys_into(what: Sum) -> tuple[str, ...]:
    """The settings that this is worked out from."""
    return tuple(info.key for info in all_settings() if what in info.into)


def filled(settings: Settings) -> Settings:
    """A copy in which what was left open is filled in from the setting that it follows, as far as that can tell."""
    done = settings.model_copy(deep=True)
    for info in all_settings():
        follows, (section, name) = info.follows, info.key.split(".")
        if follows and follows.of and value_of(done, info.key) == info.default:
            setattr(getattr(done, section), name, follows.value(done))
    return done


def opened(settings: Settings, changed: Collection[str]) -> dict[str, Any]:
    """The settings as nested values, where what was filled in from a changed one is open again."""
    values = settings.model_dump(mode="python")
    for info in all_settings():
        follows, (section, name) = info.follows, info.key.split(".")
        if follows is None or not set(follows.keys) & set(changed):
            continue
        if follows.of is None or follows.value(settings) == values[section][name]:
            values[section][name] = info.default
    return values


def recorded(settings: Settings) -> dict[str, Any]:
    """What a LoRA file's ``ss_*`` keys tell of the settings, without "ss_"; of paths their last part alone.

    None for what may be left open and does nothing: 0, or it does not apply.
    """
    bare = without_paths(settings)
    told: dict[str, Any] = {}
    for info in all_settings():
        value = value_of(bare, info.key)
        idle = info.optional and not (value and applies(info, settings))
        told |= dict.fromkeys(info.recorded, None if idle else value)
    return told


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


# pydantic's types of error that a person meets: bounds with its name for them, and other kinds of values
BOUNDS = {
    "greater_than_equal": ("settings.must_be_at_least", "ge"),
    "greater_than": ("settings.must_be_more_than", "gt"),
    "less_than_equal": ("settings.must_be_at_most", "le"),
}
KINDS = {
    **dict.fromkeys(("int_parsing", "int_from_float", "int_type", "int_parsing_size"), "settings.must_be_whole"),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "settings.must_be_number"),
    "bool_type": "settings.must_be_true_or_false",
    "bool_parsing": "settings.must_be_true_or_false",
    "string_type": "settings.must_be_text",
    "string_unicode": "settings.must_be_whole_text",
    "list_type": "settings.must_be_list",
    "dict_type": "settings.must_be_table",
    "model_type": "settings.must_be_section",
    "model_attributes_type": "settings.must_be_section",
}


def _sentences(errors: Sequence[ErrorDetails], source: str) -> list[Problem]:
    """A sentence for each, up to as many as anyone reads."""
    problems = [_sentence(error, source) for error in errors[:MOST_TOLD]]
    if len(errors) > MOST_TOLD:
        what = say("settings.more_are_wrong", count=len(errors) - MOST_TOLD, source=source)
        problems.append(Problem(what, say("settings.correct_named_first")))
    return problems


def _sentence(error: ErrorDetails, source: str) -> Problem:
    key = _short(".".join(str(part) for part in error["loc"]), 200)
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) >= 10**80:
        given = _short(hex(given))  # Python refuses to write very long ones in decimals
    if kind == "extra_forbidden":
        known = [info.key for info in all_settings()] + list(Settings.model_fields)
        near = difflib.get_close_matches(key, known, n=1)
        fix = say("settings.did_you_mean", name=near[0]) if near else say("settings.remove_it")
        return Problem(say("settings.unknown_setting", name=key, source=source), fix, where=key)
    if kind == "string_too_long":
        fix = say("settings.at_most_characters", count=context["max_length"])
        return Problem(say("settings.too_long", key=key, count=len(given)), fix, where=key)
    what = say("settings.value_is", key=key, given=given if kind in BOUNDS else _shown(given))
    return Problem(what, _must_be(kind, context), where=key)


def _must_be(kind: str, context: Mapping[str, Any]) -> str:
    """What a value has to be that is of another kind, or too small or large."""
    if kind in BOUNDS:
        key, name = BOUNDS[kind]
        return say(key, bound=_bound(context[name]))
    if kind == "literal_error":
        return say("settings.must_be_one_of", choices=_choices(context["expected"]))
    return say(KINDS.get(kind, "settings.see_settings"))


def _choices(expected: str) -> str:
    """pydantic's "'a', 'b' or 'c'"."""
    names, either_or, last = expected.rpartition(" or ")
    return say("common.either", names=names, last=last) if either_or else expected


def _shown(value: Any) -> str:
    return repr(_short(value)) if isinstance(value, str) else _short(repr(value))


def _short(text: str, most: int = 79) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _bound(bound: float) -> str:
    """A bound as people write it: 0 and not 0.0."""
    return f"{bound:g}" if isinstance(bound, float) else str(bound)

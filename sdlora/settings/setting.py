"""How one setting is declared: everything that the program knows of it stands in its ``setting(...)``."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic import Field as PydanticField
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from sdlora.files.paths import tidy_entry, tidy_path

Level = Literal["basic", "advanced", "expert"]
Group = Literal["what", "training", "adapter", "test", "images", "memory", "saving", ""]  # in the page's order
PathKind = Literal["", "file", "folder", "model"]  # model: a file, a folder or a hub id
# What is worked out from a setting: how strongly saved adapters act, how many steps make an epoch, what the model sees
# of an image (its crop, its caption).
Sum = Literal["strength", "epochs", "sight"]


@dataclass(frozen=True)
class When:
    """When a setting applies: if any of ``rules`` holds. Elsewhere the page hides it, and the checks say why it idles.

    rules: other setting's key -> test; the tests are "set", "unset", "is:VALUE", "not:VALUE" and
    "like:REGULAR EXPRESSION". The key "base.family" is what the base model turned out to be.
    because: the reason, for "KEY has no effect because …"; "" if a check of its own tells it. fix: what makes it act.
    """

    rules: Mapping[str, str] = field(default_factory=dict)
    because: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Follows:
    """Where the value comes from that a setting has if it is left open: worked out of the other settings ``keys``.

    of: those ones' values, in this order -> this one's; None where only the base model itself can tell.
    """

    keys: tuple[str, ...]
    of: Callable[..., Any] | None = None

    def value(self, settings: Any) -> Any:
        """What comes of these settings, whose sections are attributes."""
        assert self.of is not None
        return self.of(*(getattr(getattr(settings, key.split(".")[0]), key.split(".")[1]) for key in self.keys))


def holds(value: Any, test: str) -> bool:
    """Does a setting's value pass a test of ``When``?"""
    kind, _, wanted = test.partition(":")
    if kind in ("set", "unset"):
        return bool(value) == (kind == "set")
    if kind in ("is", "not"):
        return (str(value) == wanted) == (kind == "is")
    return bool(re.search(wanted, str(value).strip()))


def setting(
    default: Any,
    help: str,
    level: Level = "advanced",
    *,
    label: str,
    group: Group = "",
    place: int = 99,
    path: PathKind = "",
    cost: bool = True,
    when: When = When(),  # noqa: B008 (frozen)
    slider: Sequence[float] = (),
    usual: Sequence[float] = (),
    wide: bool = False,
    own: bool = False,
    follows: Follows | None = None,
    into: Sequence[Sum] = (),
    recorded: Sequence[str] = (),
    hint: str = "",
    page_help: str = "",
    on_page: bool = True,
    **bounds: Any,
) -> Any:
    """A field of a section.

    help: one sentence, for the command line and the page. label: its name on the page. group: where it stands there;
    place: before others of its group, 1 for the first.
    path: what kind of path it holds, or a list of them (FILE or FILE=STRENGTH). Quotes of pasted ones go; no LoRA file
        tells more of it than its last part; the page looks at it only where it may.
    cost: may a step's time or memory depend on it? Where it may, a measurement is good for this one value.
    usual: (lowest, highest) that people use; a number outside is allowed, and gets a note.
    slider: values of a slider beside the number. wide: takes a whole line of the form. hint: an example in the empty
    field. page_help: in place of ``help`` on the page.
    own: belongs to a person's own subject, so that presets leave it as it is. on_page: has a field there.
    follows: what an open value is filled in from; a run that starts from another's settings opens it again with that.
    into: what else is worked out from it.
    recorded: what it is called among the ``ss_*`` keys of a LoRA file, without "ss_"; left out where it is None.
    bounds: pydantic's (ge, gt, le, lt, max_length). A default that is a type makes a new one each time.
    """
    factory = {"default_factory": default} if callable(default) else {"default": default}
    facts: dict[str, Any] = {
        "level": level, "label": label, "group": group, "place": place, "path": path, "cost": cost, "when": when,
        "slider": tuple(slider), "usual": tuple(usual), "wide": wide, "own": own, "follows": follows,
        "into": tuple(into), "recorded": tuple(recorded), "hint": hint, "page_help": page_help, "on_page": on_page,
    }  # fmt: skip
    return PydanticField(description=help, json_schema_extra=facts, **factory, **bounds)


def declared_facts(declared: FieldInfo) -> dict[str, Any]:
    """What ``setting`` was told of a field besides its help and bounds; {} of a field that is a whole section."""
    facts = declared.json_schema_extra
    return facts if isinstance(facts, dict) else {}


class OneOf:
    """Annotation of a ``str`` that is one of a table's names: what ``Literal`` is for names that are written out."""

    def __init__(self, names: Iterable[str]):
        self.names = tuple(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


class Section(BaseModel):
    """The settings of one subject: a table of the settings file."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _pasted_paths(cls, value: Any, info: ValidationInfo) -> Any:
        """Paths without the quotes and blanks that came with them."""
        if not declared_facts(cls.model_fields[str(info.field_name)]).get("path"):
            return value
        if isinstance(value, list):
            return [tidy_entry(entry) if isinstance(entry, str) else entry for entry in value]
        return tidy_path(value) if isinstance(value, str) else value

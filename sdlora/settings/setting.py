"""How one setting is declared."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as PydanticField

from sdlora.files.paths import tidy_entry, tidy_path

Level = Literal["basic", "advanced", "expert"]


def _tidied(tidy: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: tidy(value) if isinstance(value, str) else value)


# A file or folder as people paste it, and FILE or FILE=STRENGTH
PathText = Annotated[str, _tidied(tidy_path)]


StackEntry = Annotated[str, _tidied(tidy_entry)]


def setting(default: Any, help: str, level: Level = "advanced", **bounds: Any) -> Any:
    """A field with its help sentence; bounds are pydantic's (ge, gt, le, lt, max_length)."""
    factory = {"default_factory": default} if callable(default) else {"default": default}
    return PydanticField(description=help, json_schema_extra={"level": level}, **factory, **bounds)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

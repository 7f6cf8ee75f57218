"""Reading TOML of any origin: quickly, and whatever is wrong with it is a ValueError of one line."""

import re
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from sdlora.messages import say

LONGEST = 1_000_000  # characters; all settings with long prompts take a thousandth of that
DEEPEST = 12  # parts of a key; settings have two, and the reader's work grows with the square
# Strings and comments, in which dots mean nothing.
_ASIDE = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*(?:"""|\Z)'
    r"|'''(?:[^']|'(?!''))*(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\.)*"?'
    r"|'[^'\n]*'?"
    r"|#[^\n]*",
    re.DOTALL,
)
_COMMA = re.compile(r"[^=]+=\s*([+-]?\d{1,20},\d{1,20}(?:[eE][+-]?\d{1,3})?)\s*(?:#.*)?")
_DEEP_KEY = re.compile(rf"(?:\.[^.,=\n\[\]{{}}]*){{{DEEPEST}}}")


def parse(text: str) -> dict[str, Any]:
    """The nested values of a TOML text, in time that grows with its length."""
    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    if _DEEP_KEY.search(_ASIDE.sub('""', text)):
        raise ValueError(f"a key has more than {DEEPEST} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        comma = _decimal_comma(text, str(error))
        raise ValueError(comma or str(error)) from None


def _decimal_comma(text: str, error: str) -> str:
    """What to write where the reader stumbled over "lr = 0,003"; "" if it was something else."""
    at = re.search(r"\(at line (\d+),", error)
    number = int(at[1]) if at else 0
    found = _COMMA.fullmatch(text.splitlines()[number - 1]) if number else None
    if not found:
        return ""
    return say("settings.number_with_comma", line=number, given=found[1], better=found[1].replace(",", "."))

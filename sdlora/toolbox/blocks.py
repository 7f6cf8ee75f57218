"""Weights by block: "IN04=0.5 MID=1 OUT05=0", lists of 12, 17, 20 or 26 numbers, patterns of layer names.

The blocks are those of the original code, as the block-weight extensions of the tools number them: BASE is the text
encoders, IN00 to IN11 the input blocks, MID the middle, OUT00 to OUT11 the output blocks (SDXL: up to IN08 and OUT08).
"""

import math
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from sdlora.errors import UserError
from sdlora.lora.layouts import original_path

_IN, _OUT = [f"IN{n:02}" for n in range(12)], [f"OUT{n:02}" for n in range(12)]
# A list's length -> the blocks it stands for: 12 and 20 are SDXL's, 17 and 26 those of SD 1 and 2.
LISTS: dict[int, list[str]] = {
    12: ["BASE", "IN04", "IN05", "IN07", "IN08", "MID", *_OUT[:6]],
    17: ["BASE", "IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "MID", *_OUT[3:]],
    20: ["BASE", *_IN[:9], "MID", *_OUT[:9]],
    26: ["BASE", *_IN, "MID", *_OUT],
}
NAMES = LISTS[26]


def block_of(name: str, family: str) -> str:
    """The block of a layer by its canonical name: "BASE", "IN04", "MID", "OUT11"; "" outside of the blocks."""
    root, _, path = name.partition(".")
    if root != "unet":
        return "BASE"
    original = original_path(path, family)
    if original.startswith("middle_block"):
        return "MID"
    found = re.match(r"(in|out)put_blocks\.(\d+)\.", original)
    return f"{'IN' if found[1] == 'in' else 'OUT'}{int(found[2]):02}" if found else ""


def parse_blocks(text: str) -> list[tuple[str, float]]:
    """ "IN04=0.5 MID=0 *attn1*=0.3" or "1,0,0.5,…": pairs of block or pattern and weight; else a UserError."""
    text = text.strip()
    if text and re.fullmatch(r"[-+\d.eE\s,]+", text):
        numbers = [_number(part, part) for part in re.split(r"[\s,]+", text.strip(", "))]
        if len(numbers) not in LISTS:
            raise UserError(
                f"--blocks has {len(numbers)} numbers.", fix="It must be 12, 17, 20 or 26, or pairs such as IN04=0.5."
            )
        return list(zip(LISTS[len(numbers)], numbers, strict=True))
    return [_pair(part) for part in re.split(r"[\s,]+", text) if part]


def _pair(part: str) -> tuple[str, float]:
    key, sign, number = part.rpartition("=")
    block = key.upper()
    if not sign or not (block in NAMES or any(c in key for c in "*?[")):
        raise UserError(
            f"--blocks has {part!r}.",
            fix="Give BASE, IN00 to IN11, MID, OUT00 to OUT11 or a pattern such as *attn1*, each with =NUMBER.",
        )
    return (block if block in NAMES else key), _number(number, part)


def _number(text: str, part: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"--blocks has {part!r}, which is no number.", fix="Give numbers such as 0.5.")
    return value


def weight_of(name: str, family: str, blocks: Sequence[tuple[str, float]]) -> float:
    """A layer's weight: of the last entry that fits it; 1 if none does."""
    block = block_of(name, family)
    fitting = [weight for key, weight in blocks if key == block or (key not in NAMES and fnmatchcase(name, key))]
    return fitting[-1] if fitting else 1.0


def check_blocks(names: Iterable[str], family: str, blocks: Sequence[tuple[str, float]]) -> None:
    """UserError for a pattern that fits no layer; a block without layers is none, lists name all of them."""
    names = list(names)
    for key, _ in blocks:
        if key not in NAMES and not any(fnmatchcase(name, key) for name in names):
            raise UserError(f"The pattern {key!r} in --blocks fits no layer.", fix=f"Layers are named like {names[0]}.")

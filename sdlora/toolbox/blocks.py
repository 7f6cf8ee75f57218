"""Weights by block: "IN04=0.5 MID=1 IN05-OUT05=0", lists of 12, 17, 20 or 26 numbers, patterns of layer names.

The blocks are those of the original code, as the block-weight extensions of the tools number them: BASE is the text
encoders, IN00 to IN11 the input blocks, MID (M00) the middle, OUT00 to OUT11 the output blocks (SDXL: up to IN08 and
OUT08). A list weighs the blocks that it does not name with 0, as the extensions do (``to26`` of lora-block-weight);
pairs leave them at 1. Layers outside of the blocks (conv_out, the time embeddings) keep weight 1 in either case.
"""

import math
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from sdlora.errors import UserError
from sdlora.families.table import FAMILIES, is_denoiser
from sdlora.lorafiles.keys import original_path
from sdlora.messages import say

_IN, _OUT = [f"IN{n:02}" for n in range(12)], [f"OUT{n:02}" for n in range(12)]
# A list's length -> the blocks it stands for; ``Family.block_lists`` says whose it is.
LISTS: dict[int, list[str]] = {
    12: ["BASE", "IN04", "IN05", "IN07", "IN08", "MID", *_OUT[:6]],
    17: ["BASE", "IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "MID", *_OUT[3:]],
    20: ["BASE", *_IN[:9], "MID", *_OUT[:9]],
    26: ["BASE", *_IN, "MID", *_OUT],
}
NAMES = LISTS[26]
_FIX = say("toolbox.blocks_syntax")


class Blocks(list[tuple[str, float]]):
    """Pairs of block or pattern and weight. numbers: how many numbers the list had that they come from; 0: pairs."""

    numbers: int = 0


def block_of(name: str, family: str) -> str:
    """The block of a layer by its canonical name: "BASE", "IN04", "MID", "OUT11"; "" outside of the blocks."""
    root, _, path = name.partition(".")
    if not is_denoiser(root):
        return "BASE"
    original = original_path(path, family)
    if original.startswith("middle_block"):
        return "MID"
    found = re.match(r"(in|out)put_blocks\.(\d+)\.", original)
    return f"{'IN' if found[1] == 'in' else 'OUT'}{int(found[2]):02}" if found else ""


def parse_blocks(text: str) -> Blocks:
    """ "IN04=0.5 M00 = 0 IN05-OUT05:1 *attn1*=0.3" or "1,0,0.5,…" as Blocks; else a UserError."""
    text = text.strip()
    if text and re.fullmatch(r"[-+\d.eE\s,]+", text):
        numbers = [_number(part, part) for part in re.split(r"[\s,]+", text.strip(", "))]
        if len(numbers) not in LISTS:
            raise UserError(say("toolbox.blocks_count", count=len(numbers)), fix=say("toolbox.blocks_lengths"))
        # What the list does not name has weight 0: it comes first, so that the list has the last word.
        missing = [(name, 0.0) for name in NAMES if name not in LISTS[len(numbers)]]
        found = Blocks([*missing, *zip(LISTS[len(numbers)], numbers, strict=True)])
        found.numbers = len(numbers)
        return found
    joined = re.sub(r"\s*([=:])\s*", "=", text)
    return Blocks(pair for part in re.split(r"[\s,]+", joined) if part for pair in _pairs(part))


def _pairs(part: str) -> list[tuple[str, float]]:
    key, sign, number = part.rpartition("=")
    if not sign:
        raise UserError(say("toolbox.blocks_unclear", given=repr(part)), fix=_FIX)
    if any(c in key for c in "*?["):
        return [(key, _number(number, part))]
    ends = [_named(name) for name in key.split("-")]
    if not all(ends) or len(ends) > 2:
        raise UserError(say("toolbox.blocks_unclear", given=repr(part)), fix=_FIX)
    first, last = sorted(NAMES.index(name) for name in (ends[0], ends[-1]))
    weight = _number(number, part)
    return [(name, weight) for name in NAMES[first : last + 1]]


def _named(text: str) -> str:
    """A block as people write it ("in4", "M00", "MID") by its name; "" if it is none."""
    found = re.fullmatch(r"(IN|OUT)(\d{1,2})", text.upper())
    name = f"{found[1]}{int(found[2]):02}" if found else {"M00": "MID", "M0": "MID"}.get(text.upper(), text.upper())
    return name if name in NAMES else ""


def _number(text: str, part: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(say("toolbox.blocks_not_a_number", given=repr(part)), fix=say("toolbox.give_numbers"))
    return value


def weight_of(name: str, family: str, blocks: Sequence[tuple[str, float]]) -> float:
    """A layer's weight: of the last entry that fits it; 1 if none does."""
    block = block_of(name, family)
    fitting = [weight for key, weight in blocks if key == block or (key not in NAMES and fnmatchcase(name, key))]
    return fitting[-1] if fitting else 1.0


def check_blocks(names: Iterable[str], family: str, blocks: Sequence[tuple[str, float]]) -> None:
    """UserError for a list of another family's length, and for a pattern that fits no layer.

    A block that the file has no layers in is no fault: lists name all of them.
    """
    numbers = getattr(blocks, "numbers", 0)
    spec = FAMILIES[family]
    if numbers and numbers not in spec.block_lists:
        others = " and ".join(other.short for other in FAMILIES.values() if numbers in other.block_lists)
        here = " or ".join(map(str, spec.block_lists))
        raise UserError(
            say("toolbox.blocks_of_other_family", count=numbers, others=others, family=spec.short),
            fix=say("toolbox.give_numbers_or_pairs", count=here) if here else say("toolbox.give_pairs"),
        )
    names = list(names)
    for key, _ in blocks:
        if key not in NAMES and not any(fnmatchcase(name, key) for name in names):
            raise UserError(
                say("toolbox.pattern_fits_nothing", pattern=repr(key)),
                fix=say("toolbox.layers_named_like", name=names[0]),
            )

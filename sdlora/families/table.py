"""The model families there are, and the one function that tells them apart. No torch."""

from collections.abc import Iterable
from functools import lru_cache

from sdlora.errors import UserError
from sdlora.families.family import Family, Part
from sdlora.families.sd1.spec import SD1
from sdlora.families.sd2.spec import SD2
from sdlora.families.sdxl.spec import SDXL
from sdlora.messages import say

FAMILIES: dict[str, Family] = {family.name: family for family in (SD1, SD2, SDXL)}

Evidence = Iterable[tuple[str, object]]


def tell(evidence: Evidence) -> str:
    """The family that the evidence speaks for, by name; "" if nothing tells.

    evidence: (clue, value), the most certain first, as a folder, a header or a LoRA file shows them; ``Family.signs``
    says what clues there are. The first one that speaks for a family decides.
    """
    return next((f.name for clue, value in evidence for f in FAMILIES.values() if f.shows(clue, value)), "")


def family(name: str) -> Family:
    """The entry of that name; UserError, naming all, if there is none."""
    if name not in FAMILIES:
        raise UserError(
            say("models.family_unknown", family=repr(name)), fix=say("models.families_known", names=", ".join(FAMILIES))
        )
    return FAMILIES[name]


def target_sets() -> tuple[str, ...]:
    """The names of the sets of layers that learn (adapter.targets), of every family."""
    return tuple(dict.fromkeys(name for entry in FAMILIES.values() for name in entry.targets))


def parts() -> tuple[Part, ...]:
    """Every part of every family."""
    return tuple(part for entry in FAMILIES.values() for part in entry.parts)


def roots(role: str = "") -> tuple[str, ...]:
    """The roots of all families' parts ("unet", "vae", "text_encoder", "text_encoder_2"), of one role or of all."""
    return _roots(parts(), role)


def is_denoiser(root: str) -> bool:
    """Is the part of that root a denoiser, in any family?"""
    return root in roots("denoiser")


def prefixes(root: str, open_clip: bool | None = None) -> tuple[str, ...]:
    """What the part's tensors begin with in one file of the original layout, in any family.

    open_clip: only of the text encoders that are, or are not, of OpenCLIP's kind.
    """
    return _prefixes(parts(), root, open_clip)


def kohya_prefixes() -> dict[str, str]:
    """kohya's prefix -> root, of all families."""
    return dict(_kohya_prefixes(parts()))


@lru_cache(maxsize=64)
def _roots(all_parts: tuple[Part, ...], role: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.root for part in all_parts if role in ("", part.role)))


@lru_cache(maxsize=256)
def _prefixes(all_parts: tuple[Part, ...], root: str, open_clip: bool | None) -> tuple[str, ...]:
    wanted = (part for part in all_parts if part.root == root and open_clip in (None, part.open_clip))
    return tuple(dict.fromkeys(prefix for part in wanted for prefix in part.prefixes))


@lru_cache(maxsize=16)
def _kohya_prefixes(all_parts: tuple[Part, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((part.kohya, part.root) for part in all_parts if part.kohya)

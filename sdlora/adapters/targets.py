"""Named sets of layers that learn; what is in them is the family's to say (``families.shared.unet_targets``)."""

import difflib
from collections.abc import Mapping, Sequence

from sdlora.errors import UserError
from sdlora.families.shared.unet_targets import TEXT_ENCODER, UNET_SETS
from sdlora.messages import say


def target_patterns(
    name: str,
    text_encoder: bool = False,
    sets: Mapping[str, Sequence[str]] = UNET_SETS,
    text_targets: Sequence[str] = TEXT_ENCODER,
) -> list[str]:
    """The patterns of the set "attn", "cross-attn", "attn-qv", "attn-mlp" or "full", with the text encoder's if wished.

    sets, text_targets: a family's (``Family.targets`` and ``text_targets``); those of the UNets are the usual ones.
    Raises UserError for another name, listing the known ones.
    """
    if name not in sets:
        near = difflib.get_close_matches(name, sets, n=1)
        known = ", ".join(sets)
        hint = say("adapters.hint_did_you_mean", name=near[0]) if near else ""
        raise UserError(
            say("adapters.targets_unknown", name=repr(name)),
            fix=say("adapters.targets_known", names=known, hint=hint),
            where="targets",
        )
    return [*sets[name], *(text_targets if text_encoder else ())]

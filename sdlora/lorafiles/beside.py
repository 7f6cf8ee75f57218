"""What LoRA files hold beside the layers of a plain LoRA: changes of norms and biases, and of the text projection.

Spellings: LyCORIS' ``w_norm`` and ``b_norm``; ``diff`` (of one axis) and ``diff_b`` of ComfyUI and LyCORIS; peft's bias
of ``lora_B``, which its strength multiplies; OneTrainer's LoRA of ``text_projection``. All are added to the base's own
parameter, so a base model takes them exactly.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from torch import Tensor

from sdlora.lorafiles.changes import Change, make_change, what_is_wrong
from sdlora.messages import Message, say

_WEIGHT, _BIAS = ("w_norm", "diff"), ("b_norm", "diff_b")
PROJECTION = "text_projection"
Keys = Mapping[str, Mapping[str, str]]


def kinds_of(beside: Keys) -> dict[str, int]:
    """What there is -> how many: "norm layer", "bias", "text projection", the words of ``counted``."""
    return dict(Counter(_kind(name, parts) for name, parts in beside.items()))


def counted(count: int, kind: str) -> Message:
    """ "2 norm layers"; kind: "layer" or one of ``kinds_of``."""
    return say(f"lorafiles.count_{kind.replace(' ', '_')}", count=count)


def _kind(name: str, parts: Mapping[str, str]) -> str:
    if name.endswith(PROJECTION):
        return "text projection"
    return "norm layer" if "norm" in name.rpartition(".")[2] or "w_norm" in parts else "bias"


def changes_beside(
    beside: Keys, tensor: Callable[[str], Tensor], changes: Mapping[str, Change]
) -> tuple[dict[str, Tensor], list[str]]:
    """({parameter: what is added to it at strength 1, float32}, what is wrong with others).

    beside: module -> part -> key. tensor: a key's. changes: of the layers, whose strength multiplies peft's biases.
    What is wrong completes "<file> …".
    """
    found: dict[str, Tensor] = {}
    wrong: list[str] = []
    for name, keys in beside.items():
        parts = {part: tensor(key) for part, key in keys.items()}
        own = _projection(name, parts) if name.endswith(PROJECTION) else _vectors(name, parts, changes)
        if isinstance(own, str):
            wrong.append(own)
        else:
            found |= own
    return found, wrong


def _projection(name: str, parts: dict[str, Tensor]) -> dict[str, Tensor] | str:
    why = what_is_wrong(name, parts)
    return why or {f"{name}.weight": make_change(parts).matrix()}


def _vectors(name: str, parts: dict[str, Tensor], changes: Mapping[str, Change]) -> dict[str, Tensor] | str:
    found: dict[str, Tensor] = {}
    for part, value in parts.items():
        leaf = "weight" if part in _WEIGHT else "bias" if part in (*_BIAS, "up_bias") else ""
        if not leaf:
            continue
        if value.ndim != 1 or not value.is_floating_point() or not value.numel():
            return say("lorafiles.fault_no_numbers", name=name, part=part)
        if not value.float().isfinite().all():
            return say("lorafiles.fault_not_finite", name=name, part=part)
        scale = changes[name].scale if part == "up_bias" and name in changes else 1.0
        key = f"{name}.{leaf}"
        found[key] = value.float() * scale + found.get(key, 0)
    return found or say("lorafiles.fault_no_factors", name=name)

"""Every way in which files write a change: those of the adapter kinds, and those of others' files alone."""

from sdlora.adapters.form import Form
from sdlora.adapters.table import KINDS
from sdlora.messages import say

# ---- the difference itself

FULL = Form(
    name="full",
    shown=lambda names: say("lorafiles.kind_full"),
    needed=frozenset({"diff"}),
    product=lambda parts: parts["diff"].flatten(1),
    size=lambda parts: (parts["diff"].shape[0], parts["diff"][0].numel()),
    kernel=lambda parts: tuple(parts["diff"].shape[2:]),
    fits=lambda parts: parts["diff"].ndim in (2, 4),
)

FORMS: dict[str, Form] = {form.name: form for form in (*(kind.form() for kind in KINDS.values()), FULL)}

# ---- how keys end

# What any form may have beside its parts, where a container has another name for it.
_COMMON = {"kohya": {"magnitude": "dora_scale"}}


def leaf_of(part: str, container: str = "kohya") -> str:
    """How the key of a part ends in the container "kohya" or "diffusers"; most are called in files as they are here."""
    tables = (_COMMON, *(form.leaves for form in FORMS.values()))
    return next((leaves[part] for table in tables if part in (leaves := table.get(container, {}))), part)

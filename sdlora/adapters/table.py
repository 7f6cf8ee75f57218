"""Every adapter kind there is. To add one: a folder (``spec.py``, ``layer.py``, ``form.py``), and its line here."""

from importlib import import_module

from sdlora.adapters.kind import Kind
from sdlora.errors import UserError
from sdlora.messages import say

_FOLDERS = (
    "lora",
    "dora",
    "loha",
    "lokr",
)

KINDS: dict[str, Kind] = {name: import_module(f"sdlora.adapters.{name}.spec").KIND for name in _FOLDERS}
PLAIN = KINDS[_FOLDERS[0]]  # what every tool reads, and what anything else can be approximated by


def kind_named(name: str) -> Kind:
    """The kind of that name; UserError for another, listing the known ones."""
    if name not in KINDS:
        raise UserError(
            say("adapters.kind_unknown", given=repr(name)),
            fix=say("adapters.kinds_known", names=", ".join(KINDS)),
            where="kind",
        )
    return KINDS[name]

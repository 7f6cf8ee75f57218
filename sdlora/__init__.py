"""sdlora: train Stable Diffusion LoRAs. Importing it is cheap; torch comes with the names that need it.

The names below are the public interface, described in docs/python.md. Everything else may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdlora.adapters.inject import inject
    from sdlora.adapters.targets import target_patterns
    from sdlora.api import train
    from sdlora.errors import Problem, UserError
    from sdlora.lorafiles.attach import load_lora
    from sdlora.lorafiles.read import read_lora
    from sdlora.lorafiles.verify import verify_with_diffusers
    from sdlora.lorafiles.write import write_lora
    from sdlora.runs.run import Run, list_runs
    from sdlora.settings import Settings, load_settings, make_settings

__version__ = "0.1.0"
__all__ = [
    "Problem",
    "Run",
    "Settings",
    "UserError",
    "inject",
    "list_runs",
    "load_lora",
    "load_settings",
    "make_settings",
    "read_lora",
    "target_patterns",
    "train",
    "verify_with_diffusers",
    "write_lora",
]
# Where each is, imported at its first use. The same as above; tests/test_python_api.py compares them.
_PLACES = {
    "Problem": "sdlora.errors",
    "Run": "sdlora.runs.run",
    "Settings": "sdlora.settings",
    "UserError": "sdlora.errors",
    "inject": "sdlora.adapters.inject",
    "list_runs": "sdlora.runs.run",
    "load_lora": "sdlora.lorafiles.attach",
    "load_settings": "sdlora.settings",
    "make_settings": "sdlora.settings",
    "read_lora": "sdlora.lorafiles.read",
    "target_patterns": "sdlora.adapters.targets",
    "verify_with_diffusers": "sdlora.lorafiles.verify",
    "write_lora": "sdlora.lorafiles.write",
}


def __getattr__(name: str) -> Any:
    if name == "train":
        return import_module("sdlora.train")  # the room of that name, which can be called (see there)
    if name not in _PLACES:
        raise AttributeError(f"module 'sdlora' has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

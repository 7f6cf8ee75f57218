"""The training loop and its parts. Plain arguments in, events out.

``from sdlora import train`` gives this package, whatever was imported before; called, it is ``sdlora.api.train``.
"""

import sys
from types import ModuleType
from typing import Any


class _CallableRoom(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from sdlora.api import train

        return train(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableRoom

"""Where adapters get at what a frozen module puts out: its ``forward`` is a door's while any is attached.

The module stays the object that it was, of its class, with its names and its state dict, so that other loaders fit.
Not a hook: a hook sees the output only when it is done, and its change then costs operations of its own.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from sdlora.adapters.layer import Layer

if TYPE_CHECKING:
    from sdlora.adapters.adapter import Adapter

_PLAIN = (nn.Linear, nn.Conv2d)  # a subclass may keep or apply its weight in another way


class Door:
    """The ``forward`` of one frozen module, with the layers of all adapters that are on it, in the order of coming.

    own: the module's forward without any adapter.
    """

    def __init__(self, module: nn.Module):
        former = vars(module).get("forward")  # somebody else's, who came first
        self.module, self._former = module, former
        self.own: Callable[[Tensor], Tensor] = former or type(module).forward.__get__(module)
        self._plain = former is None and type(module) in _PLAIN
        self._attached: list[Handle] = []

    def forward(self, input: Tensor) -> Tensor:  # as nn.Linear and nn.Conv2d call it
        """The module's output with the change of every adapter that is on; without any its own, untouched."""
        active = self.active()
        if len(active) == 1 and self._plain and not _watched(active[0].layer):
            return active[0].layer.output(input, active[0].adapter.scale, self.module)
        output = self.own(input)
        for handle in active:
            output = output + handle.layer(input, handle.adapter.scale, self.module).to(output.dtype)
        return output

    def active(self) -> list["Handle"]:
        """What acts at present."""
        return [h for h in self._attached if h.adapter.active and id(h.layer) not in h.adapter.left_out]

    def only(self, layer: Layer) -> bool:
        """Would a call of the module do nothing but what ``layer`` does to a plain module, unseen by any hook?"""
        module, active = self.module, self.active()
        alone = self._plain and len(active) == 1 and active[0].layer is layer
        return alone and not (_watched(module) or _watched(layer))

    def close(self, handle: "Handle") -> None:
        """Detach a layer; the module gets its own forward back when it was the last."""
        if handle in self._attached:
            self._attached.remove(handle)
            if not self._attached:
                del self.module.forward
                if self._former is not None:
                    self.module.forward = self._former


def _watched(module: Any) -> bool:
    """Has somebody put hooks on it, such as those that gather a sharded layer's tensors when it is called?"""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


class Handle:
    """One layer on one module, until ``remove``."""

    def __init__(self, door: Door, adapter: "Adapter", layer: Layer):
        self.door, self.adapter, self.layer = door, adapter, layer

    def remove(self) -> None:
        """Take the layer off the module."""
        self.door.close(self)


def attach(module: nn.Module, adapter: "Adapter", layer: Layer) -> Handle:
    """From now on the module's output has the layer's change in it, while the adapter is active."""
    door = door_of(module)
    if door is None:
        door = Door(module)
        module.forward = door.forward
    handle = Handle(door, adapter, layer)
    door._attached.append(handle)
    return handle


def door_of(module: nn.Module) -> Door | None:
    """The module's door; None where no adapter is attached, or where its forward was replaced since."""
    door = getattr(vars(module).get("forward"), "__self__", None)
    return door if isinstance(door, Door) else None

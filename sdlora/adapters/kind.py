"""What an adapter kind is: LoRA, DoRA and so on, each described without torch; the description leads to its layer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sdlora.errors import Problem
from sdlora.messages import say

if TYPE_CHECKING:
    from sdlora.adapters.form import Form

BYTES = {"fp16": 2, "bf16": 2, "fp32": 4}  # of one number, by save.dtype
Shape = tuple[int, ...]  # of a frozen weight: (out, in) or (out, in, k, k)


@dataclass(frozen=True, eq=False)
class Kind:
    """One adapter kind. Everything that differs between kinds, outside of the arithmetic of the layer itself.

    name: the value of the setting adapter.kind. title: as people write it.
    layer: "module:class" of its layer (``sdlora.adapters.layer.Layer``), imported when it trains.
    file_form: "module:name" of how files hold it (``sdlora.adapters.form.Form``), imported when one is read or written.
    factors: the tensors whose product is the change -> the axis that has the length of the rank. The change is linear
        in each. The last one starts at zero, and takes the strength (alpha / rank) where a file has another.
    undecayed: the other tensors, magnitudes and the like: no weight decay, float32 in files.
    size: parameters of one layer, from the shape of the frozen weight and the rank; linear in the rank.
    spread: by how much the product of the factors' norms exceeds the norm of their product, for unrelated factors.
    readers: tools that load a file as it is meant. containers: values of save.container that can hold it.
    network_module, network_args: ss_network_module and ss_network_args of the file, as the kind's trainers write them.
    """

    name: str
    title: str
    layer: str
    file_form: str
    factors: Mapping[str, int]
    size: Callable[[Shape, int], int]
    spread: Callable[[Shape, int], float]
    readers: tuple[str, ...]
    undecayed: tuple[str, ...] = ()
    containers: tuple[str, ...] = ("kohya",)
    network_module: str = "networks.lora"
    network_args: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of a layer's tensors, as checkpoints have them and, through ``lorafiles.keys``, files."""
        return (*self.factors, *self.undecayed)

    @property
    def last(self) -> str:
        """The factor that starts at zero and takes the strength."""
        return list(self.factors)[-1]

    def layer_class(self) -> type:
        """The class of its layers; imports torch."""
        return _imported(self.layer)

    def form(self) -> "Form":
        """How files hold it; imports torch."""
        return _imported(self.file_form)


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def why_not_in(container: str, kind: Kind) -> Problem | None:
    """What is wrong with writing this kind in a container; None if nothing is."""
    if container in kind.containers:
        return None
    what = say("settings.container_unfit", container=container, kind=kind.title)
    fix = say("settings.use_other_container", container=kind.containers[0])
    return Problem(what, fix, "container")


def inputs_of(shape: Shape) -> int:
    """Columns of a frozen weight as a matrix: in, or in · k · k."""
    columns = 1
    for side in shape[1:]:
        columns *= side
    return columns


def overhead(name: str, kind: Kind) -> int:
    """Bytes of one layer in a file beside its numbers: its alpha, and the JSON that describes every tensor."""
    tensors = len(kind.parts) + 1
    return 4 + tensors * len(name) + 280 * tensors // 3

"""What an adapter kind is: LoRA, DoRA and so on, each described without torch; the description leads to its layer."""

from collections.abc import Callable, Iterable, Mapping
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
    factors: the tensors whose product is the change -> the axis that has the length of the rank; None where none has.
        The change is linear in each. The last one that a layer has starts at zero, and takes the strength
        (alpha / rank) where a file has another.
    choices: the sets of factors that a layer may have, where that depends on its shape; () where each has all of them.
    options: what its layers are told beside rank and alpha: names of settings of adapter.*; so are the functions below.
    masked: does ``thinning`` leave ranks out of its layers?
    undecayed: the other tensors, magnitudes and the like: no weight decay, float32 in files.
    size: parameters of one layer, from the shape of the frozen weight and the rank; linear in the rank below ``full``.
    full: shape of the frozen weight -> the rank from which on a layer's size does not grow; None where it always does.
    spread: by how much the product of the factors' norms exceeds the norm of their product, for unrelated factors; from
        shape and rank.
    readers: tools that load a file as it is meant. containers: values of save.container that can hold it.
    network_module, network_args: ss_network_module and ss_network_args of the file, as the kind's trainers write them.
    """

    name: str
    title: str
    layer: str
    file_form: str
    factors: Mapping[str, int | None]
    size: Callable[..., int]
    spread: Callable[..., float]
    readers: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...] = ()
    options: tuple[str, ...] = ()
    full: Callable[..., int | None] = lambda shape, **options: None
    masked: bool = False
    undecayed: tuple[str, ...] = ()
    containers: tuple[str, ...] = ("kohya",)
    network_module: str = "networks.lora"
    network_args: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of a layer's tensors, as checkpoints have them and, through ``lorafiles.keys``, files."""
        return (*self.factors, *self.undecayed)

    @property
    def sets(self) -> tuple[frozenset[str], ...]:
        """The sets of tensors that a layer may have."""
        return tuple(frozenset((*chosen, *self.undecayed)) for chosen in self.choices or (tuple(self.factors),))

    def factors_in(self, tensors: Iterable[str]) -> dict[str, int | None]:
        """The factors that a layer with these tensors has."""
        own = set(tensors)
        return {part: axis for part, axis in self.factors.items() if part in own}

    def ranked_in(self, tensors: Iterable[str]) -> dict[str, int]:
        """The factors of a layer with these tensors that have a side of the length of the rank -> which side."""
        return {part: axis for part, axis in self.factors_in(tensors).items() if axis is not None}

    def last_in(self, tensors: Iterable[str]) -> str:
        """The factor of a layer with these tensors that starts at zero and takes the strength."""
        return list(self.factors_in(tensors))[-1]

    def told(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The options of its layers, out of all values of adapter.*."""
        return {name: values[name] for name in self.options}

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


def overhead(name: str, tensors: int) -> int:
    """Bytes of one layer in a file beside its numbers: its alpha, and the JSON that describes this and every tensor."""
    tensors += 1
    return 4 + tensors * len(name) + 280 * tensors // 3

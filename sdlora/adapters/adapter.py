"""All adapter layers of a model together: one thing to train, switch, save, merge and take off again."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sdlora.adapters import weights
from sdlora.adapters.attention import stack_attention, stacks_of
from sdlora.adapters.casts import Casts
from sdlora.adapters.door import attach
from sdlora.adapters.kind import BYTES, Kind, overhead
from sdlora.adapters.layer import Layer
from sdlora.adapters.table import PLAIN
from sdlora.errors import Problem, UserError
from sdlora.messages import say

_SHOWN = 5  # sentences of one kind; a file for another model would bring hundreds


class Adapter(nn.Module):
    """The layers that ``inject`` attached. Its parameters are the only trainable ones.

    layers: module name -> layer, in the model's order. kind: what all of them are. options: what they were told beside
    rank and alpha.
    scale: multiplies every layer's change; 0 leaves the model's outputs bit for bit as they are.
    enabled: False does the same as scale 0, and keeps the scale.
    left_out: ids of layers that don't act at present, while the others do (``thinning``).
    merged: True between ``merge`` and ``unmerge``; the layers are silent meanwhile.
    trainable, total: numbers of parameters: the adapter's, and with the base model's.
    """

    def __init__(
        self, layers: dict[str, Layer], bases: dict[str, nn.Module], roots: Mapping[str, nn.Module],
        kind: Kind = PLAIN, options: Mapping[str, Any] | None = None,
    ):  # fmt: skip
        super().__init__()
        for root in roots.values():
            root.requires_grad_(False)
        self.layers, self.kind, self.options = layers, kind, dict(options or {})
        self.scale = 1.0
        self.enabled = True
        self.left_out: set[int] = set()
        self.trainable = sum(p.numel() for layer in layers.values() for p in layer.parameters())
        self.total = self.trainable + sum(p.numel() for p in {p for root in roots.values() for p in root.parameters()})
        self._registered = nn.ModuleList(layers.values())  # where parameters() and to() find them
        self._bases = bases  # a plain dict: the base model is no part of the adapter
        self._originals: dict[str, Tensor] = {}
        self._handles = [attach(base, self, layers[name]) for name, base in bases.items()]
        self._stacks = stack_attention(self, roots, layers)
        self._casts = Casts(list(layers.values()), stacks_of(self._stacks))

    @property
    def active(self) -> bool:
        """Does it change outputs at present?"""
        return self.enabled and self.scale != 0 and not self._originals

    def forward(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """function(*args, **kwargs): so that accelerate, which wraps the adapter, runs the model under autocast.

        Called so, a step casts all factors at once.
        """
        if torch.compiler.is_compiling() or not self.active:
            return function(*args, **kwargs)
        with self._casts.handed():
            return function(*args, **kwargs)

    def remove(self) -> None:
        """Take the layers off the model: it is as before, or keeps the merged weights if merged."""
        for handle in [*self._handles, *self._stacks]:
            handle.remove()
        self._handles, self._stacks = [], []

    def _apply(self, *args: Any, **kwargs: Any) -> "Adapter":
        super()._apply(*args, **kwargs)  # to(), cuda() and the like: each parameter has memory of its own then
        for stack in stacks_of(self._stacks):
            stack.lay()
        return self

    # ---- merging

    @property
    def merged(self) -> bool:
        """Are the layers' changes in the base's weights now?"""
        return bool(self._originals)

    @torch.no_grad()
    def merge(self) -> None:
        """Add scale · delta to the base's weights: in float32, then cast to their dtype. The originals are kept."""
        self.unmerge()
        try:
            for name, layer in self.layers.items():
                base = self._bases[name]
                weight = weights.read(base)
                merged = weight.add(layer.delta(weight).to(weight), alpha=self.scale)
                self._originals[name] = weights.stored(base)
                weights.write(base, merged)
        except BaseException:  # such as no memory left halfway
            self.unmerge()
            raise

    def unmerge(self) -> None:
        """Put the original weights back, bit for bit; nothing happens if not merged."""
        for name, original in self._originals.items():
            weights.put_back(self._bases[name], original)
        self._originals = {}

    # ---- parameters and state

    @torch.no_grad()
    def delta(self, name: str) -> Tensor:
        """The change of one base weight at scale 1, merged or not: float32, in its shape."""
        return self.layers[name].delta(self.base_weight(name))

    def base_weight(self, name: str) -> Tensor:
        """The base's own weight under a layer, also while merged: float32, not to be changed."""
        return weights.read(self._bases[name], self._originals.get(name))

    def tensors(self) -> dict[str, nn.Parameter]:
        """ "<module name>.<part>" -> parameter, in the model's order; the parts are those of ``kind.parts``."""
        return {f"{name}.{part}": p for name, layer in self.layers.items() for part, p in layer.tensors().items()}

    def parameters_of(self, root: str) -> list[nn.Parameter]:
        """The parameters under one root name, such as "unet" or "text_encoder"; empty if none learn there."""
        return [p for name, layer in self.layers.items() if name.split(".")[0] == root for p in layer.parameters()]

    def file_bytes(self, dtype: str = "fp16") -> int:
        """About how large the file will be, in bytes, without its metadata."""
        beside = sum(overhead(name, len(layer.tensors())) for name, layer in self.layers.items())
        return self.trainable * BYTES[dtype] + beside

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """ "<module name>.<part>" -> float32, sharing memory with the adapter.

        Names are the model's, not numbers; torch's own arguments (destination, prefix) are not used.
        """
        return {name: parameter.detach() for name, parameter in self.tensors().items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor], *args: Any, **kwargs: Any) -> None:
        """Copy the factors in; UserError, and nothing changed, for missing or unknown keys, other ranks or shapes."""
        own = self.state_dict()
        problems = [
            *_listed("adapters.saved_lacks", [k for k in own if k not in state]),
            *_listed("adapters.saved_has_more", [k for k in state if k not in own]),
            *_of_other_shape(own, state, self.kind),
        ]
        if problems:
            raise UserError(*problems)
        for key, tensor in own.items():
            tensor.copy_(state[key])


def _listed(message: str, keys: list[str]) -> list[Problem]:
    fix = say("adapters.use_same_model_and_targets")
    problems = [Problem(say(message, name=key), fix) for key in keys[:_SHOWN]]
    if len(keys) > _SHOWN:
        problems.append(Problem(say("adapters.and_more", count=len(keys) - _SHOWN)))
    return problems


def _of_other_shape(own: Mapping[str, Tensor], state: Mapping[str, Tensor], kind: Kind) -> list[Problem]:
    wrong = [k for k in own if k in state and own[k].shape != state[k].shape]
    problems = []
    for key in wrong[:_SHOWN]:
        side = kind.factors.get(key.rpartition(".")[2])
        here, there = own[key].shape, state[key].shape
        if side is not None and len(there) == len(here) and here[side] != there[side]:
            what, fix = (
                say("adapters.saved_rank_differs", name=key, there=there[side], here=here[side]),
                say("adapters.set_same_rank"),
            )
        else:
            what, fix = (
                say("adapters.saved_shape_differs", name=key, there=list(there), here=list(here)),
                say("adapters.use_same_base"),
            )
        problems.append(Problem(what, fix))
    if len(wrong) > _SHOWN:
        problems.append(Problem(say("adapters.and_more", count=len(wrong) - _SHOWN)))
    return problems

"""diffusers' attention with adapters on projections that read the same input: one product for all of them.

q, k and v of self-attention read the same features. k and v of every cross-attention of a UNet read the same text, so
that all of one width are one product, before the first block; where blocks are computed twice (gradient checkpointing),
each cross-attention has its own k and v in one.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn
from torch.nn import functional

from sdlora.adapters.layer import Layer
from sdlora.adapters.stack import Member, Stack, likeness, stackable


class StackedAttention:
    """The processor of an attention of whose q, k and v (of cross-attention: k and v) there is a stack.

    plain: what was there before; it does whatever is not the usual case, and everything while the stack is not usable.
    """

    def __init__(self, stack: Stack, adapter: Any, attn: Attention, texts: "Texts | None" = None):
        self.stack, self.adapter, self.attn, self.texts = stack, adapter, attn, texts
        self.plain = attn.processor
        attn.set_processor(self)

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None, *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        """(batch, N, d) -> (batch, N, d): diffusers' AttnProcessor2_0 without what does nothing in these models."""
        cross = encoder_hidden_states is not None
        usual = hidden_states.ndim == 3 and attention_mask is None and cross == attn.is_cross_attention
        if not (usual and self._usable()):
            return self.plain(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **kwargs)
        if cross:
            q = attn.to_q(hidden_states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            k, v = self._of_text(encoder_hidden_states)
        else:
            q, k, v = self.stack.output(hidden_states, self.adapter.scale, attn.heads)
        mixed = functional.scaled_dot_product_attention(q, k, v)  # (batch, heads, N, d / heads)
        return attn.to_out[1](attn.to_out[0](mixed.transpose(1, 2).flatten(2)))

    def remove(self) -> None:
        """Give the attention back what it had, unless somebody replaced it since."""
        if self.attn.processor is self:
            self.attn.set_processor(self.plain)

    def _usable(self) -> bool:
        own = projections(self.attn)
        return all(one is base for one, base in zip(own, self.stack.bases, strict=True)) and self.stack.usable()

    def _of_text(self, text: Tensor) -> tuple[Tensor, ...]:
        there = self.texts.of(self, text) if self.texts else None
        return there or self.stack.output(text, self.adapter.scale, self.attn.heads)


class Texts:
    """k and v of all cross-attentions of one UNet, from when it is called until it is called again."""

    def __init__(self, unet: UNet2DConditionModel, adapter: Any):
        self.unet, self.adapter = unet, adapter
        self.groups: list[tuple[Stack, list[StackedAttention]]] = []
        self._text: Tensor | None = None
        self._found: dict[int, tuple[Tensor, ...]] = {}
        self._former, own = vars(unet).get("forward"), unet.forward

        @wraps(own)
        def forward(*args: Any, **kwargs: Any) -> Any:
            self._before(*args, **kwargs)
            output = own(*args, **kwargs)
            self._after()
            return output

        # No hook: a compiler would take what it does for a graph of its own.
        self._forward = unet.forward = forward

    def of(self, processor: StackedAttention, text: Tensor) -> tuple[Tensor, ...] | None:
        """(k, v) of that attention, if it is asked for the text that the UNet was called with."""
        return self._found.get(id(processor)) if text is self._text else None

    def remove(self) -> None:
        """Give the UNet its own forward back, unless somebody replaced it since; then do nothing in it."""
        self._forget()
        self.groups = []
        if vars(self.unet).get("forward") is self._forward:
            del self.unet.forward
            if self._former is not None:
                self.unet.forward = self._former

    def _before(
        self, sample: Any = None, timestep: Any = None, encoder_hidden_states: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        self._forget()
        text = encoder_hidden_states
        if not self.adapter.active or self.unet.is_gradient_checkpointing or not isinstance(text, Tensor):
            return
        self._text = text
        for stack, processors in self.groups:
            if stack.usable():
                outputs = stack.output(text, self.adapter.scale, processors[0].attn.heads)
                pairs = zip(outputs[::2], outputs[1::2], strict=True)
                self._found |= {id(owner): pair for owner, pair in zip(processors, pairs, strict=True)}

    def _after(self) -> None:
        if torch.compiler.is_compiling() or not torch.is_grad_enabled():
            self._forget()  # else a block that is computed again in the backward pass asks once more

    def _forget(self) -> None:
        self._text, self._found = None, {}


def stack_attention(adapter: Any, roots: Mapping[str, nn.Module], layers: Mapping[str, Layer]) -> list:
    """Give every attention of which the adapter has all projections a processor that stacks them.

    roots: root name -> model; layers: full name -> layer. Returns what has to be removed with the adapter.
    """
    made: list[StackedAttention | Texts] = []
    for root, model in roots.items():
        found = list(_attentions(root, model, layers))
        crossing = [(attn, members) for attn, members in found if attn.is_cross_attention]
        if isinstance(model, UNet2DConditionModel) and model.encoder_hid_proj is None and crossing:
            made += _of_one_text(adapter, model, crossing)
            found = [(attn, members) for attn, members in found if not attn.is_cross_attention]
        made += [StackedAttention(Stack(members), adapter, attn) for attn, members in found]
    return made


def stacks_of(made: Sequence["StackedAttention | Texts"]) -> list[Stack]:
    """All stacks of what ``stack_attention`` made, wholes before their parts."""
    whole = [stack for part in made if isinstance(part, Texts) for stack, _ in part.groups]
    return whole + [part.stack for part in made if isinstance(part, StackedAttention)]


def projections(attn: Attention) -> list[nn.Module]:
    """The linear layers that read the same input: q, k, v; of cross-attention k and v."""
    return [attn.to_k, attn.to_v] if attn.is_cross_attention else [attn.to_q, attn.to_k, attn.to_v]


def _attentions(root: str, model: nn.Module, layers: Mapping[str, Layer]) -> Iterator[tuple[Attention, list[Member]]]:
    """Every attention whose projections can be stacked, with them."""
    names = {id(module): name for name, module in model.named_modules(prefix=root)}
    for module in model.modules():
        if isinstance(module, Attention) and _is_usual(module):
            members = [(base, layers.get(names[id(base)])) for base in projections(module)]
            if stackable(members):
                yield module, members


def _of_one_text(
    adapter: Any, unet: UNet2DConditionModel, crossing: Sequence[tuple[Attention, list[Member]]]
) -> list[StackedAttention | Texts]:
    """Processors of cross-attentions whose k and v are computed together, those of one width at a time."""
    texts, made = Texts(unet, adapter), []
    groups: dict[tuple, list[tuple[Attention, list[Member]]]] = {}
    for attn, members in crossing:
        groups.setdefault((attn.heads, likeness(*members[0])), []).append((attn, members))
    for group in groups.values():
        whole = Stack([member for _, members in group for member in members])
        own = [
            StackedAttention(Stack(members, whole, 2 * number), adapter, attn, texts)
            for number, (attn, members) in enumerate(group)
        ]
        texts.groups.append((whole, own))
        made += own
    return [texts, *made]


def _is_usual(attn: Attention) -> bool:
    """Does it do nothing but project, attend and project, as in Stable Diffusion's transformers?"""
    extras = (attn.spatial_norm, attn.group_norm, attn.norm_q, attn.norm_k, attn.norm_cross)
    plain = type(attn.processor) is AttnProcessor2_0 and not any(extras)
    return plain and not attn.residual_connection and attn.rescale_output_factor == 1.0

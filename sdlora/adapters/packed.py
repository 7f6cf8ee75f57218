"""Frozen convolutions whose weights are kept in oneDNN's own layout, for training on a CPU.

PyTorch lays a convolution's weight out anew in every call, forward and backward, or goes a slow way for small inputs;
at batch 1 that costs more than the arithmetic. Here it is done once for each direction, which takes the memory of two
more copies. The gradient of a convolution's input is the convolution of the output's gradient with the weight turned
around, its in and out channels swapped (Dumoulin & Visin 2016, "A guide to convolution arithmetic", section 4).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from sdlora.adapters import weights
from sdlora.errors import ran_out_of_memory
from sdlora.messages import Message, reason_of, say

LEAST = 100_000  # numbers in a weight: laying out a smaller one costs nothing
FAILURES = (RuntimeError, MemoryError, AttributeError)  # the last: another PyTorch, which names its kernels otherwise


class Convolved(Function):
    """A packed convolution's output, with the gradient of its input alone: (x, the convolution, bias or None)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, packed: "PackedConvolution", bias: Tensor | None) -> Tensor:
        """Compute the output, (batch, out, h', w')."""
        ctx.packed, ctx.shape = packed, x.shape
        return packed.convolved(x, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of x for that of the output."""
        return ctx.packed.to_input(gradients[0], ctx.shape), None, None


class PackedConvolution:
    """The ``forward`` of one frozen nn.Conv2d on the CPU; its weights are packed at the first step that calls it.

    notes: where it says why it goes the plain way, if packing fails. Calls without gradients before the first step,
    and those in another dtype than the weight's, go the plain way, too: test pictures have other sizes than images.
    """

    def __init__(self, module: nn.Conv2d, notes: list[Message]):
        self.module, self.notes = module, notes
        weight, _ = weights.parameters(module)
        self.how = (list(module.padding), list(module.stride), list(module.dilation), module.groups)
        self._kept = _place_of(weight)
        self._ahead: Tensor | None = None
        self._back: Tensor | None = None
        self._off = False
        module.forward = self.forward

    def forward(self, input: Tensor) -> Tensor:  # as nn.Conv2d calls it
        """The module's output."""
        weight, bias = weights.parameters(self.module)
        dtype = weights.autocast_dtype(input) or input.dtype
        if self._usable(input, weight, dtype):
            try:
                if self._ahead is None:
                    self._pack(weight, input.shape)
                return Convolved.apply(input.to(dtype), self, None if bias is None else bias.to(dtype))
            except FAILURES as error:
                if ran_out_of_memory(error):  # so it is for all of them: whoever trains decides what goes
                    raise
                self._give_up(error)
        return type(self.module).forward(self.module, input)

    def convolved(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """The plain function, (batch, in, h, w) -> (batch, out, h', w'), without gradients."""
        assert self._ahead is not None  # ``forward`` packs it first
        return _convolution(x, self._ahead, bias, *self.how)

    def to_input(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """The gradient of an input of that shape for that of the output."""
        padding, stride, dilation, groups = self.how
        if self._back is not None:
            around = [d * (k - 1) - p for d, k, p in zip(dilation, self.module.kernel_size, padding, strict=True)]
            try:
                return _convolution(gradient, self._back, None, around, [1, 1], dilation, groups)
            except FAILURES as error:
                if ran_out_of_memory(error):
                    raise
                self._give_up(error)
        weight, _ = weights.parameters(self.module)
        x = gradient.new_empty(1).expand(shape)  # only its shape is read
        rest = (None, stride, padding, dilation, False, [0, 0], groups, [True, False, False])
        return torch.ops.aten.convolution_backward(gradient, x, weight.detach(), *rest)[0]

    def remove(self) -> None:
        """Give the module its own forward back, and the memory."""
        if vars(self.module).get("forward") == self.forward:
            del self.module.forward
        self._ahead = self._back = None
        self._off = True

    def _usable(self, x: Tensor, weight: Tensor, dtype: torch.dtype) -> bool:
        if self._off or x.device.type != "cpu" or weight.dtype != dtype or x.dim() != 4 or weight.requires_grad:
            return False
        if _place_of(weight) != self._kept:  # merged, moved or loaded anew: what is packed is of the weight before
            self._kept, self._ahead, self._back = _place_of(weight), None, None
        return self._ahead is not None or torch.is_grad_enabled()

    @torch.no_grad()
    def _pack(self, weight: Tensor, shape: torch.Size) -> None:
        padding, stride, dilation, groups = self.how
        ahead = _laid_out(weight, padding, stride, dilation, groups, shape)
        if stride == [1, 1]:
            around = [d * (k - 1) - p for d, k, p in zip(dilation, weight.shape[2:], padding, strict=True)]
            if min(around) >= 0:
                size = [shape[0], weight.shape[0], *shape[2:]]  # nearly: what "same" padding gives
                self._back = _laid_out(_turned(weight, groups), around, stride, dilation, groups, size)
        self._ahead = ahead

    def _give_up(self, error: BaseException) -> None:
        self._ahead, self._back, self._off = None, None, True
        if not self.notes:  # once is enough
            reason = reason_of(error) if isinstance(error, OSError) else str(error).splitlines()[0][:200]
            self.notes.append(say("training.packing_failed", reason=reason))


class Packed:
    """All convolutions of a model that can be packed and that no adapter is on, until ``remove``.

    notes: what is to be told since somebody last looked.
    """

    def __init__(self, model: nn.Module, least: int = LEAST):
        self.notes: list[Message] = []
        self.convolutions = [PackedConvolution(module, self.notes) for module in packable(model, least)]

    def remove(self) -> None:
        """Give all modules their own forward back."""
        for convolution in self.convolutions:
            convolution.remove()


def packable(model: nn.Module, least: int = LEAST) -> Iterator[nn.Conv2d]:
    """The model's frozen convolutions that ``PackedConvolution`` can stand in for, and that nobody else does."""
    if not torch.backends.mkldnn.is_available():
        return
    for module in model.modules():
        if type(module) is not nn.Conv2d or "forward" in vars(module):
            continue
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            continue
        weight, _ = weights.parameters(module)
        fits = weight.dtype == torch.float32 or (weight.dtype == torch.bfloat16 and _has_bf16())
        frozen = not any(parameter.requires_grad for parameter in module.parameters())
        if fits and frozen and weight.device.type == "cpu" and weight.numel() >= least:
            yield module


def packed_bytes(model: nn.Module, least: int = LEAST) -> int:
    """How much memory the packed copies of a model's convolutions take, at most."""
    found = (weights.parameters(module)[0] for module in packable(model, least))
    return sum(2 * weight.numel() * weight.element_size() for weight in found)


def _has_bf16() -> bool:
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(supported and supported())


def _place_of(weight: Tensor) -> tuple[int, int, torch.dtype]:
    return weight.data_ptr(), weight._version, weight.dtype


def _turned(weight: Tensor, groups: int) -> Tensor:
    """(out, in / groups, k, k) as (in, out / groups, k, k), the kernel turned around."""
    out, ins, *kernel = weight.shape
    swapped = weight.reshape(groups, out // groups, ins, -1).transpose(1, 2)
    # Turned around is backward in one row: to flip rows in one piece takes a third of the time of flipping two axes.
    return swapped.reshape(groups * ins, out // groups, -1).flip(2).view(groups * ins, out // groups, *kernel)


def _laid_out(weight: Tensor, padding: list, stride: list, dilation: list, groups: int, size: Any) -> Tensor:
    own = weight.detach().contiguous().to_mkldnn()
    return torch._C._nn.mkldnn_reorder_conv2d_weight(own, padding, stride, dilation, groups, list(size))


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, padding, stride, dilation, groups) -> Tensor:
    """oneDNN's convolution with a packed weight. It wants its input in one piece."""
    x = x.contiguous()
    return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, padding, stride, dilation, groups, "none", [], "")
